"""How well a model does and how it came to: its confusion of classes, and its training."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Int64

from attnreport._errors import InvalidAttentionError


@dataclasses.dataclass(frozen=True, eq=False)
class Confusion:
    """How often a classifier gave each class for each class, over a whole data set.

    Attributes:
        labels: The classes. `Example.output` and `Example.target` name them in the same words.
        counts: `counts[t, o]` is how often class `t` was taken for class `o`. They are copied and
            cannot be changed.
    """

    labels: tuple[str, ...]
    counts: Int64[np.ndarray, "target output"]

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", _checked_labels(self.labels))
        object.__setattr__(self, "counts", _checked_counts(self.counts, len(self.labels)))

    def __repr__(self) -> str:
        """What it counts, without the counts."""
        return f"Confusion({len(self.labels)} classes, {self.counts.sum():,} examples)"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Confusion):
            return NotImplemented
        return self.labels == other.labels and np.array_equal(self.counts, other.counts)

    def __hash__(self) -> int:
        return hash((self.labels, self.counts.tobytes()))


@dataclasses.dataclass(frozen=True)
class Curve:
    """One number as it went during training.

    Attributes:
        name: What it measures, such as `validation loss`.
        steps: The training steps at which it was measured, rising.
        values: The number at each of them; NaN and infinity where training went wrong.
    """

    name: str
    steps: tuple[int, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "steps", tuple(int(step) for step in self.steps))
        object.__setattr__(self, "values", tuple(float(value) for value in self.values))
        if not self.steps or len(self.steps) != len(self.values):
            raise InvalidAttentionError(
                f"Curve {self.name!r} has {len(self.steps)} steps and {len(self.values)} values. "
                "Give one value per step, and at least one."
            )
        for before, after in zip(self.steps, self.steps[1:], strict=False):
            if after <= before:
                raise InvalidAttentionError(
                    f"Curve {self.name!r} has step {after} after step {before}. Give the steps in "
                    "rising order, each once."
                )


@dataclasses.dataclass(frozen=True)
class Training:
    """How the model came to be.

    Attributes:
        curves: What was measured during training. Curves of one unit say so in the last word of
            their names: `training loss` and `validation loss` are drawn on one axis.
        chosen: Step of the checkpoint that was kept, as a rule the best on validation; None if
            it is not known.
    """

    curves: tuple[Curve, ...]
    chosen: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "curves", tuple(self.curves))
        if self.chosen is not None:
            object.__setattr__(self, "chosen", int(self.chosen))
        if not self.curves:
            raise InvalidAttentionError(
                "A training needs at least one curve, and got none. Give what was measured, or "
                "leave the training out of the recording."
            )
        names = Counter(curve.name for curve in self.curves)
        (name, times), *_ = names.most_common(1)
        if times > 1:
            raise InvalidAttentionError(
                f"{times} curves of a training are called {name!r}. Give each a name of its own."
            )

    def __repr__(self) -> str:
        """What was measured, without the values."""
        names = ", ".join(repr(curve.name) for curve in self.curves)
        chosen = "" if self.chosen is None else f", step {self.chosen:,} chosen"
        return f"Training({names}{chosen})"


def _checked_labels(labels: Sequence[str]) -> tuple[str, ...]:
    if isinstance(labels, str):
        raise InvalidAttentionError(
            f"The classes of a confusion are one text, {labels[:40]!r}. Give a list with the name "
            "of each class."
        )
    found = tuple(labels)
    wrong = [label for label in found if not isinstance(label, str)]
    if wrong or not found:
        what = f"hold {wrong[0]!r}, which is not text" if wrong else "are none"
        raise InvalidAttentionError(
            f"The classes of a confusion {what}. Give the name of each class as a string."
        )
    (label, times), *_ = Counter(found).most_common(1)
    if times > 1:
        raise InvalidAttentionError(
            f"{times} classes of a confusion are called {label!r}. Give each a name of its own."
        )
    return found


def _checked_counts(counts: Any, classes: int) -> Int64[np.ndarray, "target output"]:
    found = np.asarray(counts)
    if found.shape != (classes, classes):
        raise InvalidAttentionError(
            f"The counts of a confusion have shape {found.shape} for {classes} classes. Give them "
            f"as [target, output] = {(classes, classes)}."
        )
    if found.dtype.kind not in "iu":
        raise InvalidAttentionError(
            f"The counts of a confusion are of type {found.dtype}. Give whole numbers: how often "
            "each class was taken for each, not shares."
        )
    if found.min() < 0 or found.max() == 0:
        raise InvalidAttentionError(
            f"The counts of a confusion go from {found.min()} to {found.max()}. Give how often "
            "each class was taken for each; none is negative, and not all are 0."
        )
    found = np.array(found, dtype=np.int64, order="C")
    found.flags.writeable = False
    return found
