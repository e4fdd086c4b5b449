"""What to take out of a program, and how much of it."""

import dataclasses
import difflib
import fnmatch
import operator
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np

from attnreport._errors import CaptureError
from attnreport.capture.choice.reductions import reduction

KINDS = ("self", "cross", "pooling", "gate", "router", "memory")
USUAL_KINDS = ("self", "cross", "pooling", "gate")
WANTED = ("weights", "logits", "mask", "bias", "query", "key", "value", "output", "queries", "keys")
BUDGET = 2 << 30
UNLIMITED = sys.maxsize

Numbers = int | Iterable[int]
Heads = Numbers | Mapping[Any, Numbers | None]
OverBudget = Literal["refuse", "reduce"]


@dataclasses.dataclass(frozen=True)
class Options:
    """What to take out of a program.

    Attributes:
        select: Pattern of names to keep, such as `*layer_3*`, or several; None keeps all.
        kinds: The kinds to keep.
        layers: Number of a layer to keep, or several; None keeps all. Layers are numbered as in a
            recording of everything: in forward order in each group, such as
            `encoder self-attention`, the layers of a loop one by one.
        heads: Number of a head to keep, or several, for all attentions; or a mapping from patterns
            of names and numbers of layers to such numbers, or to None for all heads. What no key
            matches is left out, and the first that matches counts. None keeps all.
        want: What to take of each: weights, logits, mask, bias, query, key, value, output, queries,
            keys.
        reduce: Reduction of the weights on the device; see `attnreport.capture.choice.reductions`.
        budget: Most bytes that may leave the program.
        over_budget: What to do with more: `refuse` it, or `reduce` the weights to the first of
            bfloat16, uint8 and the mean of the heads that fits.
        steps: How many iterations of a `while` loop to keep, where its condition does not tell.
        strict: Whether to refuse what is only a guess.
    """

    select: str | Sequence[str] | None = None
    kinds: Sequence[str] = USUAL_KINDS
    layers: Numbers | None = None
    heads: Heads | None = None
    want: Sequence[str] = ("weights",)
    reduce: str | None = None
    budget: int = BUDGET
    over_budget: OverBudget = "refuse"
    steps: int | None = None
    strict: bool = False

    def __post_init__(self) -> None:
        # Iterators are read once, so what they give is kept.
        for name in ("kinds", "want"):
            given = getattr(self, name)
            object.__setattr__(self, name, (given,) if isinstance(given, str) else tuple(given))
        if self.layers is not None:
            object.__setattr__(self, "layers", numbers_of(self.layers, "layers"))
        if isinstance(self.heads, Mapping):
            object.__setattr__(self, "heads", _heads_by(self.heads))
        elif self.heads is not None:
            object.__setattr__(self, "heads", numbers_of(self.heads, "heads"))
        _require_known("want", self.want, WANTED)
        _require_known("kinds", self.kinds, KINDS)
        _require_known("over_budget", [self.over_budget], ("refuse", "reduce"))
        reduction(self.reduce)
        object.__setattr__(self, "budget", _bytes(self.budget))
        if self.steps is not None and self.steps < 1:
            raise CaptureError(
                f"`steps` is {self.steps}. Keep one iteration at least, or leave it out to keep "
                "the last."
            )

    @property
    def patterns(self) -> tuple[str, ...] | None:
        """The patterns of names to keep; None for all."""
        if self.select is None:
            return None
        return (self.select,) if isinstance(self.select, str) else tuple(self.select)


def numbers_of(given: Any, option: str) -> tuple[int, ...]:
    """One whole number or several, sorted, each once.

    Args:
        given: What the caller gave.
        option: What the caller calls it.

    Raises:
        CaptureError: It is neither.
    """
    try:
        several = [given] if hasattr(given, "__index__") else list(given)
        if isinstance(given, str):
            raise TypeError(given)
        return tuple(sorted({operator.index(each) for each in several}))
    except TypeError as error:
        raise CaptureError(
            f"`{option}` is {given!r}. Give a whole number or several, such as 3, [0, 5] or "
            "range(6)."
        ) from error


def matches(name: str, pattern: str) -> bool:
    """Whether a name has a pattern, with or without the number of its call."""
    spellings = (name, without_call(name))
    return pattern in spellings or any(fnmatch.fnmatchcase(each, pattern) for each in spellings)


def without_call(name: str) -> str:
    """A name without the number that tells calls of one name apart."""
    return re.sub(r" \(call \d+\)$", "", name)


def near_names(unknown: str, known: Sequence[str]) -> str:
    """The names that are most like an unknown one, as the start of a sentence."""
    near = difflib.get_close_matches(unknown.strip("*"), known, n=5, cutoff=0.4)
    return f"{'Near are' if near else 'There are'} {few(near or known)}."


def few(names: Sequence[str]) -> str:
    """The first of the names."""
    return ", ".join(names[:8]) + (", …" if len(names) > 8 else "")


def _heads_by(heads: Mapping[Any, Any]) -> dict[str | int, tuple[int, ...] | None]:
    return {
        key: None if numbers is None else numbers_of(numbers, f"heads[{key!r}]")
        for key, numbers in heads.items()
    }


def _bytes(budget: Any) -> int:
    if isinstance(budget, int | float | np.number) and budget >= 0:
        return int(min(budget, UNLIMITED))
    raise CaptureError(
        f"`budget` is {budget!r}. Give a number of bytes, such as {BUDGET} or 500e6."
    )


def _require_known(option: str, given: Iterable[str], known: Sequence[str]) -> None:
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            meant = f" Did you mean {near[0]!r}?" if near else ""
            raise CaptureError(
                f"`{option}` holds {name!r}.{meant} Choose among {', '.join(known)}."
            )
