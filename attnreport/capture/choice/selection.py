"""Chooses attentions, layers and heads by what the caller asked for; refuses what there is not."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, cast

from attnreport._errors import CaptureError
from attnreport.capture.choice.naming import group_of, stack_of
from attnreport.capture.choice.options import USUAL_KINDS, Options, few, matches, near_names
from attnreport.recording import Kind
from attnreport.recording.layers import numbers_text

Because = Literal["", "kind", "name", "guess", "layer", "head"]
Grouping = Callable[[str, str], str]


@dataclasses.dataclass(frozen=True)
class Candidate:
    """An attention that may be kept.

    Attributes:
        name: Its name.
        kind: What it attends to.
        group: The stack of layers that it belongs to.
        layers: Numbers of its layers in that stack; several if it runs in a loop.
        heads: How many heads it has.
        guessed: Whether anything about it is a guess.
    """

    name: str
    kind: str
    group: str
    layers: tuple[int, ...]
    heads: int
    guessed: bool


@dataclasses.dataclass(frozen=True)
class Choice:
    """What is kept of a candidate.

    Attributes:
        layers: Numbers of the layers.
        heads: For each of them, the numbers of its heads.
        left_out: What it was left out for; empty if it is kept.
    """

    layers: tuple[int, ...]
    heads: tuple[tuple[int, ...], ...]
    left_out: Because = ""

    @property
    def all_heads(self) -> tuple[int, ...]:
        """Numbers of the heads that any of the layers keeps."""
        return tuple(sorted({head for heads in self.heads for head in heads}))


def usual_group(name: str, kind: str) -> str:
    """The group of an attention, if the caller does not say one."""
    return group_of(stack_of(name), cast(Kind, kind))


def numbered(groups: Sequence[str], counts: Iterable[int]) -> list[tuple[int, ...]]:
    """Numbers of the layers of each attention, which count on in each group.

    Args:
        groups: The group of each attention, in the order in which they run.
        counts: How many layers it has.
    """
    next_in: Counter[str] = Counter()
    numbers = []
    for group, count in zip(groups, counts, strict=True):
        numbers.append(tuple(range(next_in[group], next_in[group] + count)))
        next_in[group] += count
    return numbers


def choices(candidates: Sequence[Candidate], options: Options) -> list[Choice]:
    """What is kept of each candidate.

    Raises:
        CaptureError: A kind, name, layer or head that was asked for does not exist, or nothing is
            all of what was asked for.
    """
    reasons: list[Because] = [_left_out(each, options) for each in candidates]
    _require_names(candidates, options)
    _require_kinds(candidates, options)
    asked = [each for each, reason in zip(candidates, reasons, strict=True) if not reason]
    of_kind = [each for each in candidates if each.kind in options.kinds]
    if of_kind:
        _require_layers(of_kind, options)
        _require_heads(of_kind, options)
    chosen = [
        _choice(candidate, options, because)
        for candidate, because in zip(candidates, reasons, strict=True)
    ]
    if asked and all(each.left_out for each in chosen):
        raise CaptureError(
            "No attention has all of what `select`, `layers` and `heads` ask for. There are "
            f"{_described(of_kind)}."
        )
    return chosen


def _left_out(candidate: Candidate, options: Options) -> Because:
    if candidate.kind not in options.kinds:
        return "kind"
    patterns = options.patterns
    if patterns is not None and not any(matches(candidate.name, each) for each in patterns):
        return "name"
    return "guess" if options.strict and candidate.guessed else ""


def _choice(candidate: Candidate, options: Options, because: Because) -> Choice:
    every = tuple(range(candidate.heads))
    everything = Choice(candidate.layers, (every,) * len(candidate.layers), because)
    if because:
        return everything
    wanted = options.layers
    layers = [each for each in candidate.layers if wanted is None or each in _numbers(wanted)]
    if not layers:
        return dataclasses.replace(everything, left_out="layer")
    heads = {layer: _heads(candidate, layer, options) for layer in layers}
    kept = {layer: numbers for layer, numbers in heads.items() if numbers}
    if not kept:
        return dataclasses.replace(everything, left_out="head")
    return Choice(tuple(kept), tuple(kept.values()))


def _heads(candidate: Candidate, layer: int, options: Options) -> tuple[int, ...]:
    wanted, every = options.heads, tuple(range(candidate.heads))
    if isinstance(wanted, Mapping):
        for key, numbers in wanted.items():
            if layer == key if isinstance(key, int) else matches(candidate.name, key):
                return tuple(h for h in every if numbers is None or h in _numbers(numbers))
        return ()
    return tuple(head for head in every if wanted is None or head in _numbers(wanted))


def _numbers(given: int | Iterable[int]) -> tuple[int, ...]:
    """Numbers that `Options` has brought into this form."""
    return cast(tuple[int, ...], given)


def _require_names(candidates: Sequence[Candidate], options: Options) -> None:
    names = [each.name for each in candidates]
    heads = options.heads if isinstance(options.heads, Mapping) else {}
    keys = [key for key in heads if isinstance(key, str)]
    for pattern in [*(options.patterns or ()), *keys] if names else ():
        if not any(matches(name, pattern) for name in names):
            raise CaptureError(
                f"No attention is called `{pattern}`. {near_names(pattern, names)} A pattern may "
                "hold * and ?."
            )


def _require_kinds(candidates: Sequence[Candidate], options: Options) -> None:
    found = {each.kind for each in candidates}
    if candidates and options.kinds != USUAL_KINDS and not found & set(options.kinds):
        raise CaptureError(
            f"No attention is of kind {' or '.join(options.kinds)}. There are "
            f"{few([f'{each.name} ({each.kind})' for each in candidates])}."
        )


def _require_layers(known: Sequence[Candidate], options: Options) -> None:
    there = {layer for each in known for layer in each.layers}
    by_layer = options.heads if isinstance(options.heads, Mapping) else {}
    wanted = [*_numbers(options.layers or ()), *(key for key in by_layer if isinstance(key, int))]
    for layer in wanted:
        if layer not in there:
            raise CaptureError(
                f"There is no layer {layer}. Layers are numbered in each group: {_layers(known)}."
            )


def _require_heads(known: Sequence[Candidate], options: Options) -> None:
    """Raises if a head was asked for that no attention has for which it was asked."""
    heads: Mapping[Any, Any] = (
        options.heads if isinstance(options.heads, Mapping) else {"*": options.heads}
    )
    for key, numbers in heads.items():
        fitting = [
            each
            for each in known
            if (key in each.layers if isinstance(key, int) else matches(each.name, key))
        ]
        most = max((each.heads for each in fitting), default=0)
        for head in _numbers(numbers or ()):
            if fitting and not 0 <= head < most:
                largest = max(fitting, key=lambda each: each.heads)
                raise CaptureError(
                    f"There is no head {head}. {largest.name} has "
                    f"{'head' if most == 1 else 'heads'} {numbers_text(range(most))}."
                )


def _layers(candidates: Sequence[Candidate]) -> str:
    groups = dict.fromkeys(each.group for each in candidates)
    found = {
        group: numbers_text(n for each in candidates if each.group == group for n in each.layers)
        for group in groups
    }
    return "; ".join(f"{group} has {numbers}" for group, numbers in found.items())


def _described(candidates: Sequence[Candidate]) -> str:
    return few(
        [
            f"{each.name} (layer {numbers_text(each.layers)}, {each.heads} "
            f"head{'s' * (each.heads != 1)})"
            for each in candidates
        ]
    )
