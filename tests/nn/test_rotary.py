import cmath
import warnings

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from attnreport._errors import InvalidAttentionError
from attnreport.nn import MultiHeadAttention, Rotary

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from transformers.models.gptj import modeling_flax_gptj as gptj
    from transformers.models.llama import modeling_flax_llama as llama

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(2, 5, 3, 8)).astype("f")


@pytest.mark.parametrize("halves", [False, True])
@pytest.mark.parametrize("features", [None, 4])
def test_each_pair_is_a_complex_number_that_is_turned(halves, features):
    positions = np.array([[0, 1, 2, 3, 4], [7, 3, 100, 0, 2]])
    expected = X.astype(np.float64)
    count = features or 8
    for b, t, h, i in np.ndindex(2, 5, 3, count // 2):
        one, two = (i, i + count // 2) if halves else (2 * i, 2 * i + 1)
        # Su et al. (2021), equation 13, in the form of complex numbers.
        angle = positions[b, t] * 1000 ** (-2 * i / count)
        turned = complex(X[b, t, h, one], X[b, t, h, two]) * cmath.exp(1j * angle)
        expected[b, t, h, [one, two]] = turned.real, turned.imag
    found = Rotary(1000.0, features, halves)(jnp.asarray(X), jnp.asarray(positions))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_it_gives_what_hugging_face_gives():
    x, positions = jnp.asarray(X), jnp.arange(5)
    sines, cosines = jnp.split(gptj.create_sinusoidal_positions(5, 8)[None], 2, axis=-1)
    theirs = gptj.apply_rotary_pos_emb(x, (sines, cosines))
    np.testing.assert_allclose(Rotary()(x, positions), theirs, atol=1e-6)
    angles = jnp.asarray(np.arange(5)[:, None] * 10_000.0 ** (-np.arange(0, 8, 2) / 8))
    both = jnp.concatenate([angles, angles], -1)[None, :, None].astype(jnp.float32)
    theirs = llama.apply_rotary_pos_emb(x, jnp.sin(both), jnp.cos(both))
    np.testing.assert_allclose(Rotary(halves=True)(x, positions), theirs, atol=1e-6)


def test_weights_depend_on_distances_only():
    attention = MultiHeadAttention(2, 8, rotary=Rotary(), rngs=nnx.Rngs(0))
    x = jnp.asarray(RANDOM.normal(size=(1, 4, 8)), jnp.float32)
    _, first = attention(x, return_weights=True)
    _, moved = attention(x, positions=jnp.arange(4) + 50, return_weights=True)
    _, apart = attention(x, positions=jnp.arange(4) * 3, return_weights=True)
    np.testing.assert_allclose(first, moved, atol=1e-5)
    assert not np.allclose(first, apart, atol=1e-3)


def test_in_bfloat16_angles_of_far_positions_are_exact():
    positions = jnp.array([[4001, 4002]])
    x = jnp.asarray(X[:1, :2], jnp.bfloat16)
    found = Rotary()(x, positions)
    assert found.dtype == jnp.bfloat16
    precise = Rotary()(x.astype(jnp.float32), positions)
    np.testing.assert_allclose(found.astype(jnp.float32), precise, atol=0.02)


def test_features_that_form_no_pairs_are_refused():
    with pytest.raises(InvalidAttentionError, match="3 of 8 features a head cannot be turned"):
        Rotary(features=3)(jnp.asarray(X), jnp.arange(5))
