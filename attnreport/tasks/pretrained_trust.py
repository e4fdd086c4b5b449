"""Whether a pretrained encoder goes by its attention on one's own texts, and which heads it needs.

An encoder has no answer that could be right, so what is watched is the vector of a text: the mean
of the features of its tokens. Where that turns away from the one it has usually, something that
it needs was taken.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from attnreport.analysis import (
    Trust,
    mean_trust,
    measure_trust,
    recorded_deletion,
    recorded_importance,
    rollout,
    self_relevance,
)
from attnreport.analysis.trust.faithfulness import Rescore
from attnreport.capture import ablate_heads, attention_gradients
from attnreport.models.bert import Bert
from attnreport.recording import Deletion, Example, Importance, Recording

# More tokens than these, of all texts together, take so long that one has to ask for it.
MOST_TOKENS = 512
_SCORE = "likeness of the text's vector to the usual one (cosine)"
# Rows of padded texts that run side by side.
_ROWS = 64
# Texts are padded to a power of two, at least this.
_SHORTEST = 16
# Weights that may be in memory at once: 256 MB.
_MOST_WEIGHTS = 64_000_000

Vectors = Float[np.ndarray, "text hidden"]


class EncodedText(NamedTuple):
    """One text as the encoder reads it.

    Attributes:
        words: Vocabulary number of each token.
        segments: Segment of each token.
        special: Where a token is a marker, which is never taken away.
    """

    words: Int[np.ndarray, " token"]
    segments: Int[np.ndarray, " token"]
    special: Bool[np.ndarray, " token"]


def with_trust(recording: Recording, model: Bert, texts: Sequence[EncodedText]) -> Recording:
    """The recording with what taking tokens and heads away does to the vector of each text.

    Args:
        recording: The attention of the encoder, an example for each text.
        model: The encoder.
        texts: The texts of its examples.
    """
    data = "one text" if len(texts) == 1 else f"{len(texts)} texts, mean"
    cells = sum(attention.heads for attention in recording.examples[0].maps)
    batches = _batches(model, texts, cells)
    return dataclasses.replace(
        recording,
        importance=_importance(recording, model, batches, data),
        deletion=_deletion(recording, model, batches, data),
    )


def text_vectors(
    model: Bert,
    words: Int[Array, "text token"],
    real: Bool[Array, "text token"],
    segments: Int[Array, "text token"],
) -> Float[Array, "text hidden"]:
    """The mean of the features of the tokens of each text that are `real`."""
    features = model(words, real, segments) * real[..., None]
    return features.sum(axis=1) / real.sum(axis=1, keepdims=True)


class _Batch(NamedTuple):
    """Texts of like lengths, padded to one.

    Attributes:
        numbers: Their numbers among all texts.
        texts: The texts.
        words: Vocabulary number of each token.
        real: False where there is padding.
        segments: Segment of each token.
    """

    numbers: list[int]
    texts: list[EncodedText]
    words: Int[np.ndarray, "text token"]
    real: Bool[np.ndarray, "text token"]
    segments: Int[np.ndarray, "text token"]

    @property
    def inputs(self) -> tuple[Array, Array, Array]:
        """What the encoder is called with."""
        return jnp.asarray(self.words), jnp.asarray(self.real), jnp.asarray(self.segments)


def _batches(model: Bert, texts: Sequence[EncodedText], heads: int) -> list[_Batch]:
    """The texts by the power of two that they are padded to, so that few shapes are compiled.

    No more together than fit into memory with the weights of all heads, and their gradients.
    """
    most = model.embeddings.position.num_embeddings
    alike: dict[int, list[int]] = {}
    for number, text in enumerate(texts):
        power = max(_SHORTEST, 1 << (len(text.words) - 1).bit_length())
        alike.setdefault(min(power, most), []).append(number)
    batches = []
    for length, numbers in sorted(alike.items()):
        most = max(1, _MOST_WEIGHTS // (heads * length**2))
        parts = (numbers[start : start + most] for start in range(0, len(numbers), most))
        batches += [_batch(length, part, texts) for part in parts]
    return batches


def _batch(length: int, numbers: list[int], texts: Sequence[EncodedText]) -> _Batch:
    shape = len(numbers), length
    words, segments = np.zeros(shape, np.int32), np.zeros(shape, np.int32)
    real = np.zeros(shape, bool)
    own = [texts[number] for number in numbers]
    for row, text in enumerate(own):
        count = len(text.words)
        words[row, :count], segments[row, :count] = text.words, text.segments
        real[row, :count] = True
    return _Batch(numbers, own, words, real, segments)


def _importance(
    recording: Recording, model: Bert, batches: Sequence[_Batch], data: str
) -> Importance:
    scores, heads = [], ()
    for batch in batches:
        weights = recording.examples[0].maps[0].heads * batch.words.size * batch.words.shape[1]
        at_once = max(1, _MOST_WEIGHTS // weights)
        found = ablate_heads(text_vectors, at_once=at_once)(model, *batch.inputs)
        vectors = np.concatenate([found.output[None], found.without])
        scores.append(_likeness(vectors, vectors[0]))
        heads = found.heads
    return recorded_importance(
        recording, heads, np.concatenate(scores, axis=1), score=_SCORE, data=data, tested=False
    )


def _deletion(recording: Recording, model: Bert, batches: Sequence[_Batch], data: str) -> Deletion:
    vectors = nnx.jit(text_vectors)
    found: dict[str, list[Trust]] = {}
    for batch in batches:
        relevance = _relevance(recording, model, batch)
        for row, (number, text) in enumerate(zip(batch.numbers, batch.texts, strict=True)):
            rescore = _rescoring(vectors, model, batch, row)
            orders = {
                **_orders(recording.examples[number]),
                "highest gradient × attention first": relevance[row],
            }
            for name, weights in orders.items():
                trust = measure_trust(rescore, weights[~text.special], seed=number)
                found.setdefault(name, []).append(trust)
    means = {name: mean_trust(each) for name, each in found.items()}
    return recorded_deletion(means, score=_SCORE, positions="tokens", data=data)


def _orders(example: Example) -> dict[str, Float[np.ndarray, " token"]]:
    """What weights give every token, through all layers, in the mean of all rows."""
    layers = [attention.array() for attention in example.maps]
    received = [layer.mean(axis=(0, 1), dtype=np.float64) for layer in layers]
    return {
        "most attended to first": np.mean(received, axis=0),
        "highest rollout first": rollout(layers).mean(axis=0),
    }


def _relevance(
    recording: Recording, model: Bert, batch: _Batch
) -> list[Float[np.ndarray, " token"]]:
    """Chefer et al. (2021) for the length of each vector along the direction that it has."""
    usual = text_vectors(model, *batch.inputs)
    directions = usual / jnp.linalg.norm(usual, axis=-1, keepdims=True)
    run = attention_gradients(text_vectors, lambda vectors: (vectors * directions).sum())
    _, weights, gradients = run(model, *batch.inputs)
    names = [attention.name for attention in recording.examples[0].maps]
    found = []
    for row, text in enumerate(batch.texts):
        place = np.s_[row, :, : len(text.words), : len(text.words)]
        pairs = [
            (np.asarray(weights[name].weights)[place], np.asarray(gradients[name])[place])
            for name in names
        ]
        found.append(self_relevance(pairs).mean(axis=0))
    return found


def _rescoring(vectors: Callable[..., Array], model: Bert, batch: _Batch, row: int) -> Rescore:
    """Likeness to the usual vector with some of the tokens hidden from all the others."""
    content = np.flatnonzero(~batch.texts[row].special)
    words, real, segments = (
        np.repeat(each[row : row + 1], _ROWS, axis=0)
        for each in (batch.words, batch.real, batch.segments)
    )

    def vectors_of(kept: Bool[np.ndarray, "version token"]) -> Vectors:
        shown = real.copy()
        shown[np.ix_(np.arange(len(kept)), content)] = kept
        return np.asarray(vectors(model, *map(jnp.asarray, (words, shown, segments))))[: len(kept)]

    usual = vectors_of(np.ones((1, len(content)), bool))[0]

    def rescore(kept: Bool[np.ndarray, "version token"]) -> Float[np.ndarray, " version"]:
        parts = [kept[start : start + _ROWS] for start in range(0, len(kept), _ROWS)]
        return _likeness(np.concatenate([vectors_of(part) for part in parts]), usual)

    return rescore


def _likeness(vectors: np.ndarray, usual: np.ndarray) -> Float[np.ndarray, "*version"]:
    """Cosine of the angle between vectors, 1 for the same direction."""
    lengths = np.linalg.norm(vectors, axis=-1) * np.linalg.norm(usual, axis=-1)
    return (vectors.astype(np.float64) * usual).sum(axis=-1) / lengths
