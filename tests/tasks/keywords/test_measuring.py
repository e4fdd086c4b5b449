"""Quality of a classifier whose parameters are set by hand, so that each number is known."""

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from attnreport.models.text_classifier import TextClassifier, TextClassifierSizes
from attnreport.tasks.keywords.collection import Passage
from attnreport.tasks.keywords.encoding import Encoding
from attnreport.tasks.keywords.measuring import (
    MOST_CONFUSED,
    SHARES,
    Measurer,
    Outcomes,
    Quality,
    confusion,
)

KEYS = ("and", "bread", "sail", "the")
ENCODING = Encoding(KEYS, ("boats", "bread"), (0.0, 0.7, 0.7, 0.0))
TITLES = {"boats": {"sail"}, "bread": {"bread", "oven"}}
BREAD = Passage("one", ("the", "bread", *["and"] * 8), "bread")
BOATS = Passage("two", ("and", "the", "sail", "and", *["the"] * 6), "boats")
TAKEN_FOR_BREAD = Passage("three", ("bread", *["the"] * 9), "boats")


def model() -> TextClassifier:
    """Looks almost only at `bread` and `sail`, and takes each for its label."""
    sizes = TextClassifierSizes(6, 2, embedding=3, scoring=1)
    made = TextClassifier(sizes, rngs=nnx.Rngs(0))
    bread, sail = KEYS.index("bread") + 2, KEYS.index("sail") + 2
    features = np.zeros((6, 3), np.float32)
    features[bread], features[sail] = (1, 0, 1), (0, 1, 1)
    made.embedding.embedding[...] = jnp.asarray(features)
    # The score of a word is ten times its last feature, which both of them have.
    made.pooling.hidden.kernel[...] = jnp.array([[0.0], [0.0], [10.0]])
    made.pooling.hidden.bias[...] = jnp.zeros(1)
    made.pooling.context.kernel[...] = jnp.array([[10.0]])
    made.labels.kernel[...] = jnp.array([[-3.0, 3.0], [3.0, -3.0], [0.0, 0.0]])
    made.labels.bias[...] = jnp.zeros(2)
    made.eval()
    return made


@pytest.fixture(scope="module")
def measurer() -> Measurer:
    return Measurer(model(), ENCODING, TITLES, 12)


def test_it_reads_labels_and_weights(measurer):
    reading = measurer.read([BREAD, BOATS, TAKEN_FOR_BREAD])
    assert reading.labels.tolist() == [1, 0, 1]
    assert reading.weights.shape == (3, 12)
    assert reading.weights[0, 1] > 0.99
    assert reading.weights[1, 2] > 0.99
    sure = 1 / (1 + np.exp(-6))
    assert reading.probabilities[0, 1] == pytest.approx(sure, abs=1e-3)


def test_without_its_heaviest_word_the_model_knows_nothing(measurer):
    weights = measurer.read([BREAD]).weights[0]
    curves = measurer.passage(BREAD, weights, 1).faithfulness
    # Of ten words 5 % are one, rounded half up; after it both labels are as likely.
    sure = pytest.approx(1 / (1 + np.exp(-6)), abs=1e-3)
    half = pytest.approx(0.5, abs=1e-3)
    assert curves.attention == (sure, *[half] * (len(SHARES) - 1))
    assert curves.tf_idf == (sure, *[half] * (len(SHARES) - 1))
    # Five random orders: the word is rarely among the first.
    assert all(curves.random[i] > curves.attention[i] for i in (1, 2, 3))
    assert curves.random[0] == sure


def test_precision_of_a_passage_is_that_of_its_words(measurer):
    weights = measurer.read([BREAD]).weights[0]
    found = measurer.passage(BREAD, weights, 1)
    # Three words in all, one of them right.
    assert found.title is not None
    assert found.title.found == pytest.approx(1 / 3)
    assert found.tf_idf is not None
    assert found.tf_idf.found == pytest.approx(1 / 3)
    weights = measurer.read([TAKEN_FOR_BREAD]).weights[0]
    of_boats = measurer.passage(TAKEN_FOR_BREAD, weights, 1)
    assert of_boats.title is None


def test_quality_is_the_mean_over_passages(measurer):
    quality, outcomes = measurer.quality([BREAD, BOATS, TAKEN_FOR_BREAD])
    assert quality.accuracy == pytest.approx(2 / 3)
    assert quality.titled == 2
    assert quality.title.found == pytest.approx(1 / 3)
    assert quality.faithfulness.fall("attention") == pytest.approx(0.4975, abs=2e-3)
    assert quality.faithfulness.fall("attention") > quality.faithfulness.fall("random")
    assert (outcomes.targets.tolist(), outcomes.outputs.tolist()) == ([1, 0, 0], [1, 0, 1])
    confused = confusion(("boats", "bread"), outcomes)
    assert confused.labels == ("boats", "bread")
    assert confused.counts.tolist() == [[1, 1], [0, 1]]


def test_quality_comes_back_from_json(measurer):
    import dataclasses
    import json

    quality, _ = measurer.quality([BREAD, BOATS])
    assert Quality.of(json.loads(json.dumps(dataclasses.asdict(quality)))) == quality


def test_of_many_labels_the_most_confused_are_kept_in_their_order():
    labels = tuple(f"label {number:02d}" for number in range(MOST_CONFUSED + 5))
    everything = np.arange(len(labels))
    # The last labels are taken for each other, all others are right.
    output = everything.copy()
    output[-6:] = np.roll(output[-6:], 1)
    found = confusion(labels, Outcomes(everything, output))
    assert len(found.labels) == MOST_CONFUSED
    assert found.labels[-6:] == labels[-6:]
    assert found.labels[: MOST_CONFUSED - 6] == labels[: MOST_CONFUSED - 6]
    assert found.counts.sum() == MOST_CONFUSED
