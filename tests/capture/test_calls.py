import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attnreport._errors import CaptureError
from attnreport.capture.calls import attention_calls, with_one_batch
from attnreport.capture.execution import Run
from attnreport.capture.program import leading_length


def sown(weights, *, mask=None, told=None, path="block"):
    facts = {"attention_weights": (jnp.asarray(weights),)}
    if mask is not None:
        facts["attention_mask"] = (jnp.asarray(mask),)
    if told is not None:
        facts["attention_same_input"] = (jnp.asarray(told, jnp.int8),)
    positions = {path: dict.fromkeys(facts, ((0,),))}
    return Run(sown={path: facts}, positions=positions)


def numbered(*shape):
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


SIZE = st.integers(1, 4)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 4), SIZE, SIZE, st.integers(2, 4), SIZE)
def test_layers_are_taken_apart(layers, batch, heads, queries, keys):
    stack = numbered(layers, batch, heads, queries, keys)
    calls = attention_calls(sown(stack, told=[1] * layers), batch)
    assert [call.name for call in calls] == [f"block[{layer}]" for layer in range(layers)]
    assert all(
        np.array_equal(call.weights, layer) for call, layer in zip(calls, stack, strict=True)
    )


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 4), SIZE, SIZE, SIZE)
def test_steps_become_queries(steps, batch, heads, keys):
    stack = numbered(steps, batch, heads, 1, keys)
    mask = stack % 3 > 0
    (call,) = attention_calls(sown(stack, mask=mask), batch)
    assert call.weights.shape == (batch, heads, steps, keys)
    for step in range(steps):
        assert np.array_equal(call.weights[:, :, step], stack[step, :, :, 0])
        assert np.array_equal(call.mask[:, :, step], mask[step, :, :, 0])


@pytest.mark.parametrize(
    ("mask_shape", "front"),
    [((2, 1, 1, 4), ()), ((1, 1, 3, 4), ()), ((2, 5, 3, 4), ()), ((7, 1, 1, 1, 4), (7,))],
)
def test_masks_are_spread_over_queries_and_keys(mask_shape, front):
    weights = numbered(*front, 2, 5, 3, 4)
    mask = numbered(*mask_shape) % 2 == 0
    calls = attention_calls(sown(weights, mask=mask, told=np.ones(front)), 2)
    for layer, call in enumerate(calls):
        wanted = np.broadcast_to(mask[layer] if front else mask, (2, 5, 3, 4))
        assert call.mask.shape[2:] == (3, 4)
        assert np.array_equal(np.broadcast_to(call.mask, (2, 5, 3, 4)), wanted)


def test_a_mask_that_is_not_boolean_is_none():
    (call,) = attention_calls(sown(numbered(1, 1, 2, 2), mask=np.zeros((1, 1, 2, 2))), 1)
    assert call.mask is None


def test_stacks_of_stacks_are_named_by_both():
    calls = attention_calls(sown(numbered(2, 3, 1, 1, 2, 2), told=np.ones((2, 3))), 1)
    assert [call.name for call in calls] == [f"block[{i}][{j}]" for i in (0, 1) for j in (0, 1, 2)]


def test_several_batch_axes_become_one():
    (call,) = attention_calls(sown(numbered(2, 3, 1, 4, 4), told=1), 2)
    assert call.weights.shape == (6, 1, 4, 4)


def test_a_shared_batch_is_repeated_for_every_example():
    (shared,) = attention_calls(sown(numbered(1, 1, 2, 2), mask=np.ones((1, 1, 2, 2), bool)), 3)
    (own,) = attention_calls(sown(numbered(3, 1, 2, 2)), 3)
    repeated, same = with_one_batch([shared, own], 3)
    assert same is own
    assert repeated.weights.shape == repeated.mask.shape == (3, 1, 2, 2)


def test_parts_of_several_examples_are_refused():
    calls = attention_calls(sown(numbered(4, 1, 2, 2)), 2)
    with pytest.raises(CaptureError, match="batches of 4, and its inputs hold 2 examples"):
        with_one_batch(calls, 2)


def test_a_first_axis_that_may_be_heads_or_examples_is_refused():
    with pytest.raises(CaptureError, match=r"Sow them as \[batch, head, query, key\]"):
        attention_calls(sown(numbered(2, 3, 3)), 2)
    (call,) = attention_calls(sown(numbered(2, 3, 3)), 1)
    assert call.weights.shape == (1, 2, 3, 3)


@pytest.mark.parametrize(
    ("shapes", "length"), [([(1, 7, 16), (2, 7, 16)], 2), ([(9,), (3, 4)], 3), ([(5,)], None)]
)
def test_the_longest_leading_axis_counts_the_examples(shapes, length):
    assert leading_length(np.zeros(shape) for shape in shapes) == length


def test_unequal_batches_are_refused():
    calls = [call for size in (2, 6) for call in attention_calls(sown(numbered(size, 1, 2, 2)), 2)]
    with pytest.raises(CaptureError, match="one example at a time"):
        with_one_batch(calls, 2)
