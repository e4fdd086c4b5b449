"""Words as numbers, and sentences as arrays of them."""

import dataclasses
import functools
import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Int

from attnreport.models.translator import END, PADDING

# In the order of their numbers.
MARKERS = ("<pad>", "<s>", "</s>", "<unk>")
END_MARKER = MARKERS[END]
UNKNOWN = 3


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """Words of one language, numbered after the markers.

    Attributes:
        words: The words, without markers.
    """

    words: tuple[str, ...]

    @functools.cached_property
    def _numbers(self) -> dict[str, int]:
        return {word: number for number, word in enumerate((*MARKERS, *self.words))}

    @classmethod
    def of(cls, sentences: Iterable[Sequence[str]], *, most: int | None = None) -> "Vocabulary":
        """The vocabulary of some sentences, in alphabetical order.

        Args:
            sentences: Sentences, as words.
            most: How many words to keep: the most frequent ones; all if left out.
        """
        counts = Counter(sorted(word for sentence in sentences for word in sentence))
        return cls(tuple(sorted(word for word, _ in counts.most_common(most))))

    def __len__(self) -> int:
        return len(MARKERS) + len(self.words)

    def encode(
        self, sentences: Sequence[Sequence[str]], length: int | None = None
    ) -> Int[np.ndarray, "sentence length"]:
        """Sentences as rows of word numbers, each with an end marker, then padding.

        Args:
            sentences: Sentences, as words. A word outside the vocabulary becomes `<unk>`.
            length: Number of columns; as many as the longest sentence needs if left out.

        Raises:
            ValueError: A sentence with its end marker is longer than `length`.
        """
        longest = max((len(sentence) for sentence in sentences), default=0) + 1
        length = longest if length is None else length
        if longest > length:
            raise ValueError(
                f"A sentence has {longest} words with its end marker, but there are {length} "
                "columns. Give more columns, or shorter sentences."
            )
        numbers = self._numbers
        rows = np.full((len(sentences), length), PADDING, dtype=np.int32)
        for row, sentence in zip(rows, sentences, strict=True):
            row[: len(sentence)] = [numbers.get(word, UNKNOWN) for word in sentence]
            row[len(sentence)] = END
        return rows

    def decode(self, row: Iterable[int]) -> tuple[str, ...]:
        """The words of a row up to its end marker, which is left out."""
        names = (*MARKERS, *self.words)
        words: list[str] = []
        for number in row:
            if number in (END, PADDING):
                break
            words.append(names[number])
        return tuple(words)


def text_of(words: Iterable[str]) -> str:
    """Words as a line to read: punctuation follows its word without a space."""
    return re.sub(r" ([,?.!;:])", r"\1", " ".join(words))
