"""The text classifier: what it computes, and that its attention is found."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attnreport import capture_attention
from attnreport._errors import UnknownNameError
from attnreport.models import TEXT_ATTENTIONS, TextClassifier, TextClassifierSizes
from attnreport.models.text_classifier import MEAN, PADDING
from tests.nn.family import drawn
from tests.nn.slow import exact, slow_softmax

WORDS = jnp.array([[3, 5, 1, 4, 2], [6, 2, 6, PADDING, PADDING], [PADDING] * 5])


def classifier(attention: str) -> TextClassifier:
    sizes = TextClassifierSizes(7, 3, embedding=6, scoring=5, hops=2, attention=attention)
    model = drawn(lambda **options: TextClassifier(sizes, **options))
    model.eval()
    return model


def test_a_label_is_scored_as_the_equation_says():
    """Word by word in NumPy: the additive score, the mean of words, and the projection."""
    model = classifier("additive")
    logits, weights = model(WORDS, return_weights=True)
    pooling = model.pooling
    for row in (0, 1):
        places = [place for place in range(5) if WORDS[row, place] != PADDING]
        words = {place: exact(model.embedding.embedding)[WORDS[row, place]] for place in places}
        scores = {}
        for place, word in words.items():
            hidden = np.tanh(word @ exact(pooling.hidden.kernel) + exact(pooling.hidden.bias))
            scores[place] = float(hidden @ exact(pooling.context.kernel)[:, 0])
        expected = slow_softmax(scores)
        for place in range(5):
            assert weights[row, 0, 0, place] == pytest.approx(expected.get(place, 0), abs=1e-5)
        pooled = sum(expected[place] * words[place] for place in places)
        scored = pooled @ exact(model.labels.kernel) + exact(model.labels.bias)
        np.testing.assert_allclose(logits[row], scored, atol=1e-4)


@pytest.mark.parametrize("attention", [*TEXT_ATTENTIONS, MEAN])
def test_order_and_padding_change_nothing(attention):
    """So a word is taken out by padding in its place."""
    model = classifier(attention)
    whole = model(WORDS)
    np.testing.assert_allclose(model(WORDS[:, ::-1]), whole, atol=1e-5)
    wide = jnp.pad(WORDS, ((0, 0), (2, 3)), constant_values=PADDING)
    np.testing.assert_allclose(model(wide), whole, atol=1e-5)


@pytest.mark.parametrize("attention", [*TEXT_ATTENTIONS, MEAN])
def test_a_text_without_a_word_gives_what_the_bias_says(attention):
    model = classifier(attention)
    np.testing.assert_allclose(model(WORDS)[2], model.labels.bias[...], atol=1e-6)
    gradient = jax.grad(lambda words: model.labels(words).sum())(
        jnp.zeros(model.labels.in_features)
    )
    assert np.isfinite(gradient).all()


def test_the_mean_looks_at_all_words_alike():
    _, weights = classifier(MEAN)(WORDS, return_weights=True)
    expected = [[1 / 5] * 5, [1 / 3] * 3 + [0, 0], [0] * 5]
    np.testing.assert_allclose(weights[:, 0, 0], expected, atol=1e-6)


@pytest.mark.parametrize(("attention", "hops"), [("additive", 1), ("self-attentive", 2)])
def test_its_attention_is_captured_as_pooling(attention, hops):
    model = classifier(attention)
    logits, weights = model(WORDS, return_weights=True)
    assert logits.shape == (3, 3)
    recording = capture_attention(model, WORDS)
    for example, own in zip(recording.examples, weights, strict=True):
        (found,) = example.maps
        assert (found.name, found.kind) == ("pooling", "pooling")
        assert found.weights.shape == (1, hops, 5)
        np.testing.assert_allclose(found.array(), own, atol=1e-6)


def test_an_unknown_attention_is_refused_with_the_known_ones():
    with pytest.raises(UnknownNameError, match=r"'soft'\. Choose one of additive, self-attentive"):
        classifier("soft")
