"""Measures a translator: whole sentences, words, and how its attention agrees with the links."""

import dataclasses
from collections.abc import Iterator, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Bool, Float

from attnreport.analysis.alignment import corpus_alignment_error_rate
from attnreport.models.translator import PADDING, Translator, Words
from attnreport.models.translator_decoding import Translation, translate_greedily
from attnreport.tasks.translation.batches import Batch, Languages
from attnreport.tasks.translation.grammar import SentencePair

# Rows that are translated at once; the last batch is filled up, so that one shape is compiled.
BATCH = 256

AttentionPair = tuple[Float[np.ndarray, "query key"], Bool[np.ndarray, "query key"]]


@dataclasses.dataclass(frozen=True)
class Quality:
    """How good a translator and its attention are on sentences it has not seen.

    Attributes:
        sentences: Share of sentences whose greedy translation is the reference, word for word.
        words: Share of words, end markers included, that are the likeliest given the reference
            up to them.
        alignment_error: Alignment error rate of the attention, given the reference translation.
        diagonal_error: The same if every word looked at the place it has itself in its sentence.
        random_error: The same, on average, if every word looked at a place drawn at random.
    """

    sentences: float
    words: float
    alignment_error: float
    diagonal_error: float
    random_error: float


def translate(
    model: Translator,
    languages: Languages,
    sentences: Sequence[Sequence[str]],
    width: int,
    *,
    return_weights: bool = False,
) -> Translation:
    """Greedy translations of English sentences, as NumPy arrays.

    Args:
        model: A translator.
        languages: Its vocabularies.
        sentences: English sentences, as words.
        width: Columns for an English sentence with its end marker; the German side has one more.
        return_weights: Whether to return the attention too.
    """
    source = languages.source.encode(sentences, width)
    parts = [
        translate_greedily(
            model, jnp.asarray(rows), length=width + 1, return_weights=return_weights
        )
        for rows in _filled(source)
    ]
    return jax.tree.map(lambda *pieces: np.concatenate(pieces)[: len(source)], *parts)


def sentences_right(
    model: Translator, languages: Languages, pairs: Sequence[SentencePair], width: int
) -> Bool[np.ndarray, " sentence"]:
    """Where the greedy translation is the reference, word for word."""
    batch = languages.batch(pairs, width)
    written = translate(model, languages, [pair.english for pair in pairs], width).words
    return (np.asarray(written) == batch.target).all(axis=1)


def measure(
    model: Translator,
    languages: Languages,
    pairs: Sequence[SentencePair],
    width: int,
    right: Bool[np.ndarray, " sentence"],
) -> Quality:
    """The quality of a model on sentence pairs, given which of them are `sentences_right`."""
    batch = languages.batch(pairs, width)
    words, weights = _given_reference(model, batch)
    references = [pair.alignment() for pair in pairs]
    attention = [
        (row[: reference.shape[0], : reference.shape[1]], reference)
        for row, reference in zip(weights, references, strict=True)
    ]
    return Quality(
        sentences=float(right.mean()),
        words=float(words[batch.target != PADDING].mean()),
        alignment_error=corpus_alignment_error_rate(attention),
        diagonal_error=corpus_alignment_error_rate(map(_diagonal, references)),
        random_error=_random_error(references),
    )


def _given_reference(
    model: Translator, batch: Batch
) -> tuple[Bool[np.ndarray, "batch target"], Float[np.ndarray, "batch target source"]]:
    """Where the likeliest word is the reference, and the attention."""
    right, weights = [], []
    for source, target in zip(_filled(batch.source), _filled(batch.target), strict=True):
        logits, attention = _teacher_forced(model, jnp.asarray(source), jnp.asarray(target))
        right.append(np.asarray(logits == target))
        weights.append(np.asarray(attention))
    size = len(batch.source)
    return np.concatenate(right)[:size], np.concatenate(weights)[:size]


@nnx.jit
def _teacher_forced(model: Translator, source: Words, target: Words) -> tuple[Words, jax.Array]:
    logits, weights = model(source, target, return_weights=True)
    return logits.argmax(axis=-1), weights


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
