"""Measures a text classifier: its labels, and whether it went by the words it looked at."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence, Set
from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from attnreport.analysis.trust.faithfulness import (
    DRAWS,
    Rescore,
    comprehensiveness,
    curves_of,
    deletion_curve,
    heaviest_first,
    kept_without,
    random_orders,
)
from attnreport.models.text_classifier import PADDING, TextClassifier
from attnreport.recording import Confusion
from attnreport.tasks.keywords.collection import Passage
from attnreport.tasks.keywords.encoding import Encoding
from attnreport.tasks.keywords.truth import DistinctWords, Precision, word_precision

# Shares of the words of a passage that are taken out.
SHARES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5)
# Of more test passages, attention is measured on so many, evenly spread.
MOST_MEASURED = 500
# Passages that are read at once; a smaller batch is filled up, so that one shape is compiled. All
# versions of a passage in `DRAWS` random orders fit in.
_BATCH = 32
# A larger confusion matrix cannot be read: it keeps the labels that are confused most.
MOST_CONFUSED = 30


@dataclasses.dataclass(frozen=True)
class Reading:
    """What a model makes of passages.

    Attributes:
        probabilities: Of each label.
        weights: Of each place of a passage, over all hops together.
    """

    probabilities: Float[np.ndarray, "passage label"]
    weights: Float[np.ndarray, "passage place"]

    @property
    def labels(self) -> Int[np.ndarray, " passage"]:
        """The likeliest label of each passage."""
        return self.probabilities.argmax(axis=1)


@dataclasses.dataclass(frozen=True)
class Faithfulness:
    """How the probability of the label that a model predicts falls as words are taken out.

    All are means over passages, one number for each of `SHARES`.

    Attributes:
        attention: The heaviest words first.
        tf_idf: Those of highest tf-idf first.
        draws: In random order, for each of several draws of the orders of all passages.
    """

    attention: tuple[float, ...]
    tf_idf: tuple[float, ...]
    draws: tuple[tuple[float, ...], ...]

    @property
    def random(self) -> tuple[float, ...]:
        """The mean over all random orders."""
        return tuple(np.mean(self.draws, axis=0).tolist())

    @property
    def spread(self) -> tuple[tuple[float, float], ...]:
        """The least and the greatest of the draws, for each share."""
        return tuple((min(each), max(each)) for each in zip(*self.draws, strict=True))

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Self:
        """The curves that `dataclasses.asdict` and JSON made this of."""
        draws = tuple(tuple(draw) for draw in kept["draws"])
        return cls(tuple(kept["attention"]), tuple(kept["tf_idf"]), draws)

    @classmethod
    def mean(cls, each: Sequence["Faithfulness"]) -> Self:
        """The mean over passages."""

        def mean(curves: Sequence[Any]) -> Any:
            return np.mean(curves, axis=0).tolist()

        return cls(
            tuple(mean([one.attention for one in each])),
            tuple(mean([one.tf_idf for one in each])),
            tuple(tuple(draw) for draw in mean([one.draws for one in each])),
        )

    def fall(self, order: str) -> float:
        """The mean fall of the curve of an order."""
        return comprehensiveness(np.array(getattr(self, order)))


@dataclasses.dataclass(frozen=True)
class Quality:
    """How good a text classifier and its attention are on passages it has not seen.

    Attributes:
        accuracy: Share of passages whose likeliest label is right.
        title: Precision of the heaviest words against words of the right label's title, over the
            passages that have any.
        titled: How many these are.
        tf_idf: Precision of the heaviest words against those of highest tf-idf.
        faithfulness: Deletion curves.
    """

    accuracy: float
    title: Precision
    titled: int
    tf_idf: Precision
    faithfulness: Faithfulness

    @classmethod
    def of(cls, kept: dict[str, Any]) -> Self:
        """The quality that `dataclasses.asdict` and JSON made this of."""
        return cls(
            kept["accuracy"],
            Precision(**kept["title"]),
            kept["titled"],
            Precision(**kept["tf_idf"]),
            Faithfulness.of(kept["faithfulness"]),
        )


class Outcomes(NamedTuple):
    """Numbers of the labels of passages, and of those that a model gave them."""

    targets: Int[np.ndarray, " passage"]
    outputs: Int[np.ndarray, " passage"]


@dataclasses.dataclass(frozen=True)
class PassageQuality:
    """How good the attention to one passage is.

    Attributes:
        title: Against words of its label's title; None if it has none of them.
        tf_idf: Against its words of highest tf-idf; None if it has none.
        faithfulness: Its deletion curves.
    """

    title: Precision | None
    tf_idf: Precision | None
    faithfulness: Faithfulness


class Measurer:
    """Measures a model on passages.

    Args:
        model: The model, in evaluation mode.
        encoding: Its words and labels.
        titles: Of each label, the roots of the words that name it.
        width: Most words of a passage.
    """

    def __init__(
        self,
        model: TextClassifier,
        encoding: Encoding,
        titles: Mapping[str, Set[str]],
        width: int,
    ) -> None:
        self._graph, self._state = nnx.split(model)
        self._encoding, self._titles, self._width = encoding, titles, width

    def read(self, passages: Sequence[Passage]) -> Reading:
        """What the model makes of passages."""
        return self._read(self._encoding.texts(passages, self._width).words)

    def quality(self, passages: Sequence[Passage]) -> tuple[Quality, Outcomes]:
        """The quality of the model, and which label it gave each passage."""
        reading = self.read(passages)
        target = self._encoding.texts(passages, self._width).labels
        measured = np.unique(np.linspace(0, len(passages) - 1, MOST_MEASURED).astype(int))
        found = [
            self.passage(passages[i], reading.weights[i], int(reading.labels[i])) for i in measured
        ]
        titled = [each.title for each in found if each.title is not None]
        quality = Quality(
            float((reading.labels == target).mean()),
            _mean_precision(titled),
            len(titled),
            _mean_precision([each.tf_idf for each in found if each.tf_idf is not None]),
            Faithfulness.mean([each.faithfulness for each in found]),
        )
        return quality, Outcomes(target, reading.labels)

    def passage(
        self, passage: Passage, weights: Float[np.ndarray, " place"], label: int
    ) -> PassageQuality:
        """The quality of the attention to one passage, given its weights and predicted label."""
        length = len(passage.words)
        weights, tf_idf = weights[:length], self._encoding.tf_idf(passage)
        words = DistinctWords.of(passage)
        rescore = self._rescore(passage, label)
        faithfulness = Faithfulness(
            tuple(deletion_curve(rescore, heaviest_first(weights), SHARES).tolist()),
            tuple(deletion_curve(rescore, heaviest_first(tf_idf), SHARES).tolist()),
            tuple(tuple(draw) for draw in _random_curves(rescore, length).tolist()),
        )
        return PassageQuality(
            word_precision(words, weights, words.named(self._titles[passage.label])),
            word_precision(words, weights, words.heaviest(tf_idf)),
            faithfulness,
        )

    def _rescore(self, passage: Passage, label: int) -> Rescore:
        """The probability of a label."""
        row = self._encoding.texts([passage], self._width).words[0]

        def rescore(kept: Bool[np.ndarray, "version place"]) -> Float[np.ndarray, " version"]:
            rows = np.repeat(row[None], len(kept), axis=0)
            rows[:, : len(passage.words)][~kept] = PADDING
            return self._read(rows).probabilities[:, label]

        return rescore

    def _read(self, rows: Int[np.ndarray, "passage place"]) -> Reading:
        parts = []
        for start in range(0, len(rows), _BATCH):
            part = rows[start : start + _BATCH]
            filled = np.concatenate([part, np.repeat(part[:1], _BATCH - len(part), axis=0)])
            found = _read(self._graph, self._state, jnp.asarray(filled))
            parts.append([np.asarray(each)[: len(part)] for each in found])
        probabilities, weights = (np.concatenate(each) for each in zip(*parts, strict=True))
        return Reading(probabilities, weights)


def confusion(labels: tuple[str, ...], outcomes: Outcomes) -> Confusion:
    """How often each label was taken for each: of many labels, of those that are confused most."""
    counts = np.zeros((len(labels), len(labels)), dtype=np.int64)
    np.add.at(counts, outcomes, 1)
    wrong = counts - np.diag(np.diag(counts))
    confused = wrong.sum(axis=0) + wrong.sum(axis=1)
    kept = np.sort(np.argsort(-confused, kind="stable")[:MOST_CONFUSED])
    return Confusion(tuple(labels[i] for i in kept), counts[np.ix_(kept, kept)])


# Split from its state, a model is compiled once and called a thousand times at little cost.
@functools.partial(jax.jit, static_argnums=0)
def _read(
    graph: nnx.GraphDef[TextClassifier], state: nnx.State, words: Int[Array, "passage place"]
) -> tuple[Array, Array]:
    logits, weights = nnx.merge(graph, state)(words, return_weights=True)
    return jax.nn.softmax(logits), weights.mean(axis=(1, 2))


def _random_curves(rescore: Rescore, positions: int) -> Float[np.ndarray, "draw share"]:
    """The deletion curves of several random orders."""
    orders = random_orders(positions, DRAWS)
    return curves_of(rescore, [kept_without(order, SHARES) for order in orders])


def _mean_precision(each: Sequence[Precision]) -> Precision:
    """The mean over passages; all 0 if none has a word that is right."""
    if not each:
        return Precision(0.0, 0.0, 0.0)
    found = np.mean([dataclasses.astuple(one) for one in each], axis=0)
    return Precision(*found.tolist())
