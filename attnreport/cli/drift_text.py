"""What `attnreport check` found, in words, as tables and as JSON."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from attnreport.cli.head_table import address, number
from attnreport.cli.statistics import ROW_DISTANCE
from attnreport.cli.table import aligned, one_line, shortened

# So many names are listed before the rest is only counted.
_NAMED = 3
_LONGEST = 48


def verdict(found: Any, recording: str, baseline: str) -> list[str]:
    """Whether they agree, in a sentence, and what was compared."""
    compared = f"{_count(found.heads, 'head')} in {_count(found.examples, 'example')}"
    if found.within:
        return [f"{recording} agrees with {baseline}: {compared}, all within tolerance."]
    if not found.heads:
        return [
            f"{recording} cannot be compared with {baseline}: no map of an example that both have "
            "looks at the same positions in both."
        ]
    beyond = len({_place(drift) for drift in found.beyond})
    parts = []
    if beyond:
        parts.append(f"{beyond:,} of {compared} {_verb(beyond)} beyond tolerance")
    if found.differences:
        parts.append(f"{_count(len(found.differences), 'other difference')}")
    return [f"{recording} differs from {baseline}: {', and '.join(parts)}."]


def differences(found: Any) -> list[str]:
    """What else differs, a line each."""
    if not found.differences:
        return []
    return ["differences", *(f"- {one_line(_sentence(each))}" for each in found.differences)]


def heads_beyond(found: Any, most: int, width: int | None) -> list[str]:
    """The heads that are beyond their tolerances, the farthest off first."""
    heads: dict[Any, list[Any]] = {}
    for drift in sorted(found.beyond, key=lambda each: -each.severity):
        heads.setdefault(_place(drift), []).append(drift)
    if not heads:
        return []
    groups = {drift.group for drift in found.drifts}
    rows = [["head", "statistic", "baseline", "here", "change", "tolerance"]]
    heading = None
    for drifts in list(heads.values())[:most]:
        if len(groups) > 1 and drifts[0].group != heading:
            heading = drifts[0].group
            rows.append([heading])
        for place, drift in enumerate(drifts):
            rows.append([address(drift) if place == 0 else "", *_cells(drift)])
    lines = aligned(rows, right=[False, False, True, True, True, True], width=width)
    left = len(heads) - most
    if left > 0:
        lines.append(f"… and {_count(left, 'more head')}: --most {len(heads)} lists all.")
    return lines


def worst_of_each(found: Any, width: int | None) -> list[str]:
    """For each statistic its farthest head."""
    groups = {drift.group for drift in found.drifts}
    worst: dict[str, Any] = {}
    beyond: dict[str, int] = {}
    for drift in found.drifts:
        name = drift.statistic
        beyond[name] = beyond.get(name, 0) + drift.beyond
        if name not in worst or drift.severity > worst[name].severity:
            worst[name] = drift
    if not worst:
        return []
    rows = [["statistic", "tolerance", "largest change", "heads beyond", "largest in"]]
    for name, drift in worst.items():
        place = address(drift) + (f" of {drift.group}" if len(groups) > 1 else "")
        rows.append(
            [
                name,
                _digits(drift.tolerance),
                _change(drift),
                f"{beyond[name]:,}" if beyond[name] else "-",
                place if drift.difference else "-",
            ]
        )
    return aligned(rows, right=[False, True, True, True, False], width=width)


def as_data(found: Any) -> dict[str, Any]:
    """All of it as JSON; what is not a number is null."""
    return {
        "within": found.within,
        "heads": found.heads,
        "examples": found.examples,
        "notes": list(found.notes),
        "differences": [dataclasses.asdict(each) for each in found.differences],
        "heads_beyond": len({_place(drift) for drift in found.beyond}),
        "drifts": [_drift_data(drift) for drift in found.drifts],
    }


def _drift_data(drift: Any) -> dict[str, Any]:
    numbers = ("value", "baseline", "tolerance")
    return {
        **dataclasses.asdict(drift),
        **{name: number(getattr(drift, name)) for name in numbers},
        "difference": number(drift.difference),
        "beyond": drift.beyond,
    }


def _sentence(difference: Any) -> str:
    examples = _named(difference.examples, "example")
    if not difference.maps:
        return f"{examples} {_many(difference.what, len(difference.examples))}"
    maps = _named(difference.maps, "map")
    return f"{maps} {_many(difference.what, len(difference.maps))} ({examples})"


def _named(names: Sequence[str], noun: str) -> str:
    if len(names) == 1:
        return f"{noun} {shortened(names[0], _LONGEST)!r}"
    listed = ", ".join(repr(shortened(name, _LONGEST)) for name in names[:_NAMED])
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{len(names)} {noun}s ({listed}{more})"


def _many(what: str, count: int) -> str:
    """The end of the sentence for so many; it begins with `is` or `has`."""
    if count == 1:
        return what
    verb, _, rest = what.partition(" ")
    plural = {"is": "are", "has": "have"}[verb]
    return f"{plural} {rest.replace('has it', 'has them')}"


def _cells(drift: Any) -> list[str]:
    return [
        drift.statistic,
        "-" if drift.statistic == ROW_DISTANCE else _digits(drift.baseline),
        _digits(drift.value),
        _change(drift),
        _digits(drift.tolerance),
    ]


def _change(drift: Any) -> str:
    if math.isnan(drift.difference):
        return "no value"
    text = f"{drift.difference:+.3f}"
    return text if float(text) else "0.000"


def _digits(value: float) -> str:
    """Numbers as `--tolerance` takes them: shares from 0 to 1, not percentages."""
    return "-" if math.isnan(value) else f"{value:.3f}"


def _place(drift: Any) -> tuple[str, int, int]:
    return drift.map, drift.call, drift.head


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _verb(count: int) -> str:
    return "is" if count == 1 else "are"
