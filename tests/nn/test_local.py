import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from attnreport._errors import InvalidAttentionError
from attnreport.nn import Attention, DotScore, PredictedWindow, padding_mask
from tests.nn.family import drawn
from tests.nn.slow import exact, numbers, slow_softmax

BATCH, QUERIES, KEYS, REACH = 2, 3, 9, 2
LENGTHS = (9, 6)


def local(normalized):
    def make(**options):
        window = PredictedWindow(6, 4, reach=REACH, normalized=normalized, **options)
        return Attention(DotScore(), window=window)

    return drawn(make)


def slow_weights(window, query, key, *, normalized):
    """Luong et al. (2015), equations 9 and 10, one query and one key at a time."""
    weights = np.zeros((BATCH, QUERIES, KEYS))
    for b, q in np.ndindex(BATCH, QUERIES):
        hidden = np.tanh(query[b, q] @ exact(window.hidden.kernel))
        center = LENGTHS[b] / (1 + np.exp(-hidden @ exact(window.place.kernel)[:, 0]))
        inside = [k for k in range(LENGTHS[b]) if center - REACH <= k <= center + REACH]
        curve = {k: np.exp(-((k - center) ** 2) / (2 * (REACH / 2) ** 2)) for k in inside}
        aligned = slow_softmax({k: query[b, q] @ key[b, k].astype(float) for k in inside})
        local = {k: aligned[k] * curve[k] for k in inside}
        for k in inside:
            weights[b, q, k] = local[k] / sum(local.values()) if normalized else local[k]
    return weights


@pytest.mark.parametrize("normalized", [False, True])
def test_it_computes_the_equations_of_the_paper(normalized):
    attention = local(normalized)
    query, key = numbers(BATCH, QUERIES, 6), numbers(BATCH, KEYS, 6, seed=1)
    mask = padding_mask(jnp.arange(KEYS) < jnp.array(LENGTHS)[:, None])
    context, weights = attention(query, key, mask=mask, return_weights=True)
    expected = slow_weights(attention.window, query, key, normalized=normalized)
    np.testing.assert_allclose(weights[:, 0], expected, atol=1e-5)
    np.testing.assert_allclose(context, expected @ key, atol=1e-5)


def test_without_a_mask_the_sentence_is_as_long_as_the_keys():
    attention = local(False)
    query, key = numbers(BATCH, QUERIES, 6), numbers(BATCH, KEYS, 6, seed=1)
    _, weights = attention(query, key, return_weights=True)
    _, same = attention(query, key, mask=jnp.ones((1, 1, 1, KEYS), bool), return_weights=True)
    np.testing.assert_allclose(weights, same, atol=1e-6)


def test_where_it_looks_is_learned():
    window = local(False).window
    near = window.center(numbers(1, QUERIES, 6), jnp.full((1, 1), 500.0))
    assert ((near > 0) & (near < 500)).all()
    assert np.ptp(np.asarray(near)) > 1


def test_a_window_of_no_keys_is_refused():
    with pytest.raises(InvalidAttentionError, match=r"reaches 0 keys.*1 or more"):
        PredictedWindow(6, 4, reach=0, rngs=nnx.Rngs(0))
