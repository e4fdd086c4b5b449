"""The statistics of heads as a table, as JSON and as CSV."""

import csv
import io
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from attnreport.cli.statistics import PATTERNS, STATISTICS, TOLERANCES
from attnreport.cli.table import aligned, one_line, shortened

# What the table shows unless one says which columns, within 80 characters.
COLUMNS = ("entropy", "confidence", "mean distance", "sink")
# Of more heads the table shows only so many.
MOST = 48
# Patterns that say how wide a head looks come after those that say where.
_LAST = frozenset({"positional", "local window", "block", "broad"})
_CLEAREST = 3


def shows(head: Any, pattern: str) -> bool:
    """Whether the head shows the pattern in at least half of the examples that tell of it."""
    share = head.patterns.get(pattern)
    return share is not None and 0 < share.measured <= 2 * share.found


def ranked(heads: Sequence[Any], statistic: str, *, reverse: bool) -> list[Any]:
    """The heads from the highest value to the lowest, or the reverse; those without one last."""

    def place(head: Any) -> tuple[bool, float]:
        spread = head.statistics.get(statistic)
        if spread is None:
            return True, 0.0
        return False, spread.mean if reverse else -spread.mean

    return sorted(heads, key=place)


def as_table(heads: Sequence[Any], columns: Sequence[str], *, most: int, width: int | None) -> str:
    """A table of the first heads, and one of the patterns of all of them.

    Args:
        heads: The heads.
        columns: Names of the statistics.
        most: How many heads to show at most.
        width: How wide a line may be.
    """
    first = heads[:most]
    shown = [name for name in columns if any(name in head.statistics for head in first)]
    rows = [["head", *shown, "patterns"]]
    groups = list(dict.fromkeys(head.group for head in heads))
    for group in groups:
        of_group = [head for head in first if head.group == group]
        if len(groups) > 1 and of_group:
            rows.append([group])
        rows += [_row(head, shown) for head in of_group]
    lines = aligned(rows, right=[False, *[True] * len(shown), False], width=width)
    if len(heads) > most:
        lines.append(f"… {len(heads) - most:,} more: choose among them with --sort, --layers or")
        lines.append("--pattern, or see all with --all.")
    return "\n".join([*lines, *_pattern_lines(heads, several=len(groups) > 1, width=width)])


def as_data(heads: Sequence[Any]) -> list[dict[str, Any]]:
    """The heads as JSON; what is not a number is null."""
    return [
        {
            "map": head.map,
            "call": head.call,
            "group": head.group,
            "layer": head.layer,
            "head": head.head,
            "statistics": {
                name: {
                    "mean": number(spread.mean),
                    "deviation": number(spread.deviation),
                    "chance": number(spread.chance),
                    "examples": spread.count,
                }
                for name, spread in head.statistics.items()
            },
            "patterns": {
                name: {
                    "shown": shows(head, name),
                    "found": share.found,
                    "measured": share.measured,
                    "clearest": [
                        {"value": value, "example": example} for value, example in share.top
                    ],
                }
                for name, share in head.patterns.items()
            },
        }
        for head in heads
    ]


def as_csv(heads: Sequence[Any]) -> str:
    """One line a head: means, what even attention would have, and the patterns that it shows."""
    names = [name for name in STATISTICS if any(name in head.statistics for head in heads)]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    chances = [f"{name}, by chance" for name in names]
    writer.writerow(["map", "call", "group", "layer", "head", *names, *chances, "patterns"])
    for head in heads:
        spreads = [head.statistics.get(name) for name in names]
        writer.writerow(
            [
                *(head.map, head.call, head.group, head.layer, head.head),
                *(_csv_number(spread, lambda each: each.mean) for spread in spreads),
                *(_csv_number(spread, lambda each: each.chance) for spread in spreads),
                "; ".join(_patterns(head)),
            ]
        )
    return text.getvalue()


def number(value: float) -> float | None:
    """The number, or None if it is not one that JSON has."""
    return value if math.isfinite(value) else None


def written(value: float, statistic: str) -> str:
    """A value of a statistic as the table shows it: a share as a percentage."""
    return f"{value:.2f}" if statistic in TOLERANCES else f"{value:.1%}"


def address(head: Any) -> str:
    """The layer and the number of a head, as the report calls it."""
    return f"L{head.layer} H{head.head}"


def _row(head: Any, columns: Sequence[str]) -> list[str]:
    cells = []
    for name in columns:
        spread = head.statistics.get(name)
        cells.append("-" if spread is None else written(spread.mean, name))
    patterns = []
    for name in _patterns(head):
        share = head.patterns[name]
        part = "" if share.found == share.measured else f" {share.found}/{share.measured}"
        patterns.append(f"{name}{part}")
    return [address(head), *cells, ", ".join(patterns) or "-"]


def _patterns(head: Any) -> list[str]:
    found = [name for name in PATTERNS if shows(head, name)]

    def telling(name: str) -> tuple[bool, float]:
        share = head.patterns[name]
        return name in _LAST, -share.found / share.measured

    return sorted(found, key=telling)


def _pattern_lines(heads: Sequence[Any], *, several: bool, width: int | None) -> Iterator[str]:
    rows = []
    for name in PATTERNS:
        showing = [head for head in heads if shows(head, name)]
        if showing:
            showing.sort(key=lambda head: -_best(head.patterns[name]))
            clearest = [
                f"{address(head)} {_best(head.patterns[name]):.0%}"
                + (f" of {shortened(one_line(head.group), 32)}" if several else "")
                for head in showing[: 1 if several else _CLEAREST]
            ]
            rows.append([name, f"{len(showing):,}", ", ".join(clearest)])
    if rows:
        yield ""
        yield from aligned(
            [["pattern", "heads", "clearest in"], *rows], right=[False, True, False], width=width
        )


def _best(share: Any) -> float:
    return share.top[0][0] if share.top else 0.0


def _csv_number(spread: Any, choose: Callable[[Any], float]) -> str:
    if spread is None or not math.isfinite(choose(spread)):
        return ""
    return f"{choose(spread):.9g}"
