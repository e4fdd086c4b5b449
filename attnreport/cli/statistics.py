"""What the commands about statistics of heads take on their command line."""

from collections.abc import Iterable
from typing import Any

import click

# Not imported from the analysis, which would load NumPy to print a help text; a test compares them.
STATISTICS = (
    "entropy",
    "normalized entropy",
    "keys for 90%",
    "confidence",
    "mean distance",
    "median distance",
    "itself",
    "previous",
    "next",
    "first",
    "special",
    "punctuation",
    "same token",
    "sink",
    "diagonality",
    "monotonicity",
)
PATTERNS = (
    "previous token",
    "next token",
    "itself",
    "duplicate token",
    "induction",
    "alignment",
    "sink",
    "vertical stripe",
    "delimiter",
    "positional",
    "local window",
    "block",
    "broad",
)
ROW_DISTANCE = "row distance"
COMPARED = (ROW_DISTANCE, "strength", *STATISTICS)
# What holds for all shares, and what for those that are no shares, as `--help` says it.
TOLERANCES = {
    "shares": 0.05,
    ROW_DISTANCE: 0.1,
    "strength": 0.05,
    "entropy": 0.2,
    "mean distance": 0.5,
    "median distance": 2.0,
    "keys for 90%": 1.0,
}


class Known(click.ParamType):
    """One of a few names, of which spaces may be written as hyphens."""

    name = "name"

    def __init__(self, known: Iterable[str]):
        """Knows the names."""
        self.known = tuple(known)

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        """The name as it is known."""
        name = str(value).strip().replace("-", " ").lower()
        if name not in self.known:
            self.fail(f"{value!r} is not one of {', '.join(self.known)}.", param, ctx)
        return name


class SeveralKnown(click.ParamType):
    """Some of a few names, separated by commas, or `all` of them."""

    name = "names"

    def __init__(self, known: Iterable[str]):
        """Knows the names."""
        self.known = tuple(known)

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, ...]:
        """The names as they are known."""
        if isinstance(value, tuple):
            return value
        if value.strip().lower() == "all":
            return self.known
        one = Known(self.known)
        return tuple(dict.fromkeys(one.convert(name, param, ctx) for name in value.split(",")))


class Tolerance(click.ParamType):
    """A statistic and how far it may be from the baseline, `NAME=VALUE`."""

    name = "tolerance"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, float]:
        """The name and the number."""
        if isinstance(value, tuple):
            return value
        name, equals, number = str(value).rpartition("=")
        if not equals:
            self.fail(f"{value!r} is not of the form NAME=VALUE, such as entropy=0.1.", param, ctx)
        known = Known(COMPARED).convert(name, param, ctx)
        try:
            found = float(number)
        except ValueError:
            found = -1.0
        if not found >= 0:
            self.fail(
                f"{number!r} is no tolerance. Give a number from 0 upwards, or inf to ignore "
                f"{known}.",
                param,
                ctx,
            )
        return known, found
