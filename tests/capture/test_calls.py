"""Calls of a run brought to one batch, and what of a run becomes which call."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attnreport._errors import CaptureError
from attnreport.capture import capture_attention, with_attention
from attnreport.capture.results.calls import Call, with_one_batch


def call(*shape, mask=False):
    weights = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    allowed = weights % 2 == 0 if mask else None
    return Call("block", "block", weights, allowed, None, "self", True)


def test_calls_of_one_batch_stay_as_they_are():
    calls = [call(3, 1, 2, 2), call(3, 2, 4, 5)]
    assert with_one_batch(calls, 3) == calls
    assert with_one_batch(calls, None) == calls


def test_a_shared_batch_is_repeated_for_every_example():
    shared, own = call(1, 1, 2, 2, mask=True), call(3, 1, 2, 2)
    repeated, same = with_one_batch([shared, own], 3)
    assert same is own
    assert repeated.weights.shape == repeated.mask.shape == (3, 1, 2, 2)
    assert all(np.array_equal(each, shared.weights[0]) for each in repeated.weights)


def test_parts_of_one_example_become_calls():
    windows = call(3, 2, 4, 4, mask=True)
    parts = with_one_batch([windows, call(1, 2, 1, 3)], 1)
    assert [each.name for each in parts] == [*(f"block (part {n})" for n in (1, 2, 3)), "block"]
    for number, part in enumerate(parts[:3]):
        assert np.array_equal(part.weights, windows.weights[number : number + 1])
        assert np.array_equal(part.mask, windows.mask[number : number + 1])


def test_parts_of_several_examples_are_refused():
    with pytest.raises(CaptureError, match="batches of 4, and its inputs hold 2 examples"):
        with_one_batch([call(4, 1, 2, 2)], 2)


def test_unequal_batches_are_refused():
    with pytest.raises(CaptureError, match="one example at a time"):
        with_one_batch([call(2, 1, 2, 2), call(6, 1, 2, 2)], 2)


def test_rows_and_columns_are_parts_of_one_example():
    rows, columns = with_one_batch([call(4, 1, 5, 5), call(5, 1, 4, 4)], 4)[::4][:2]
    assert (rows.name, columns.name) == ("block (part 1)", "block (part 1)")
    assert (rows.weights.shape, columns.weights.shape) == ((1, 1, 5, 5), (1, 1, 4, 4))
    assert "parts of one example" in rows.checks[-1].detail


def numbers(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def attend(x, w):
    query, key, value = (jnp.einsum("...tm,mhd->...htd", x, each) for each in w)
    weights = jax.nn.softmax(query @ key.mT / 2)
    return x + jnp.moveaxis(weights @ value, -3, -2).reshape(x.shape), weights


W = numbers(3, 8, 2, 4, seed=1)


@pytest.mark.parametrize(
    ("shape", "examples"), [((5, 8), 1), ((3, 5, 8), 3), ((2, 1, 5, 8), 2)], ids=str
)
def test_the_batch_becomes_examples(shape, examples):
    x = numbers(*shape)
    recording = capture_attention(lambda x, w: attend(x, w)[0], x, W, verify=False)
    expected = np.asarray(attend(x, W)[1]).reshape(examples, 2, 5, 5)
    assert len(recording.examples) == examples
    for example, weights in zip(recording.examples, expected, strict=True):
        assert abs(example.maps[0].array() - weights).max() < 5e-7


def test_layers_of_a_scan_become_maps():
    x, stack = numbers(2, 5, 8), numbers(4, 3, 8, 2, 4, seed=1)

    def model(x, stack):
        return jax.lax.scan(lambda x, w: (attend(x, w)[0], None), x, stack)[0]

    recording = capture_attention(model, x, stack, verify=False)
    for number, w in enumerate(stack):
        x, weights = attend(x, w)
        for example, reference in zip(recording.examples, weights, strict=True):
            found = example.maps[number]
            assert found.name.endswith(f"[{number}]")
            assert abs(found.array() - reference).max() < 5e-7


def decode(steps, memory, w):
    """A `while` loop that asks one question a step; its bound is not told by its condition."""

    def step(carry):
        number, state = carry
        key, value = (jnp.einsum("btm,mhd->bhtd", memory, each) for each in w[1:])
        query = jnp.einsum("bm,mhd->bhd", state, w[0])
        weights = jax.nn.softmax(jnp.einsum("bhd,bhtd->bht", query, key))
        new = jnp.einsum("bht,bhtd->bhd", weights, value).reshape(state.shape)
        return number + 1, new

    start = (0, memory.mean(1))
    return jax.lax.while_loop(lambda carry: carry[0] < steps, step, start)[1]


def test_steps_of_a_loop_that_did_not_come_are_cut_off():
    memory = numbers(2, 6, 8)
    recording = capture_attention(decode, jnp.int32(3), memory, W, steps=5, verify=False)
    (found,) = recording.examples[0].maps
    assert found.weights.shape == (2, 3, 6)
    assert np.allclose(found.array().sum(-1), 1, atol=1e-6)


def test_rounding_on_the_device_is_undone_and_rows_sum_to_one():
    x = numbers(2, 5, 8)
    recordings = {
        reduce: capture_attention(lambda x, w: attend(x, w)[0], x, W, reduce=reduce, verify=False)
        for reduce in (None, "uint8", "bfloat16")
    }
    whole, eight, half = (each.examples[1].maps[0] for each in recordings.values())
    assert abs(whole.array() - eight.array()).max() <= 2 / 255
    assert eight.checks.row_sum_error < 1e-6
    assert abs(whole.array() - half.array()).max() <= 2**-8
    assert half.precision == "bfloat16"


def test_rounding_that_leaves_nothing_of_a_row_is_refused():
    x = 0 * numbers(1, 600, 8)
    with pytest.raises(CaptureError, match=r'no weight is over 1/510.*reduce="bfloat16"'):
        capture_attention(lambda x, w: attend(x, w)[0], x, W, reduce="uint8", verify=False)


@pytest.mark.parametrize("reduce", ["top-2", "statistics", "pooled-64"])
def test_a_reduction_that_leaves_no_maps_is_refused(reduce):
    sentence = (
        f"A recording holds whole maps, and `reduce='{reduce}'` would not leave them whole. Choose "
        "`bfloat16`, `uint8`, `head mean`; `with_attention` has all reductions."
    )
    with pytest.raises(CaptureError, match=f"^{re.escape(sentence)}$"):
        capture_attention(lambda x, w: attend(x, w)[0], numbers(2, 5, 8), W, reduce=reduce)


def test_the_mean_of_heads_is_one_head_that_says_so():
    x = numbers(2, 5, 8)
    causal = jnp.tril(jnp.ones((5, 5), bool))

    def model(x, w):
        query, key, value = (jnp.einsum("...tm,mhd->...htd", x, each) for each in w)
        weights = jax.nn.softmax(jnp.where(causal, query @ key.mT / 2, -1e9))
        return x + jnp.moveaxis(weights @ value, -3, -2).reshape(x.shape), weights

    recording = capture_attention(lambda x, w: model(x, w)[0], x, W, reduce="head mean")
    for example, weights in zip(recording.examples, model(x, W)[1], strict=True):
        (found,) = example.maps
        assert found.weights.shape == (1, 5, 5)
        assert abs(found.array()[0] - weights.mean(0)).max() < 5e-7
        assert np.array_equal(found.allowed()[0], causal)
        assert found.name.endswith(" (mean of heads 0, 1)")
        (said,) = (each for each in found.checks.others if each.name == "heads")
        assert said.detail == "Of the 2 heads of the model, this map shows mean of heads 0, 1."


def test_what_is_selected_is_captured():
    def model(layers, x):
        for layer in layers:
            x, _ = attend(x, [layer["q"], layer["k"], layer["v"]])
        return x

    layers = [dict(zip("qkv", numbers(3, 8, 2, 4, seed=n), strict=True)) for n in range(3)]
    x = numbers(1, 5, 8)
    recording = capture_attention(model, layers, x, select="layers.1", verify=False)
    assert [m.name for m in recording.examples[0].maps] == ["layers.1"]
    recording = capture_attention(model, layers, x, select=["layers.0", "*[12]"], verify=False)
    assert [m.name for m in recording.examples[0].maps] == ["layers.0", "layers.1", "layers.2"]
    with pytest.raises(CaptureError, match=r"^No attention is of kind cross. There are layers.0 "):
        capture_attention(model, layers, x, kinds=["cross"])


def mixture(router, x):
    """A mixture of experts, and no attention."""
    shares = jax.nn.softmax(x @ router)
    each = jnp.einsum("btm,emn->bten", x, numbers(3, 8, 8, seed=6))
    return jnp.einsum("bte,bten->btn", shares, each)


def test_what_nobody_asked_for_is_said():
    _, attention = with_attention(mixture)(numbers(8, 3, seed=5), numbers(2, 5, 8))
    assert len(attention) == 0
    assert attention.notes[0].startswith("Left out, because `kinds` does not name `router`, the")
    with pytest.raises(CaptureError, match=r"nothing was asked for. Widen `select` or `kinds`"):
        capture_attention(mixture, numbers(8, 3, seed=5), numbers(2, 5, 8))


def test_strictness_says_what_it_refuses():
    q = numbers(2, 5, 2, 4)
    with pytest.raises(CaptureError, match=r"`strict` refuses what is only a guess: Queries and"):
        capture_attention(jax.nn.dot_product_attention, q, q, q, strict=True)

    def model(layer, q, x):
        return attend(x, layer)[0], jax.nn.dot_product_attention(q, q, q)

    recording = capture_attention(model, W, q, numbers(2, 5, 8), strict=True, verify=False)
    assert len(recording.examples[0].maps) == 1
    (note,) = recording.source.notes
    assert note.startswith("Left out, because `strict` refuses what is only a guess: ")
