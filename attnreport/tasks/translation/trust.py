"""Whether a translator goes by the words that it looks at, and which of its heads it needs."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float

from attnreport.analysis import Trust, mean_trust, measure_trust, recorded_deletion
from attnreport.analysis.trust.faithfulness import Rescore
from attnreport.capture import ablate_heads
from attnreport.models.transformer import Transformer
from attnreport.models.translator import PADDING, Words
from attnreport.recording import Deletion, DeletionCurve
from attnreport.tasks.translation.batches import Languages
from attnreport.tasks.translation.evaluation import BATCH, Look, read
from attnreport.tasks.translation.grammar import SentencePair
from attnreport.tasks.translation.systems import System, logits

# The mean over fewer sentences tells little of a single head.
_FEWEST_SENTENCES = 20
# Of a sentence of five to ten words: none, one, two, and up to half of them.
SHARES = (0.0, 0.1, 0.2, 0.3, 0.5)


@dataclasses.dataclass(frozen=True)
class Removals:
    """What is left of a translator without words of the source, and without each head.

    Attributes:
        deletion: The probability of each right word without words of the source.
        heads: Name and index of each head that was cut; none where there is only one, or where too
            few sentences are measured.
        scores: For the whole model, then without each of the heads, the mean probability of the
            right words of each sentence.
    """

    deletion: Deletion
    heads: tuple[tuple[str, tuple[int, ...]], ...]
    scores: tuple[tuple[float, ...], ...]

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> "Removals":
        """The numbers that `dataclasses.asdict` and JSON made these facts of."""
        curves = tuple(DeletionCurve(**curve) for curve in facts["deletion"]["curves"])
        return cls(
            Deletion(**{**facts["deletion"], "curves": curves}),
            tuple((name, tuple(index)) for name, index in facts["heads"]),
            tuple(tuple(row) for row in facts["scores"]),
        )


@nnx.jit
def word_probabilities(model: System, source: Words, target: Words) -> Float[Array, "batch target"]:
    """The probability of each target word, given those before it."""
    probabilities = jax.nn.softmax(logits(model, source, target))
    return jnp.take_along_axis(probabilities, target[..., None], axis=-1)[..., 0]


def measure_removals(
    model: System, languages: Languages, pairs: Sequence[SentencePair], width: int
) -> Removals:
    """What is left of a translator on some test sentences.

    Args:
        model: A trained translator.
        languages: Its vocabularies.
        pairs: The sentences.
        width: Columns for an English sentence with its end marker.
    """
    heads, scores = _without_heads(model, languages, pairs, width)
    return Removals(_without_words(model, languages, pairs, width), heads, scores)


def _without_heads(
    model: System, languages: Languages, pairs: Sequence[SentencePair], width: int
) -> tuple[tuple[tuple[str, tuple[int, ...]], ...], tuple[tuple[float, ...], ...]]:
    if not isinstance(model, Transformer) or len(pairs) < _FEWEST_SENTENCES:
        return (), ()
    batch = languages.batch(pairs, width)
    source, target = jnp.asarray(batch.source), jnp.asarray(batch.target)
    found = ablate_heads(word_probabilities, at_once=8)(model, source, target)
    probabilities = np.concatenate([found.output[None], found.without])
    real = batch.target != PADDING
    scores = (probabilities * real).sum(axis=-1) / real.sum(axis=-1)
    return found.heads, tuple(tuple(map(float, row)) for row in scores)


def _without_words(
    model: System, languages: Languages, pairs: Sequence[SentencePair], width: int
) -> Deletion:
    looks = read(model, languages, pairs, width).looks
    found = [
        trust
        for number, (pair, look) in enumerate(zip(pairs, looks, strict=True))
        for trust in _trusts(model, languages, pair, look, width, seed=number)
    ]
    return recorded_deletion(
        {"most attended to first": mean_trust(found)},
        score="probability of the right word",
        positions="English words",
        data=f"{len(found):,} words of {len(pairs)} test sentences, each by its own row",
    )


def _trusts(
    model: System, languages: Languages, pair: SentencePair, look: Look, width: int, *, seed: int
) -> Iterator[Trust]:
    """Of each word of the translation, whether it hangs on what its own row looks at."""
    rescore_row = _rescoring(model, languages, pair, width)
    # The end marker is no word of the sentence, and stays.
    weights = look.mean(axis=(0, 1), dtype=np.float64)[:, : len(pair.english)]
    for row in range(len(pair.german)):
        yield measure_trust(rescore_row(row), weights[row], SHARES, seed=seed)


def _rescoring(
    model: System, languages: Languages, pair: SentencePair, width: int
) -> Callable[[int], Rescore]:
    """For each word of the translation, its probability without some of the English words.

    What one call gives of all words is kept, for all of them are compared with the same random
    orders.
    """
    batch = languages.batch([pair], width)
    known: dict[bytes, Float[np.ndarray, " target"]] = {}

    def compute(missing: Sequence[Bool[np.ndarray, " word"]]) -> None:
        for start in range(0, len(missing), BATCH):
            part = missing[start : start + BATCH]
            source = np.repeat(batch.source, BATCH, axis=0)
            for row, kept in zip(source, part, strict=False):
                row[: len(kept)][~kept] = PADDING
            target = np.repeat(batch.target, BATCH, axis=0)
            found = word_probabilities(model, jnp.asarray(source), jnp.asarray(target))
            for kept, row in zip(part, np.asarray(found, np.float64), strict=False):
                known[kept.tobytes()] = row

    def rescore_row(row: int) -> Rescore:
        def rescore(kept: Bool[np.ndarray, "version word"]) -> Float[np.ndarray, " version"]:
            missing = {each.tobytes(): each for each in kept if each.tobytes() not in known}
            compute(list(missing.values()))
            return np.array([known[each.tobytes()][row] for each in kept])

        return rescore

    return rescore_row
