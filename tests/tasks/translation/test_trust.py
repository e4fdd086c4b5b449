"""What a translator loses without words and without heads, against models changed by hand."""

import dataclasses
import json

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from attnreport.models.transformer_layers import TransformerSizes
from attnreport.models.translator import PADDING
from attnreport.tasks.translation.batches import Languages
from attnreport.tasks.translation.evaluation import read
from attnreport.tasks.translation.grammar import SentencePair
from attnreport.tasks.translation.plan import RecurrentSizes
from attnreport.tasks.translation.systems import new_system
from attnreport.tasks.translation.trust import (
    SHARES,
    Removals,
    measure_removals,
    word_probabilities,
)

WIDTH = 7
PAIRS = [
    SentencePair(("the", "dog", "runs"), ("der", "hund", "rennt"), ((0, 0), (1, 1), (2, 2))),
    SentencePair(("a", "cat"), ("eine", "katze"), ((0, 0), (1, 1))),
] * 10


@pytest.fixture(scope="module")
def languages():
    return Languages.of(PAIRS, most=None)


@pytest.fixture(scope="module")
def transformer(languages):
    sizes = TransformerSizes(features=8, heads=2, layers=1, feed_forward=8)
    return new_system(sizes, languages, nnx.Rngs(0))


def right_words(model, languages, pair, gone=()):
    """The probability of each German word, the end marker included."""
    batch = languages.batch([pair], WIDTH)
    source = batch.source.copy()
    source[0, list(gone)] = PADDING
    found = word_probabilities(model, jnp.asarray(source), jnp.asarray(batch.target))
    return np.asarray(found, np.float64)[0, : len(pair.german) + 1]


@pytest.mark.parametrize("recurrent", [True, False])
def test_each_word_loses_the_words_that_its_own_row_looks_at(recurrent, languages, transformer):
    model = transformer
    if recurrent:
        sizes = RecurrentSizes(embedding=8, hidden=8, scoring=8)
        model = new_system(sizes, languages, nnx.Rngs(1))
    pairs = PAIRS[:2]
    found = measure_removals(model, languages, pairs, WIDTH)
    curves = []
    for pair, look in zip(pairs, read(model, languages, pairs, WIDTH).looks, strict=True):
        for row in range(len(pair.german)):
            weights = look.mean(axis=(0, 1))[row, : len(pair.english)]
            order = np.argsort(-weights, kind="stable")
            counts = [int(share * len(order) + 0.5) for share in SHARES]
            curves.append(
                [right_words(model, languages, pair, order[:count])[row] for count in counts]
            )
    attention, random = found.deletion.curves
    assert attention.scores == pytest.approx(np.mean(curves, axis=0), abs=1e-6)
    assert random.scores[0] == pytest.approx(attention.scores[0])
    assert found.deletion.data == "5 words of 2 test sentences, each by its own row"
    assert found.heads == ()


def test_a_head_is_worth_the_probability_that_is_lost_without_what_it_adds(languages, transformer):
    found = measure_removals(transformer, languages, PAIRS, WIDTH)
    layers = {
        "encoder.layers.0.attention": lambda model: model.encoder.layers[0].attention,
        "decoder.layers.0.attention": lambda model: model.decoder.layers[0].attention,
        "decoder.layers.0.cross_attention": lambda model: model.decoder.layers[0].cross_attention,
    }
    assert found.heads == tuple((name, (head,)) for name in layers for head in range(2))
    for (name, (head,)), scores in zip(found.heads, found.scores[1:], strict=True):
        model = nnx.clone(transformer)
        kernel = layers[name](model).out.kernel
        kernel.set_value(kernel.get_value().at[head].set(0))
        expected = [right_words(model, languages, pair).mean() for pair in PAIRS]
        assert scores == pytest.approx(expected, abs=1e-6)
    expected = [right_words(transformer, languages, pair).mean() for pair in PAIRS]
    assert found.scores[0] == pytest.approx(expected, abs=1e-6)


def test_removals_survive_json(languages, transformer):
    found = measure_removals(transformer, languages, PAIRS, WIDTH)
    again = Removals.of(json.loads(json.dumps(dataclasses.asdict(found))))
    assert again == found
