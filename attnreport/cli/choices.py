"""Options of the commands that choose what to capture."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import click

_Function = TypeVar("_Function", bound=Callable[..., Any])

# Not imported from the engine, which would load JAX to print a help text; a test compares them.
KINDS = ("self", "cross", "pooling", "gate", "router", "memory")
WANTED = ("weights", "logits", "mask", "bias", "query", "key", "value", "output", "queries", "keys")


class Numbers(click.ParamType):
    """Whole numbers and ranges of them, such as `0-3,7`."""

    name = "numbers"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[int, ...]:
        """The numbers."""
        if isinstance(value, tuple):
            return value
        numbers: list[int] = []
        for part in str(value).split(","):
            match = re.fullmatch(r"\s*(\d+)\s*(?:[-–]\s*(\d+)\s*)?", part)
            if match is None:
                self.fail(f"{value!r} is not a list of numbers such as 0-3,7.", param, ctx)
            first, last = int(match[1]), int(match[2] or match[1])
            if last < first:
                self.fail(f"{part.strip()} ends before it begins.", param, ctx)
            numbers += range(first, last + 1)
        return tuple(numbers)


class HeadsOf(click.ParamType):
    """Numbers of heads, perhaps with the layer or the names that they are for in front."""

    name = "heads"

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str | int, tuple[int, ...]]:
        """The key of the mapping that `heads` may be, and the numbers."""
        if isinstance(value, tuple):
            return value
        key, colon, numbers = str(value).rpartition(":")
        found = Numbers().convert(numbers, param, ctx)
        return (int(key) if key.isdigit() else key) if colon else "*", found


class Several(click.ParamType):
    """Some of a few names, separated by commas."""

    name = "names"

    def __init__(self, known: Iterable[str]):
        """Knows the names."""
        self.known = tuple(known)

    def convert(self, value: Any, param: Any, ctx: Any) -> tuple[str, ...]:
        """The names."""
        names = value if isinstance(value, tuple) else tuple(map(str.strip, str(value).split(",")))
        for name in names:
            if name not in self.known:
                self.fail(f"{name!r} is not one of {', '.join(self.known)}.", param, ctx)
        return names


def choice_options(function: _Function) -> _Function:
    """Adds the options that say what to capture; `chosen` makes keyword arguments of them."""
    options = (
        click.option("--select", multiple=True, help="Pattern of names; may be given again."),
        click.option(
            "--kinds",
            type=Several(KINDS),
            metavar="KIND,…",
            help=f"Kinds to keep: {', '.join(KINDS)}. All but router and memory if left out.",
        ),
        click.option(
            "--layers",
            type=Numbers(),
            metavar="NUMBERS",
            help="Layers to keep in each group, such as 0-3,7.",
        ),
        click.option(
            "--heads",
            type=HeadsOf(),
            multiple=True,
            metavar="[LAYER:]NUMBERS",
            help="Heads to keep, such as 0-3,7; with a layer or a pattern of names in front, such "
            "as 5:0,3, only those of what is named. May be given again.",
        ),
        click.option(
            "--want",
            type=Several(WANTED),
            metavar="NAME,…",
            help=f"What to take of each: {', '.join(WANTED)}.",
        ),
        click.option(
            "--reduce",
            help="Reduction on the device: uint8, bfloat16, 'head mean', top-8, statistics or "
            "pooled-64.",
        ),
        click.option(
            "--budget",
            "budget_mib",
            type=click.FloatRange(min=0, min_open=True),
            metavar="MiB",
            help="Most that may leave the program; 2048 if left out.",
        ),
        click.option(
            "--over-budget",
            type=click.Choice(["refuse", "reduce"]),
            help="What to do with more; refuse if left out.",
        ),
        click.option(
            "--steps",
            type=click.IntRange(min=1),
            metavar="COUNT",
            help="Iterations to keep of a loop whose condition does not tell how often it runs.",
        ),
        click.option("--strict", is_flag=True, help="Leave out what is only a guess."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def chosen(
    *,
    select: tuple[str, ...] = (),
    heads: tuple[tuple[str | int, tuple[int, ...]], ...] = (),
    budget_mib: float | None = None,
    strict: bool = False,
    **others: Any,
) -> dict[str, Any]:
    """What the options of `choice_options` say, as keyword arguments of `Options`."""
    given: dict[str, Any] = {
        "select": select or None,
        "heads": _heads(heads),
        "budget": None if budget_mib is None else int(budget_mib * 2**20),
        **others,
    }
    return {"strict": strict} | {name: value for name, value in given.items() if value is not None}


def _heads(
    given: Iterable[tuple[str | int, tuple[int, ...]]],
) -> Mapping[str | int, tuple[int, ...]] | None:
    found: dict[str | int, tuple[int, ...]] = {}
    for key, numbers in given:
        found[key] = (*found.get(key, ()), *numbers)
    # What is named comes before what holds for all.
    return dict(sorted(found.items(), key=lambda item: item[0] == "*")) or None
