"""Where the weights come from and what was checked: the end of the page, and its bad news."""

from collections.abc import Sequence

from attnreport.recording import Recording
from attnreport.report.check_tables import worst_by_group
from attnreport.report.packing import ENCODINGS, Encoding
from attnreport.report.phrases import clipped, counted
from attnreport.report.proofs import stated
from attnreport.report.stacks import Stack

# So many failed checks are named at the top of the page; more are counted.
_MOST_FAILURES = 3


def failure_fact(recording: Recording, stacks: Sequence[Stack]) -> tuple[str, str] | None:
    """Which checks failed, in a sentence for the top of the page; None if none did."""
    failed = dict.fromkeys(
        worst.check.name
        for found in worst_by_group(recording, stacks).values()
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


def guess_fact(stacks: Sequence[Stack]) -> tuple[str, str] | None:
    """How much rests on a guess, in a sentence for the top of the page; None if nothing does."""
    maps = [(stack.label, attention) for stack in stacks for attention in stack.maps]
    every = {(group, attention.name) for group, attention in maps}
    guessed = {
        (group, attention.name)
        for group, attention in maps
        if any(stated(check).outcome == "guess" for check in attention.checks.others)
    }
    if not guessed:
        return None
    verb = "rests" if len(guessed) == 1 else "rest"
    strong = f"{len(guessed)} of {counted(len(every), 'attention')} {verb} on a guess:"
    return strong, "“How this report was made and checked” says which"


def made_rows(
    recording: Recording,
    stacks: Sequence[Stack],
    encoding: Encoding,
    *,
    largest: Sequence[float],
    vectors: str = "",
) -> tuple[tuple[str, str], ...]:
    """Term and description of how the weights came about and how the page keeps them.

    `largest` is the largest weight of each stack; 1 where none exceeds it. `vectors` says how
    queries and keys are stored.
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
        ("Queries and keys", vectors),
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
