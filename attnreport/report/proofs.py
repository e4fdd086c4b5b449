"""What was checked of a map, one statement after the other: how far its weights can be trusted."""

import dataclasses
from collections.abc import Iterator
from typing import Literal

from attnreport.recording import AttentionMap, Check
from attnreport.report.phrases import magnitude, rounded

# Name of the checks that say what was guessed; one for each guess.
GUESS = "guess"


@dataclasses.dataclass(frozen=True)
class Statement:
    """One thing that was checked of a map, in words.

    Attributes:
        outcome: Empty for what is stated and not judged.
        name: What was checked.
        value: What was found; may be empty.
        detail: A sentence about it; may be empty.
    """

    outcome: Literal["held", "failed", "guess", ""]
    name: str
    value: str
    detail: str = ""


def statements_of(attention: AttentionMap) -> tuple[Statement, ...]:
    """Everything that is known of how far a map can be trusted, and what was not tried."""
    checks = attention.checks
    others = (stated(check) for check in checks.others)
    # Of what was computed and not captured, where it comes from is all there is to say.
    computed = (checks.row_sum_error, checks.output_difference, checks.deterministic) == (None,) * 3
    return (*others,) if computed and checks.others else (*others, *_usual(attention))


def check_value(check: Check) -> str:
    """The number of a check with its unit; empty without one."""
    return "" if check.value is None else f"{rounded(check.value)} {check.unit}".rstrip()


def is_said(check: Check) -> bool:
    """Whether a check is only a sentence: neither measured nor judged."""
    return check.value is None and check.held is None


def stated(check: Check) -> Statement:
    """A check in words."""
    if check.name == GUESS and check.held is None:
        return Statement("guess", check.name, check_value(check), check.detail)
    outcome = "" if check.held is None else "held" if check.held else "failed"
    return Statement(outcome, check.name, check_value(check), check.detail)


def _usual(attention: AttentionMap) -> Iterator[Statement]:
    checks = attention.checks
    if checks.row_sum_error is not None:
        # A page is not written of rows that miss one by more than their format explains.
        outcome = "held" if attention.normalized else ""
        yield Statement(outcome, "row sums", f"off 1 by at most {magnitude(checks.row_sum_error)}")
    else:
        free = "not measured" if attention.normalized else "need not be 1"
        yield Statement("", "row sums", free)
    difference = checks.output_difference
    if difference is None:
        yield Statement("", "output with and without capture", "not compared")
    elif difference == 0:
        yield Statement("held", "output with and without capture", "the same")
    else:
        found = f"differs by at most {magnitude(difference)}"
        yield Statement("", "output with and without capture", found)
    if checks.deterministic is None:
        yield Statement("", "the same weights in every run", "not tried")
    elif checks.deterministic:
        yield Statement("held", "the same weights in every run", "yes")
    else:
        yield Statement("", "the same weights in every run", "no, they are one random sample")
