"""Sentence pairs as batches of few shapes, because each shape is compiled once."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from attnreport.tasks.translation.grammar import SentencePair
from attnreport.tasks.translation.vocabulary import Vocabulary


class Batch(NamedTuple):
    """Sentences of one shape, as word numbers."""

    source: Int[np.ndarray, "batch source"]
    target: Int[np.ndarray, "batch target"]


@dataclasses.dataclass(frozen=True)
class Languages:
    """The vocabularies of a corpus."""

    source: Vocabulary
    target: Vocabulary

    @classmethod
    def of(cls, pairs: Sequence[SentencePair], *, most: int | None = None) -> "Languages":
        """The vocabularies of some sentence pairs, with the `most` frequent words if given."""
        return cls(
            Vocabulary.of((pair.english for pair in pairs), most=most),
            Vocabulary.of((pair.german for pair in pairs), most=most),
        )

    def batch(self, pairs: Sequence[SentencePair], width: int | None = None) -> Batch:
        """Sentence pairs as word numbers, `width` columns of English and one more of German."""
        return Batch(
            self.source.encode([pair.english for pair in pairs], width),
            self.target.encode([pair.german for pair in pairs], width and width + 1),
        )


def bucketed(
    pairs: Sequence[SentencePair], languages: Languages, widths: Sequence[int]
) -> list[Batch]:
    """All pairs in one batch for each width, every pair in the narrowest one it fits in.

    Args:
        pairs: Sentence pairs.
        languages: Their vocabularies.
        widths: Numbers of columns of the English side, in ascending order; the German side has
            one more. Both hold the end marker. Every pair fits in the last one.
    """
    buckets: list[list[SentencePair]] = [[] for _ in widths]
    for pair in pairs:
        needed = max(len(pair.english) + 1, len(pair.german))
        bucket = next(i for i, width in enumerate(widths) if needed <= width)
        buckets[bucket].append(pair)
    return [languages.batch(bucket, width) for bucket, width in zip(buckets, widths, strict=True)]


def shuffled_batches(buckets: Sequence[Batch], size: int, seed: Sequence[int]) -> list[Batch]:
    """One epoch: batches of `size` sentences of one width, in an order that the seed decides.

    Sentences that do not fill a batch wait for another epoch, in which others are left over.
    """
    random = np.random.default_rng(seed)
    batches: list[Batch] = []
    for bucket in buckets:
        order = random.permutation(len(bucket.source))
        for start in range(0, len(order) - size + 1, size):
            rows = order[start : start + size]
            batches.append(Batch(bucket.source[rows], bucket.target[rows]))
    return [batches[place] for place in random.permutation(len(batches))]
