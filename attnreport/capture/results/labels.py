"""Chooses which of the caller's labels belong to the queries and keys of each attention call."""

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from attnreport._errors import InvalidAttentionError
from attnreport.capture.choice.naming import Stack
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
        crosses: Whether the model has cross-attention, so that the two are told apart.
        padded: Sides, with each length at which a mask proves that what lacks labels is padding.
    """

    examples: int
    target: Axes | None
    source: Axes | None
    crosses: bool = False
    padded: frozenset[tuple[str, int]] = frozenset()

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

    def in_model(
        self, calls: Sequence[tuple[int, np.ndarray | None]], crosses: bool, padding: str
    ) -> "Labels":
        """The labels, knowing the model: whether it has cross-attention, and what it pads.

        Args:
            calls: Number of keys, and mask `[batch, head, query, key]` if known, of each call.
            crosses: Whether any of the calls is cross-attention.
            padding: The side on which shorter examples were padded.
        """
        proven = frozenset(
            (side, length)
            for side, axes in (("target", self.target), ("source", self.source))
            for length, mask in calls
            if axes is not None and mask is not None and _masks_rest(axes, length, mask, padding)
        )
        return dataclasses.replace(self, crosses=crosses, padded=proven)

    def axes_of(self, kind: Kind, stack: Stack, queries: int, keys: int) -> tuple[Axes, Axes]:
        """Axes of the queries and of the keys of one attention call, one per example.

        Self-attention of an encoder takes the source, all other self-attention the target, and
        cross-attention both. What is pooled takes the labels that fit. Positions that those do not
        fit, such as latents or pooled positions, are numbered. Without cross-attention there is one
        sequence, whichever argument labels it; with it, self-attention of no known stack takes the
        labels that fit.
        """
        target, source = self._fitting("target", queries), self._fitting("source", keys)
        if kind == "pooling" and source is None:
            source = self._fitting("target", keys)
        if kind != "self":
            return self._or_numbers(target, queries), self._or_numbers(source, keys)
        other = self._fitting("source", queries)
        if self.crosses and stack:
            query = other if stack == "encoder" else target
        elif stack == "encoder":
            query = target if other is None else other
        else:
            query = other if target is None else target
        query = self._or_numbers(query, queries)
        return query, query if queries == keys else self._or_numbers(None, keys)

    def _fitting(self, side: Literal["target", "source"], length: int) -> Axes | None:
        """Labels of a side, if they are as many as `length` or the rest is known padding."""
        axes = self.target if side == "target" else self.source
        if axes is None or (_longest(axes) != length and (side, length) not in self.padded):
            return None
        return axes

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
                    f"runs over {found}, and no mask shows the rest to be padding. Give one "
                    "label per position; did the tokenizer add or drop special tokens? With "
                    "cross-attention, `key_tokens` labels what it looks at."
                )


def _axes(labels: Any, example_names: Sequence[str], argument: str) -> Axes:
    axes = axes_per_example(labels, example_names, batched=True, argument=argument)
    return [axis for axis in axes if axis is not None]


def _masks_rest(axes: Axes, length: int, mask: np.ndarray, padding: str) -> bool:
    """Whether no query of any example may look at the keys that have no label."""
    if _longest(axes) >= length:
        return False
    masks = np.broadcast_to(mask, (len(axes), *mask.shape[1:-1], length))
    return not any(
        each[..., len(axis) :].any()
        if padding == "right"
        else each[..., : length - len(axis)].any()
        for axis, each in zip(axes, masks, strict=True)
    )


def _longest(axes: Axes) -> int:
    return max(len(axis) for axis in axes)
