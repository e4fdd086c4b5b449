"""Which words attention should find: those of the title, and those that tf-idf would take."""

import dataclasses
from collections.abc import Set
from typing import Self

import numpy as np
from jaxtyping import Bool, Float

from attnreport.analysis.examples.ranking import best_precision_at, precision_at
from attnreport.tasks.keywords.collection import Passage
from attnreport.tasks.keywords.words import word_key, word_root

# How many of the heaviest words are looked at.
HEAVIEST = 5


@dataclasses.dataclass(frozen=True)
class DistinctWords:
    """The words of a passage, each once.

    Attributes:
        keys: The words, in the order in which they come first.
        places: For each place of the passage, the number of its word.
    """

    keys: tuple[str, ...]
    places: tuple[int, ...]

    @classmethod
    def of(cls, passage: Passage) -> Self:
        """The words of a passage."""
        keys = [word_key(word) for word in passage.words]
        numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
        return cls(tuple(numbers), tuple(numbers[key] for key in keys))

    def sums(self, weights: Float[np.ndarray, " place"]) -> Float[np.ndarray, " word"]:
        """The weight of each word, in all its places together."""
        return np.bincount(self.places, weights, minlength=len(self.keys))

    def named(self, roots: Set[str]) -> Bool[np.ndarray, " word"]:
        """True for words that have one of the roots."""
        return np.array([word_root(key) in roots for key in self.keys], dtype=bool)

    def heaviest(self, values: Float[np.ndarray, " place"]) -> Bool[np.ndarray, " word"]:
        """True for the `HEAVIEST` words of highest value, which is the same in all their places.

        Among equal values the first word wins. Words of value 0 are never among them.
        """
        of_words = np.zeros(len(self.keys))
        of_words[list(self.places)] = values
        found = np.zeros(len(self.keys), dtype=bool)
        found[np.argsort(-of_words, kind="stable")[:HEAVIEST]] = True
        return found & (of_words > 0)


@dataclasses.dataclass(frozen=True)
class Precision:
    """Share of the heaviest words of a passage that are right.

    Attributes:
        found: The share.
        best: The highest that any weights could reach: fewer than five words may be right.
        chance: What five words drawn at random have on average, as equal weights do.
    """

    found: float
    best: float
    chance: float


def word_precision(
    words: DistinctWords,
    weights: Float[np.ndarray, " place"],
    right: Bool[np.ndarray, " word"],
) -> Precision | None:
    """Precision of the heaviest words; None if no word of the passage is right.

    Args:
        words: The words of the passage.
        weights: A weight of each place.
        right: Which words are right.
    """
    if not right.any():
        return None
    return Precision(
        precision_at(words.sums(weights), right, HEAVIEST),
        best_precision_at(right, HEAVIEST),
        precision_at(np.ones(len(right)), right, HEAVIEST),
    )
