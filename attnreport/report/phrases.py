"""Numbers as a reader should see them."""

import math
import re
from collections.abc import Iterable


def counted(number: int, noun: str) -> str:
    """`1 head`, `2 heads`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def ranged(numbers: Iterable[int]) -> str:
    """`8`, or `8–17` for numbers that differ."""
    ordered = sorted(set(numbers))
    return str(ordered[0]) if len(ordered) == 1 else f"{ordered[0]}–{ordered[-1]}"


def magnitude(number: float) -> str:
    """The size of a small error: `3e-07`; `0` only for nothing at all."""
    return "0" if number == 0 else f"{number:.0e}"


def unbroken(text: str) -> str:
    """The text, with no line break between a number and its unit."""
    return re.sub(r"(?<=\d) (?=(bits|tokens|cells|of \d|to \d))", "\N{NO-BREAK SPACE}", text)


def rounded(number: float) -> str:
    """Three figures of a fraction, all of a count: `0.0669`, `40,000`; words for NaN, infinity."""
    if math.isnan(number):
        return "not a number"
    if math.isinf(number):
        return "∞" if number > 0 else "−∞"
    if number == int(number) or abs(number) >= 1000:
        return f"{number:,.0f}"
    return f"{number:.3g}"


def clipped(text: str, length: int) -> str:
    """The text in one line of at most so many characters, cut between words if it has any."""
    text = " ".join(text.split())
    if len(text) <= length:
        return text
    start = text[: length - 1]
    return (start.rpartition(" ")[0] or start).rstrip() + "…"
