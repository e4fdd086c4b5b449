"""The tables of checks at the end of the page: attention by attention, and check by check."""

import dataclasses
from collections.abc import Sequence

from attnreport.recording import (
    AttentionMap,
    Check,
    Checks,
    Recording,
    WorstCheck,
    worst_checks,
)
from attnreport.recording.layers import numbers_text
from attnreport.report.context import CheckRow, OtherCheckRow
from attnreport.report.phrases import magnitude, ranged
from attnreport.report.proofs import check_value, is_said, stated
from attnreport.report.stacks import Stack

# So many further checks have a column of their own, and so many examples are named.
_MOST_COLUMNS = 3
_MOST_EXAMPLES = 3
_GUESSES = "guesses"


@dataclasses.dataclass(frozen=True)
class _Place:
    """Where a check was stated."""

    example: str
    layer: int
    attention: AttentionMap


def check_columns(stacks: Sequence[Stack]) -> tuple[str, ...]:
    """Headings of what some attention was checked for beside the usual, first stated first."""
    checks = [check for stack in stacks for each in stack.maps for check in each.checks.others]
    measured = dict.fromkeys(check.name for check in checks if not is_said(check))
    guessed = any(stated(check).outcome == "guess" for check in checks)
    return (*list(measured)[:_MOST_COLUMNS], *[_GUESSES] * guessed)


def check_rows(stacks: Sequence[Stack]) -> tuple[CheckRow, ...]:
    """The worst values of each attention operation over all examples."""
    operations: dict[tuple[str, str], list[AttentionMap]] = {}
    for stack in stacks:
        for attention in stack.maps:
            operations.setdefault((attention.name, stack.label), []).append(attention)
    columns = check_columns(stacks)
    return tuple(_check(name, group, maps, columns) for (name, group), maps in operations.items())


def _check(name: str, group: str, maps: list[AttentionMap], columns: Sequence[str]) -> CheckRow:
    repeated = [m.checks.deterministic for m in maps if m.checks.deterministic is not None]
    worst = {found.check.name: found for found in _measured([(name, m) for m in maps])}
    return CheckRow(
        name=name,
        group=group,
        shape=f"{ranged(m.heads for m in maps)} × {ranged(len(m.query) for m in maps)} × "
        f"{ranged(len(m.key) for m in maps)}",
        precision=", ".join(sorted({m.precision for m in maps})),
        row_sum_error=_worst([m.checks.row_sum_error for m in maps]),
        output_difference=_worst([m.checks.output_difference for m in maps]),
        deterministic="not tried" if not repeated else "yes" if all(repeated) else "no",
        others=tuple(
            _guesses(maps) if column == _GUESSES else _cell(worst.get(column)) for column in columns
        ),
    )


def _worst(errors: list[float | None]) -> str:
    known = [error for error in errors if error is not None]
    return magnitude(max(known)) if known else "not measured"


def _cell(worst: WorstCheck | None) -> str:
    if worst is None:
        return "not measured"
    value = check_value(worst.check)
    return f"{value}, {worst.outcome}" if value and worst.failed else value or worst.outcome


def _guesses(maps: list[AttentionMap]) -> str:
    guessed = {c.detail for m in maps for c in m.checks.others if stated(c).outcome == "guess"}
    return str(len(guessed) or "none")


def other_check_rows(recording: Recording, stacks: Sequence[Stack]) -> tuple[OtherCheckRow, ...]:
    """For each attention group a row for each thing that is said, and for each that was measured.

    What is said of many maps in the same words has one row.
    """
    several = len(recording.examples) > 1
    rows: list[OtherCheckRow] = []
    for group, places in _by_group(recording, stacks).items():
        said: dict[Check, list[_Place]] = {}
        for place in places:
            for check in filter(is_said, place.attention.checks.others):
                said.setdefault(check, []).append(place)
        rows += [_said(group, check, found, places, several) for check, found in said.items()]
        rows += [_other_check(group, worst) for worst in _measured(_named(places, several))]
    return tuple(rows)


def worst_by_group(
    recording: Recording, stacks: Sequence[Stack]
) -> dict[str, tuple[WorstCheck, ...]]:
    """The worst of each check that was measured or judged, by the name of the attention group."""
    several = len(recording.examples) > 1
    groups = _by_group(recording, stacks)
    return {group: _measured(_named(places, several)) for group, places in groups.items()}


def _by_group(recording: Recording, stacks: Sequence[Stack]) -> dict[str, list[_Place]]:
    groups: dict[str, list[_Place]] = {}
    for stack in stacks:
        example = recording.examples[stack.example].name
        for number, attention in zip(stack.layer_numbers, stack.maps, strict=True):
            groups.setdefault(stack.label, []).append(_Place(example, number, attention))
    return groups


def _named(places: Sequence[_Place], several: bool) -> list[tuple[str, AttentionMap]]:
    return [(_name(place, several), place.attention) for place in places]


def _name(place: _Place, several: bool) -> str:
    name = place.attention.name
    return f"{name} ({place.example})" if several else name


def _measured(maps: Sequence[tuple[str, AttentionMap]]) -> tuple[WorstCheck, ...]:
    return worst_checks((place, _without_said(attention.checks)) for place, attention in maps)


def _without_said(checks: Checks) -> Checks:
    return dataclasses.replace(checks, others=[c for c in checks.others if not is_said(c)])


def _other_check(group: str, worst: WorstCheck) -> OtherCheckRow:
    return OtherCheckRow(
        name=worst.check.name,
        group=group,
        value=check_value(worst.check) or "–",
        outcome=worst.outcome,
        place=worst.place if worst.maps > 1 else "",
        detail=worst.check.detail,
    )


def _said(
    group: str, check: Check, found: Sequence[_Place], places: Sequence[_Place], several: bool
) -> OtherCheckRow:
    return OtherCheckRow(
        name=check.name,
        group=group,
        value="–",
        outcome=stated(check).outcome or "–",
        place=_where(found, places, several),
        detail=check.detail,
    )


def _where(found: Sequence[_Place], places: Sequence[_Place], several: bool) -> str:
    """Which maps of a group these are, in a few words however many there are."""
    if len(places) == 1:
        return ""
    if len(found) == len(places):
        return f"all {len(places)} maps"
    if len(found) == 1:
        return _name(found[0], several)
    layers = {place.layer for place in found}
    noun = "layer" if len(layers) == 1 else "layers"
    text = f"{len(found)} of {len(places)} maps: {noun} {numbers_text(layers)}"
    examples = list(dict.fromkeys(place.example for place in found))
    if len(examples) == len({place.example for place in places}):
        return text
    more = len(examples) - _MOST_EXAMPLES
    named = ", ".join(examples[:_MOST_EXAMPLES]) + (f" and {more} more" if more > 0 else "")
    return f"{text} ({named})"
