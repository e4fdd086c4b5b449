"""Reductions of weights on the device, each against NumPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attnreport._errors import CaptureError
from attnreport.capture import with_attention
from attnreport.capture.choice.reductions import mask_reduction, reduction
from tests import compiling
from tests.capture.attending import encode, numbers, projections

SIZES = st.tuples(*[st.integers(1, 3)] * 2, st.integers(1, 9), st.integers(1, 9))


@st.composite
def weights(draw):
    shape, seed = draw(SIZES), draw(st.integers(0, 9999))
    sharp = draw(st.sampled_from([0.0, 1.0, 5.0]))
    logits = sharp * np.random.default_rng(seed).normal(size=shape)
    exponentials = np.exp(logits - logits.max(-1, keepdims=True))
    return (exponentials / exponentials.sum(-1, keepdims=True)).astype(np.float32)


def reduced(name, array):
    """What is left of weights, reduced inside a compiled program as in a capture."""
    return jax.tree.map(np.asarray, compiling.run(reduction(name), array))


@settings(max_examples=20, deadline=None)
@given(weights())
def test_nothing_is_lost_without_a_reduction(array):
    assert np.array_equal(reduced(None, array), array)


@settings(max_examples=20, deadline=None)
@given(weights())
def test_eight_bits_are_at_most_half_a_step_off(array):
    found = reduced("uint8", array)
    assert found.dtype == np.uint8
    assert abs(found / 255 - array).max() <= 1 / 510 + 1e-7


def test_eight_bits_hold_both_ends_and_what_lies_outside():
    array = np.float32([-1e-6, 0, 1, 1 + 1e-6]).reshape(1, 1, 1, 4)
    assert reduced("uint8", array).ravel().tolist() == [0, 0, 255, 255]


@settings(max_examples=20, deadline=None)
@given(weights())
def test_bfloat16_keeps_eight_bits(array):
    found = reduced("bfloat16", array)
    assert found.dtype == jnp.bfloat16
    assert (abs(found.astype(np.float32) - array) <= array * 2**-8).all()


@settings(max_examples=20, deadline=None)
@given(weights())
def test_the_mean_over_heads_is_that_of_numpy(array):
    found = reduced("head mean", array)
    assert found.shape == (array.shape[0], 1, *array.shape[2:])
    assert np.allclose(found[:, 0], array.mean(1, dtype=np.float64), atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(weights(), st.integers(1, 12))
def test_the_largest_weights_are_found_with_their_keys(array, count):
    found = reduced(f"top-{count}", array)
    kept = min(count, array.shape[-1])
    assert np.array_equal(found["weights"], -np.sort(-array, -1)[..., :kept])
    assert np.array_equal(np.take_along_axis(array, found["keys"], -1), found["weights"])


@settings(max_examples=20, deadline=None)
@given(weights())
def test_statistics_are_those_of_numpy(array):
    found = reduced("statistics", array)
    exact = array.astype(np.float64)
    entropy = -(exact * np.log2(np.where(exact > 0, exact, 1))).sum(-1)
    assert np.allclose(found["entropy"], entropy, atol=1e-5)
    assert np.array_equal(found["largest"], array.max(-1))
    assert np.array_equal(found["key"], array.argmax(-1))
    assert np.array_equal(found["first"], array[..., 0])


@settings(max_examples=30, deadline=None)
@given(weights(), st.integers(1, 10))
def test_cells_hold_the_largest_weight_in_them(array, most):
    found = reduced(f"pooled-{most}", array)
    queries, keys = (-(-size // most) for size in array.shape[2:])
    rows, columns = found.shape[2:]
    assert max(rows, columns) <= most
    for row in range(rows):
        for column in range(columns):
            cell = array[
                ...,
                row * queries : (row + 1) * queries,
                column * keys : (column + 1) * keys,
            ]
            assert np.array_equal(found[..., row, column], cell.max((-2, -1)))


def test_pooling_does_not_invent_zeros():
    # Bias or gates may be below zero; padding must not come through as a weight.
    assert (reduced("pooled-2", -np.ones((1, 1, 3, 3), np.float32)) < 0).all()


@settings(max_examples=20, deadline=None)
@given(weights(), st.integers(1, 10))
def test_masks_are_reduced_like_their_weights(array, most):
    mask = np.asarray(array) > 0.2
    for name in (f"pooled-{most}", "head mean"):
        found = compiling.run(mask_reduction(name), mask)
        assert found.dtype == bool
        assert np.array_equal(found, reduced(name, mask.astype(np.float32)) > 0)
    for name in (None, "uint8", "bfloat16", "top-2", "statistics"):
        assert np.array_equal(mask_reduction(name)(jnp.asarray(mask)), mask)


LAYERS, X = [projections(number) for number in range(2)], numbers(2, 5, 8)


@pytest.mark.parametrize(
    "name", ["uint8", "bfloat16", "head mean", "top-2", "statistics", "pooled-3"]
)
def test_only_what_is_left_leaves_the_compiled_program(name):
    capture = jax.jit(with_attention(encode, reduce=name))
    traced = capture.trace(LAYERS, X)
    leaving = {
        (each.shape, str(each.dtype)) for each in jax.tree.leaves(traced.out_info) if each.shape
    }
    whole = jnp.zeros((2, 2, 5, 5))
    expected = jax.tree.leaves(jax.eval_shape(reduction(name), whole))
    assert leaving == {(X.shape, "float32"), *((e.shape, str(e.dtype)) for e in expected)}
    # It is one program: compiled as a whole, it gives what reducing whole weights gives.
    _, attention = capture(LAYERS, X)
    _, plain = jax.jit(with_attention(encode))(LAYERS, X)
    for each, of_whole in zip(attention.values(), plain.values(), strict=True):
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(
                a.astype(np.float32), b.astype(np.float32), atol=1.01 if name == "uint8" else 4e-3
            ),
            each.weights,
            reduction(name)(of_whole.weights),
        )


@pytest.mark.parametrize("name", ["half", "top", "top-0", "top-x", "pooled-", "uint8-2", ""])
def test_unknown_reductions_are_refused(name):
    message = f"There is no reduction `{name}`. Choose one of uint8, bfloat16, head mean"
    with pytest.raises(CaptureError, match=message):
        reduction(name)
