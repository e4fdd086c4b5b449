"""What `attnreport compare` found, in words, as a table and as JSON."""

import dataclasses
from typing import Any

from attnreport.cli.head_table import address
from attnreport.cli.table import aligned, one_line, shortened

_LONGEST = 40


def summary(found: Any, first: str, second: str) -> list[str]:
    """What was compared, and how much it changed, in a sentence or two."""
    heads = found.heads()
    count = len(found.examples)
    where = "1 example" if count == 1 else f"{count:,} examples"
    lines = [f"{first} and {second}: {len(heads):,} heads in {where}."]
    if not heads:
        return [*lines, "No row of any head can be compared: they look at nothing in common."]
    if heads[0].distance == 0:
        return [*lines, "All of them look at the same positions with the same weights."]
    middle = heads[len(heads) // 2].distance
    return [*lines, f"The most changed is {_place(heads[0], heads)}; half are below {middle:.3f}."]


def most_changed(found: Any, most: int, width: int | None) -> list[str]:
    """The heads with their distances, the most changed first."""
    heads = found.heads()
    if not heads:
        return []
    groups = {head.group for head in heads}
    several = len(found.examples) > 1
    rows = [["head", *(["group"] if len(groups) > 1 else []), "distance"]]
    rows[0] += ["most in", "there"] if several else []
    for head in heads[:most]:
        row = [address(head), *([one_line(head.group)] if len(groups) > 1 else [])]
        row.append(f"{head.distance:.3f}")
        if several:
            row += [shortened(one_line(head.most), _LONGEST), f"{head.largest:.3f}"]
        rows.append(row)
    right = [cell in ("distance", "there") for cell in rows[0]]
    lines = aligned(rows, right=right, width=width)
    left = len(heads) - most
    if left > 0:
        lines.append(f"… and {left:,} more: --most {len(heads)} lists all.")
    return lines


def as_data(found: Any) -> dict[str, Any]:
    """All of it as JSON."""
    return {
        "examples": [each.name for each in found.examples],
        "notes": list(found.notes),
        "heads": [dataclasses.asdict(head) for head in found.heads()],
    }


def _place(head: Any, heads: list[Any]) -> str:
    group = f" of {one_line(head.group)}" if len({each.group for each in heads}) > 1 else ""
    return f"{address(head)}{group}, at a distance of {head.distance:.3f}"
