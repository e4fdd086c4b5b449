"""Chooses which of the caller's labels belong to the queries and keys of each attention call."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from attnreport._errors import InvalidAttentionError
from attnreport.capture.naming import Stack
from attnreport.recording import Axis, Kind
from attnreport.recording.labels import axes_per_example, numbered

Axes = Sequence[Axis]


@dataclasses.dataclass(frozen=True)
class Labels:
    """Axes of the examples, as far as the caller gave labels.

    Attributes:
        examples: How many examples there are.
        target: Of the sequence that queries cross-attention, or of the only sequence.
        source: Of the sequence that cross-attention looks at, when it is another.
    """

    examples: int
    target: Axes | None
    source: Axes | None

    @classmethod
    def of(cls, tokens: Any, key_tokens: Any, example_names: Sequence[str]) -> "Labels":
        """The labels a caller gave.

        Raises:
            InvalidAttentionError: Labels do not fit the examples.
        """
        target, source = (
            None if labels is None else _axes(labels, example_names, argument)
            for argument, labels in (("tokens", tokens), ("key_tokens", key_tokens))
        )
        return cls(len(example_names), target, source)

    def axes_of(self, kind: Kind, stack: Stack, queries: int, keys: int) -> tuple[Axes, Axes]:
        """Axes of the queries and of the keys of one attention call, one per example.

        Self-attention of an encoder takes the source, all other self-attention the target, and
        cross-attention both. Where those do not fit, the other labels are tried. Positions that
        no labels fit, such as latents or pooled positions, are numbered.
        """
        target = self.target or self.source
        source = self.source or self.target
        if kind == "self" and stack == "encoder":
            target, source = source, target
        query = _fitting((target, source), queries, guess=kind == "self" and not stack)
        if kind == "self" and queries == keys:
            key = query
        else:
            key = _fitting((source, target), keys, guess=False)
        return self._or_numbers(query, queries), self._or_numbers(key, keys)

    def _or_numbers(self, axes: Axes | None, length: int) -> Axes:
        return [numbered(length)] * self.examples if axes is None else axes

    def require_used(self, used: Sequence[Axes], lengths: Sequence[int]) -> None:
        """Raises if labels were given that no attention call has positions for.

        Args:
            used: Axes of queries and of keys that were chosen.
            lengths: Numbers of queries and of keys of all calls.

        Raises:
            InvalidAttentionError: None of the calls is as long as the labels.
        """
        for argument, axes in (("tokens", self.target), ("key_tokens", self.source)):
            if axes is not None and not any(axes is one for one in used):
                found = ", ".join(map(str, sorted(set(lengths))))
                raise InvalidAttentionError(
                    f"`{argument}` labels {_longest(axes)} positions, but attention in this model "
                    f"runs over {found}. Give one label per position; did the tokenizer add or "
                    "drop special tokens?"
                )


def _axes(labels: Any, example_names: Sequence[str], argument: str) -> Axes:
    axes = axes_per_example(labels, example_names, batched=True, argument=argument)
    return [axis for axis in axes if axis is not None]


def _fitting(candidates: Sequence[Axes | None], length: int, *, guess: bool) -> Axes | None:
    """The first candidate that fits; labels that are too few leave room for padding.

    With `guess` nothing but the length tells the candidates apart, so an exact fit goes first.
    """
    given = [axes for axes in candidates if axes is not None]
    exact = [axes for axes in given if _longest(axes) == length]
    fitting = [axes for axes in given if _longest(axes) <= length]
    ordered = exact + fitting if guess else fitting
    return ordered[0] if ordered else None


def _longest(axes: Axes) -> int:
    return max(len(axis) for axis in axes)
