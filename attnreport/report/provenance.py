"""Where the weights come from and what was checked, for the end of the page."""

from collections.abc import Sequence

from attnreport.recording import AttentionMap, Recording
from attnreport.report.context import CheckRow
from attnreport.report.packing import ENCODINGS, Encoding
from attnreport.report.phrases import magnitude, ranged
from attnreport.report.stacks import Stack


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


def made_rows(
    recording: Recording, stacks: Sequence[Stack], encoding: Encoding
) -> tuple[tuple[str, str], ...]:
    """Term and description of how the weights came about and how the page keeps them."""
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
        ("Largest error", _error_text(encoding, precision)),
        ("Charts", "written with Altair, compiled to Vega when the report was made"),
    )
    return tuple((term, text) for term, text in rows if text)


def _error_text(encoding: Encoding, precision: str) -> str:
    if encoding == "float32" and "float64" in precision:
        return "at most 6e-08: weights computed in float64 are rounded to float32"
    return ENCODINGS[encoding].error_text
