"""Labelled texts for training, validation and test."""

import dataclasses
import functools
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np


@dataclasses.dataclass(frozen=True)
class Passage:
    """A piece of text and what it is about.

    Attributes:
        name: Short label, unique in its collection.
        words: Its words as they are written; see `attnreport.tasks.keywords.words.split_words`.
        label: What it is about.
    """

    name: str
    words: tuple[str, ...]
    label: str

    @property
    def text(self) -> str:
        """The text as a line."""
        return " ".join(self.words)


@dataclasses.dataclass(frozen=True)
class Collection:
    """Passages of a few labels; none is in two parts.

    Attributes:
        labels: What passages are about, in alphabetical order.
        train: What is learned from.
        validation: What decides which state of the model is kept.
        test: What the model that was kept is measured on.
        titles: Of each label, the roots of the words that name it.
        titled: Which words these are, such as `words of the title of their topic`.
        origin: What the texts are and where they come from, in a few sentences.
    """

    labels: tuple[str, ...]
    train: tuple[Passage, ...]
    validation: tuple[Passage, ...]
    test: tuple[Passage, ...]
    titles: Mapping[str, frozenset[str]]
    titled: str
    origin: str

    @functools.cached_property
    def width(self) -> int:
        """How many words the longest passage has."""
        return max(len(each.words) for each in (*self.train, *self.validation, *self.test))

    @property
    def most_frequent(self) -> float:
        """Share of the test that has the label most frequent in training."""
        (label, _), *_ = Counter(passage.label for passage in self.train).most_common(1)
        return sum(passage.label == label for passage in self.test) / len(self.test)


def held_out(
    passages: Sequence[Passage], share: float, seed: int
) -> tuple[tuple[Passage, ...], tuple[Passage, ...]]:
    """Passages without a share of each label, and that share: at least one, drawn by a seed.

    Both keep the order of the passages, and a label that has only one passage keeps it.
    """
    random = np.random.default_rng(seed)
    labels = np.array([passage.label for passage in passages])
    out = np.zeros(len(passages), dtype=bool)
    for label in sorted(set(labels.tolist())):
        places = random.permutation(np.flatnonzero(labels == label))
        count = max(round(share * len(places)), 1) if len(places) > 1 else 0
        out[places[:count]] = True
    return (
        tuple(passage for passage, is_out in zip(passages, out, strict=True) if not is_out),
        tuple(passage for passage, is_out in zip(passages, out, strict=True) if is_out),
    )
