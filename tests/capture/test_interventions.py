"""Gradients with respect to weights and heads that are cut, against a model written by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from attnreport._errors import CaptureError
from attnreport.capture import (
    ablate_heads,
    attention_gradients,
    with_attention,
    with_scaled_heads,
)
from attnreport.nn import MultiHeadAttention

pytestmark = pytest.mark.optimized

LAYERS, HEADS = 3, 2


def layer(p, x, added=0.0, scale=None):
    """One layer; `added` varies the weights, `scale` the heads."""
    q, k, v = (jnp.einsum("btm,mhd->bhtd", x, p[name]) for name in "qkv")
    weights = jax.nn.softmax(q @ k.mT / 2) + added
    if scale is not None:
        weights = weights * scale[None, :, None, None]
    return x + jnp.einsum("bhqk,bhkd,hdm->bqm", weights, v, p["o"])


def stack(parameters, x):
    """Layers in a scan, each rematerialized."""
    step = jax.checkpoint(lambda x, p: (layer(p, x), None))
    return jax.lax.scan(step, x, parameters)[0]


def by_hand(parameters, x, added=None, scales=None):
    for number in range(LAYERS):
        p = jax.tree.map(lambda array, number=number: array[number], parameters)
        extra = 0.0 if added is None else added[number]
        x = layer(p, x, extra, None if scales is None else scales[number])
    return x


@pytest.fixture
def case():
    draw = np.random.default_rng(0).normal
    parameters = {name: 0.4 * draw(size=(LAYERS, 8, HEADS, 4)) for name in "qkv"}
    parameters["o"] = 0.4 * draw(size=(LAYERS, HEADS, 4, 8))
    return jax.tree.map(jnp.float32, parameters), jnp.float32(draw(size=(2, 5, 8)))


def test_gradients_are_those_of_weights_varied_by_hand(case):
    parameters, x = case
    output, attention, gradients = attention_gradients(stack, lambda y: (y**2).sum())(*case)
    (name,) = attention
    assert attention[name].axes == ("layer", "batch", "head", "query", "key")
    expected = jax.grad(lambda added: (by_hand(parameters, x, added) ** 2).sum())(
        jnp.zeros((LAYERS, 2, HEADS, 5, 5))
    )
    assert gradients[name].shape == expected.shape
    assert abs(gradients[name] - expected).max() <= 1e-5 * abs(expected).max()
    assert np.array_equal(output, jax.jit(stack)(*case))


@pytest.mark.parametrize("at_once", [None, 1, 4])
def test_each_head_is_cut_once(case, at_once):
    ablation = ablate_heads(stack, at_once=at_once)(*case)
    assert [index for _, index in ablation.heads] == [
        (number, head) for number in range(LAYERS) for head in range(HEADS)
    ]
    for (_, (number, head)), output in zip(ablation.heads, ablation.without, strict=True):
        scales = jnp.ones((LAYERS, HEADS)).at[number, head].set(0)
        expected = by_hand(*case, scales=scales)
        assert abs(output - expected).max() <= 1e-5 * abs(expected).max()
        assert abs(output - ablation.output).max() > 1e-3
    assert np.allclose(ablation.output, stack(*case), atol=1e-6)


def test_only_chosen_layers_and_heads_are_varied(case):
    chosen = {"layers": [0, 2], "heads": 1}
    whole = attention_gradients(stack, lambda y: (y**2).sum())(*case)
    part = attention_gradients(stack, lambda y: (y**2).sum(), **chosen)(*case)
    (name,) = part[1]
    assert part[1][name].weights.shape == part[2][name].shape == (2, 2, 1, 5, 5)
    for found, expected in zip(
        (part[1][name].weights, part[2][name]),
        (whole[1][name].weights, whole[2][name]),
        strict=True,
    ):
        assert abs(found - expected[::2, :, 1:]).max() <= 1e-6 * abs(expected).max()
    ablation = ablate_heads(stack, **chosen)(*case)
    assert [index for _, index in ablation.heads] == [(0, 1), (2, 1)]
    for (_, (number, head)), output in zip(ablation.heads, ablation.without, strict=True):
        expected = by_hand(*case, scales=jnp.ones((LAYERS, HEADS)).at[number, head].set(0))
        assert abs(output - expected).max() <= 1e-5 * abs(expected).max()


def test_gradients_keep_to_the_budget_and_cut_heads_need_none(case):
    with pytest.raises(CaptureError, match="more than the budget of 1 B"):
        attention_gradients(stack, jnp.sum, budget=1)(*case)
    assert len(ablate_heads(stack, budget=1)(*case).heads) == LAYERS * HEADS
    shapes = jax.ShapeDtypeStruct((2, 5, 8), jnp.float32)
    with pytest.raises(CaptureError, match="`x` is a ShapeDtypeStruct"):
        attention_gradients(stack, jnp.sum)(case[0], shapes)


def test_scales_of_one_change_nothing(case):
    run = with_scaled_heads(stack)(*case)
    assert np.array_equal(jax.jit(run)({}), jax.jit(stack)(*case))


def test_wrong_scales_are_refused(case):
    run = with_scaled_heads(stack)(*case)
    with pytest.raises(CaptureError, match="No attention is called `elsewhere`"):
        run({"elsewhere": jnp.ones(2)})
    (name, _), *_ = ablate_heads(stack)(*case).heads
    with pytest.raises(CaptureError, match=r"have the shape \(2,\); give one number for each"):
        run({name: jnp.ones(2)})


def test_a_loop_of_unknown_length_is_refused():
    def until(x):
        def attend(x):
            return jax.nn.softmax(x @ x.mT) @ x

        return jax.lax.while_loop(lambda x: x.sum() > 0, attend, x)

    with pytest.raises(CaptureError, match="runs in a `while` loop, whose iterations run with the"):
        ablate_heads(until)(jnp.ones((2, 5, 4)))


def test_attentions_are_called_what_capture_calls_them():
    module = MultiHeadAttention(2, 8, rngs=nnx.Rngs(0))
    words = jnp.ones((1, 3, 8))
    _, attention = with_attention(module)(words)
    assert list(attention) == ["MultiHeadAttention"]
    assert {name for name, _ in ablate_heads(module)(words).heads} == {"MultiHeadAttention"}
    _, _, gradients = attention_gradients(module, jnp.sum)(words)
    assert list(gradients) == ["MultiHeadAttention"]
    with_scaled_heads(module)(words)({"MultiHeadAttention": jnp.zeros(2)})
