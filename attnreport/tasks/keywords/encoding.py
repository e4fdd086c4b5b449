"""Passages as word numbers, and how much each word tells labels apart."""

import dataclasses
import functools
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
from jaxtyping import Float, Int

from attnreport.models.text_classifier import PADDING
from attnreport.tasks.keywords.collection import Collection, Passage
from attnreport.tasks.keywords.words import word_key

# Stands for every word that the vocabulary lacks.
UNKNOWN = 1
_FIRST = 2
# A word that stands in one training passage alone cannot be told from noise.
_LEAST = 2


class Texts(NamedTuple):
    """Passages as arrays."""

    words: Int[np.ndarray, "passage word"]
    labels: Int[np.ndarray, " passage"]


@dataclasses.dataclass(frozen=True)
class Encoding:
    """The words and labels of a collection, numbered.

    Attributes:
        keys: The words of the vocabulary, from number 2 on; see `word_key`.
        labels: The labels, from number 0 on.
        rarity: Of each word of the vocabulary, the logarithm of the number of labels over the
            number of those whose training passages have it: 0 for a word that all have.
    """

    keys: tuple[str, ...]
    labels: tuple[str, ...]
    rarity: tuple[float, ...]

    @classmethod
    def of(cls, collection: Collection) -> Self:
        """The words that stand in at least two training passages, in alphabetical order."""
        passages = Counter(
            key for passage in collection.train for key in set(map(word_key, passage.words))
        )
        keys = tuple(sorted(key for key, count in passages.items() if count >= _LEAST))
        having = Counter(
            key
            for label in collection.labels
            for key in {
                word_key(word)
                for passage in collection.train
                if passage.label == label
                for word in passage.words
            }
        )
        rarity = tuple(float(np.log(len(collection.labels) / having[key])) for key in keys)
        return cls(keys, collection.labels, rarity)

    @functools.cached_property
    def _numbers(self) -> dict[str, int]:
        return {key: number for number, key in enumerate(self.keys, _FIRST)}

    def __len__(self) -> int:
        """How many word numbers there are, padding and unknown words included."""
        return _FIRST + len(self.keys)

    def texts(self, passages: Sequence[Passage], width: int) -> Texts:
        """Passages as rows of word numbers, padded on the right to a width that holds all."""
        rows = np.full((len(passages), width), PADDING, dtype=np.int32)
        for row, passage in zip(rows, passages, strict=True):
            row[: len(passage.words)] = [
                self._numbers.get(word_key(word), UNKNOWN) for word in passage.words
            ]
        labels = [self.labels.index(passage.label) for passage in passages]
        return Texts(rows, np.array(labels, dtype=np.int32))

    def tf_idf(self, passage: Passage) -> Float[np.ndarray, " word"]:
        r"""How much each word of a passage tells its label apart, whatever the model does.

        $$ \text{count of the word in the passage} \cdot
        \log \frac{\text{labels}}{\text{labels with the word}} $$

        The same for each place of a word, and 0 for one outside the vocabulary.

        Source: Manning, Raghavan and Schütze (2008), "Introduction to Information Retrieval",
        section 6.2, with all training passages of a label as one document.
        """
        keys = [word_key(word) for word in passage.words]
        counts = Counter(keys)
        numbers = [self._numbers.get(key) for key in keys]
        return np.array(
            [
                0.0 if number is None else counts[key] * self.rarity[number - _FIRST]
                for key, number in zip(keys, numbers, strict=True)
            ]
        )
