"""Where the weights come from and what was checked: the end of the page, and its bad news."""

from collections.abc import Sequence

from attnreport.recording import AttentionMap, Recording, WorstCheck, worst_checks
from attnreport.report.context import CheckRow, OtherCheckRow
from attnreport.report.packing import ENCODINGS, Encoding
from attnreport.report.phrases import clipped, counted, magnitude, ranged, rounded
from attnreport.report.stacks import Stack

# So many failed checks are named at the top of the page; more are counted.
_MOST_FAILURES = 3


def check_rows(stacks: Sequence[Stack]) -> tuple[CheckRow, ...]:
    """The worst values of each attention operation over all examples."""
    operations: dict[tuple[str, str], list[AttentionMap]] = {}
    for stack in stacks:
        for attention in stack.maps:
            operations.setdefault((attention.name, stack.label), []).append(attention)
    return tuple(_check(name, group, maps) for (name, group), maps in operations.items())


def _check(name: str, group: str, maps: list[AttentionMap]) -> CheckRow:
    repeated = [m.checks.deterministic for m in maps if m.checks.deterministic is not None]
    return CheckRow(
        name=name,
        group=group,
        shape=f"{ranged(m.heads for m in maps)} × {ranged(len(m.query) for m in maps)} × "
        f"{ranged(len(m.key) for m in maps)}",
        precision=", ".join(sorted({m.precision for m in maps})),
        row_sum_error=_worst([m.checks.row_sum_error for m in maps]),
        output_difference=_worst([m.checks.output_difference for m in maps]),
        deterministic="not tried" if not repeated else "yes" if all(repeated) else "no",
    )


def _worst(errors: list[float | None]) -> str:
    known = [error for error in errors if error is not None]
    return magnitude(max(known)) if known else "not measured"


def other_check_rows(recording: Recording, stacks: Sequence[Stack]) -> tuple[OtherCheckRow, ...]:
    """The worst of each other check, one row for each attention group and name."""
    return tuple(
        _other_check(group, worst)
        for group, found in _worst_by_group(recording, stacks).items()
        for worst in found
    )


def failure_fact(recording: Recording, stacks: Sequence[Stack]) -> tuple[str, str] | None:
    """Which checks failed, in a sentence for the top of the page; None if none did."""
    failed = dict.fromkeys(
        worst.check.name
        for found in _worst_by_group(recording, stacks).values()
        for worst in found
        if worst.failed
    )
    if not failed:
        return None
    names = ", ".join(f"“{clipped(name, 80)}”" for name in list(failed)[:_MOST_FAILURES])
    more = len(failed) - _MOST_FAILURES
    names += f" and {more} more" if more > 0 else ""
    place = "“How this report was made and checked” says more"
    return f"{counted(len(failed), 'check')} failed:", f"{names}; {place}"


def _worst_by_group(
    recording: Recording, stacks: Sequence[Stack]
) -> dict[str, tuple[WorstCheck, ...]]:
    groups: dict[str, list[tuple[str, AttentionMap]]] = {}
    for stack in stacks:
        example = recording.examples[stack.example].name
        for attention in stack.maps:
            several = len(recording.examples) > 1
            place = f"{attention.name} ({example})" if several else attention.name
            groups.setdefault(stack.label, []).append((place, attention))
    return {
        group: worst_checks((place, attention.checks) for place, attention in maps)
        for group, maps in groups.items()
    }


def _other_check(group: str, worst: WorstCheck) -> OtherCheckRow:
    check = worst.check
    value = "–" if check.value is None else f"{rounded(check.value)} {check.unit}".rstrip()
    return OtherCheckRow(
        name=check.name,
        group=group,
        value=value,
        outcome=worst.outcome,
        place=worst.place if worst.maps > 1 else "",
        detail=check.detail,
    )


def made_rows(
    recording: Recording, stacks: Sequence[Stack], encoding: Encoding, *, largest: Sequence[float]
) -> tuple[tuple[str, str], ...]:
    """Term and description of how the weights came about and how the page keeps them.

    `largest` is the largest weight of each stack; 1 where none exceeds it.
    """
    source = recording.source
    versions = ", ".join(f"{name} {number}" for name, number in source.versions.items())
    precision = ", ".join(sorted({m.precision for s in stacks for m in s.maps}))
    rows = (
        ("Model", source.model),
        ("Framework", source.framework),
        ("Versions", versions),
        ("Training step", "" if source.step is None else f"{source.step:,}"),
        ("Data", source.data),
        ("Computed in", precision),
        ("Stored as", ENCODINGS[encoding].label),
        ("Largest weight", _largest_text(max(largest))),
        ("Largest error", _error_text(encoding, precision, max(largest))),
        ("Charts", "written with Altair, compiled to Vega when attnreport was built"),
    )
    return tuple((term, text) for term, text in rows if text)


def _largest_text(largest: float) -> str:
    if largest == 1:
        return ""
    return f"{largest:.4g}; colors run from 0 to the largest weight of each group and example"


def _error_text(encoding: Encoding, precision: str, largest: float) -> str:
    if encoding == "float32" and "float64" in precision:
        return "at most 6e-08: weights computed in float64 are rounded to float32"
    if encoding != "float32" and largest > 1:
        most = largest * ENCODINGS[encoding].largest_error
        return f"at most {most:.2g}, and less for smaller weights, as their tooltips say"
    return ENCODINGS[encoding].error_text
