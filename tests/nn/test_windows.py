import itertools

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from attnreport._errors import InvalidAttentionError
from attnreport.nn import WindowAttention, WindowBias

HEIGHT, WIDTH, WINDOW = 4, 6, (2, 3)
X = jnp.asarray(np.random.default_rng(0).normal(size=(2, HEIGHT, WIDTH, 8)), jnp.float32)


def module(shift=(0, 0), window=WINDOW) -> WindowAttention:
    attention = WindowAttention(2, 8, window, shift=shift, rngs=nnx.Rngs(0))
    bias = attention.attention.position_bias
    assert isinstance(bias, WindowBias)
    table = bias.table
    table[...] = jnp.asarray(np.random.default_rng(1).normal(size=table.shape), jnp.float32)
    return attention


def slow_windows(module, x, real, shift) -> tuple[np.ndarray, np.ndarray]:
    """Liu et al. (2021), section 3.2, one place at a time, weights over the whole image."""
    attention, table = module.attention, np.asarray(module.attention.position_bias.table[...])
    q, k, v = (
        np.einsum("bhwi,inf->bhwnf", x, layer.kernel[...]) + np.asarray(layer.bias[...])
        for layer in (attention.query, attention.key, attention.value)
    )
    weights = np.zeros((2, 2, HEIGHT, WIDTH, HEIGHT, WIDTH))
    output = np.zeros(x.shape)
    places = list(itertools.product(range(HEIGHT), range(WIDTH)))

    def window(place):
        # A grid of windows that begins at the shift; what lies before it are windows of their own.
        return tuple((place[a] - shift[a]) // WINDOW[a] for a in (0, 1))

    for b, n, one in itertools.product(range(2), range(2), places):
        seen = [two for two in places if window(one) == window(two) and real[(b, *two)]]
        for two in seen:
            rows, columns = two[0] - one[0], two[1] - one[1]
            # The table holds query less key, as in the paper's offsets.
            bias = table[WINDOW[0] - 1 - rows, WINDOW[1] - 1 - columns, n]
            weights[(b, n, *one, *two)] = np.exp(q[(b, *one, n)] @ k[(b, *two, n)] / 2 + bias)
        row = weights[(b, n, *one)]
        row /= row.sum() or 1
        mixed = sum((row[two] * v[(b, *two, n)] for two in seen), np.zeros(4))
        output[(b, *one)] += mixed @ np.asarray(attention.out.kernel[...])[n]
    return output + np.asarray(attention.out.bias[...]), weights.reshape(2, 2, 24, 24)


@pytest.mark.parametrize("shift", [(0, 0), (1, 1), (0, 2), (1, 0)])
@pytest.mark.parametrize("padded", [False, True])
def test_places_see_those_of_their_window(shift, padded):
    attention = module(shift)
    real = np.ones((2, HEIGHT, WIDTH), bool)
    real[1, 2:] = not padded
    mask = jnp.asarray(real) if padded else None
    output, weights = attention(X, mask=mask, return_weights=True)
    expected, over_image = slow_windows(attention, X, real, shift)
    np.testing.assert_allclose(output, expected, atol=1e-5)
    places = attention.places(HEIGHT, WIDTH)
    found = np.zeros(over_image.shape)
    for part, each in enumerate(np.asarray(weights)):
        inside = places[part % len(places)]
        found[part // len(places)][:, inside[:, None], inside] = each
    np.testing.assert_allclose(found, over_image, atol=1e-6)


def test_places_number_the_image_row_by_row():
    assert module().places(2, 6).tolist() == [[0, 1, 2, 6, 7, 8], [3, 4, 5, 9, 10, 11]]
    shifted = module((1, 1)).places(4, 6)
    assert shifted[0].tolist() == [7, 8, 9, 13, 14, 15]
    assert shifted[-1].tolist() == [22, 23, 18, 4, 5, 0]
    assert sorted(shifted.ravel()) == list(range(24))


def test_an_axis_with_one_window_is_not_shifted():
    plain, shifted = (module(shift, window=(4, 3)) for shift in ((0, 1), (2, 1)))
    assert np.array_equal(plain(X), shifted(X))


def test_every_offset_has_a_bias_of_its_own():
    bias = WindowBias(1, WINDOW, rngs=nnx.Rngs(0))
    places = jnp.arange(6)
    found = np.asarray(bias(places, places))[0]
    by_offset = {}
    for q, k in np.ndindex(6, 6):
        by_offset.setdefault((k // 3 - q // 3, k % 3 - q % 3), set()).add(float(found[q, k]))
    assert all(len(values) == 1 for values in by_offset.values())
    assert len(set.union(*by_offset.values())) == len(by_offset) == bias.table[...].size


def test_what_cannot_be_cut_into_windows_is_refused():
    with pytest.raises(InvalidAttentionError, match="4x5 cannot be cut into windows of 2x3"):
        module()(X[:, :, :5])
    with pytest.raises(InvalidAttentionError, match="less than the window"):
        module(shift=(2, 0))
