"""Measures a translator: whole sentences, words, and how its attention agrees with the links."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from attnreport.analysis.alignment import corpus_alignment_error_rate
from attnreport.tasks.translation.batches import Languages
from attnreport.tasks.translation.grammar import SentencePair
from attnreport.tasks.translation.systems import System, looks, written

# Rows that are translated at once; the last batch is filled up, so that one shape is compiled.
BATCH = 256

AttentionPair = tuple[Float[np.ndarray, "query key"], Bool[np.ndarray, "query key"]]
# Of one sentence the weights of all heads, given the reference translation.
Look = Float[np.ndarray, "layer head query key"]


@dataclasses.dataclass(frozen=True)
class Alignment:
    """How well attention agrees with the known links, as alignment error rates.

    Each is that of the strongest attention of every word, given the reference translation, on the
    test sentences.

    Attributes:
        error: Of the head that has the lowest on the validation sentences.
        layer: Layer of that head.
        head: Its number in the layer.
        heads: Of each head of each layer.
        diagonal_error: If every word looked at the place it has itself in its sentence.
        random_error: On average, if every word looked at a place drawn at random.
    """

    error: float
    layer: int
    head: int
    heads: tuple[tuple[float, ...], ...]
    diagonal_error: float
    random_error: float

    @property
    def mean_error(self) -> float:
        """The mean over all heads, which is what a head drawn at random has on average."""
        return float(np.mean(self.heads))


@dataclasses.dataclass(frozen=True)
class Quality:
    """How good a translator and its attention are on sentences it has not seen.

    Attributes:
        sentences: Share of sentences whose greedy translation is the reference, word for word.
        words: Share of words, end markers included, that are the likeliest given the reference
            up to them.
        alignment: How its attention agrees with the links; None where these are not known.
    """

    sentences: float
    words: float
    alignment: Alignment | None

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> "Quality":
        """The quality that `dataclasses.asdict` and JSON made these facts of."""
        alignment = facts["alignment"]
        if alignment is not None:
            heads = tuple(tuple(layer) for layer in alignment["heads"])
            alignment = Alignment(**{**alignment, "heads": heads})
        return cls(facts["sentences"], facts["words"], alignment)


class Reading(NamedTuple):
    """What a model does with sentences whose translations it is given.

    Attributes:
        right: For each sentence, where the likeliest word is the reference.
        looks: For each sentence, its attention.
    """

    right: list[Bool[np.ndarray, " query"]]
    looks: list[Look]


def translate(
    model: System, languages: Languages, sentences: Sequence[Sequence[str]], width: int
) -> Int[np.ndarray, "sentence target"]:
    """Greedy translations of English sentences, as word numbers.

    Args:
        model: A translator.
        languages: Its vocabularies.
        sentences: English sentences, as words.
        width: Columns for an English sentence with its end marker; the German side has one more.
    """
    source = languages.source.encode(sentences, width)
    parts = [np.asarray(written(model, jnp.asarray(rows), width + 1)) for rows in _filled(source)]
    return np.concatenate(parts)[: len(source)]


def sentences_right(
    model: System, languages: Languages, pairs: Sequence[SentencePair], width: int
) -> Bool[np.ndarray, " sentence"]:
    """Where the greedy translation is the reference, word for word."""
    batch = languages.batch(pairs, width)
    words = translate(model, languages, [pair.english for pair in pairs], width)
    return (words == batch.target).all(axis=1)


def read(model: System, languages: Languages, pairs: Sequence[SentencePair], width: int) -> Reading:
    """What a model does with sentences whose translations it is given."""
    batch = languages.batch(pairs, width)
    right, found = [], []
    for source, target in zip(_filled(batch.source), _filled(batch.target), strict=True):
        likeliest, weights = looks(model, jnp.asarray(source), jnp.asarray(target))
        right.extend(np.asarray(likeliest) == target)
        found.extend(np.asarray(weights))
    sizes = [(len(pair.german) + 1, len(pair.english) + 1) for pair in pairs]
    return Reading(
        [row[:queries] for row, (queries, _) in zip(right, sizes, strict=False)],
        [each[..., :q, :k] for each, (q, k) in zip(found, sizes, strict=False)],
    )


def measure(
    model: System,
    languages: Languages,
    *,
    validation: Sequence[SentencePair],
    test: Sequence[SentencePair],
    width: int,
    right: Bool[np.ndarray, " sentence"],
) -> Quality:
    """The quality of a model on test sentences, given which of them are `sentences_right`.

    Args:
        model: A translator.
        languages: Its vocabularies.
        validation: Sentences that decide which head is looked at.
        test: Sentences that measure.
        width: Columns for an English sentence with its end marker.
        right: Which test sentences are translated word for word.
    """
    reading = read(model, languages, test, width)
    alignment = None
    if any(any(pair.links) for pair in test):
        deciding = read(model, languages, validation, width).looks
        alignment = measure_alignment(
            head_errors(deciding, references_of(validation)), reading.looks, references_of(test)
        )
    words = float(np.concatenate(reading.right).mean())
    return Quality(float(right.mean()), words, alignment)


def measure_alignment(
    deciding: Float[np.ndarray, "layer head"],
    looked: Sequence[Look],
    references: Sequence[Bool[np.ndarray, "query key"]],
) -> Alignment:
    """How attention agrees with references, where `deciding` errors choose the head."""
    layer, head = map(int, np.unravel_index(deciding.argmin(), deciding.shape))
    errors = head_errors(looked, references)
    return Alignment(
        error=float(errors[layer, head]),
        layer=layer,
        head=head,
        heads=tuple(tuple(map(float, row)) for row in errors),
        diagonal_error=corpus_alignment_error_rate(map(_diagonal, references)),
        random_error=_random_error(references),
    )


def head_errors(
    looked: Sequence[Look], references: Sequence[Bool[np.ndarray, "query key"]]
) -> Float[np.ndarray, "layer head"]:
    """Alignment error rate of each head over all sentences."""
    layers, heads = looked[0].shape[:2]
    errors = np.empty((layers, heads))
    for layer, head in np.ndindex(layers, heads):
        weights = (each[layer, head] for each in looked)
        errors[layer, head] = corpus_alignment_error_rate(zip(weights, references, strict=True))
    return errors


def references_of(pairs: Sequence[SentencePair]) -> list[Bool[np.ndarray, "query key"]]:
    """The known links of sentence pairs."""
    return [pair.alignment() for pair in pairs]


def _filled(rows: np.ndarray) -> Iterator[np.ndarray]:
    """Rows in batches of one size; the last batch is filled up with its first row."""
    for start in range(0, len(rows), BATCH):
        part = rows[start : start + BATCH]
        yield np.concatenate([part, np.repeat(part[:1], BATCH - len(part), axis=0)])


def _diagonal(reference: Bool[np.ndarray, "query key"]) -> AttentionPair:
    """Attention from each place to the same share of the way through the other sentence."""
    queries, keys = reference.shape
    places = np.rint(np.arange(queries) * (keys - 1) / max(queries - 1, 1)).astype(int)
    return np.eye(keys, dtype=np.float32)[places], reference


def _random_error(references: Sequence[Bool[np.ndarray, "query key"]]) -> float:
    """Alignment error rate that links drawn at random have on average."""
    linked = [reference[reference.any(axis=1)] for reference in references]
    links = sum(len(reference) for reference in linked)
    sure = sum(int(reference.sum()) for reference in linked)
    right = sum(float(reference.mean(axis=1).sum()) for reference in linked)
    return 1 - 2 * right / (links + sure)
