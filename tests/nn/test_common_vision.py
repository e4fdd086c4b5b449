"""What every attention over images has to do, whether it weighs or gates."""

import functools

import jax.numpy as jnp
import pytest
from flax import nnx

from attnreport.nn import (
    CBAM,
    ChannelAttention,
    EfficientChannelAttention,
    MultiHeadAttention,
    NonLocalBlock,
    PatchEmbedding,
    SpatialAttention,
    SqueezeExcitation,
    WindowAttention,
)
from tests.nn import behavior
from tests.nn.behavior import Case

IMAGE = (2, 4, 6, 8)
PADDED = {"mask": jnp.ones(IMAGE[:3], bool).at[1, :, 3:].set(False)}
HIDDEN = {"mask": jnp.zeros(IMAGE[:3], bool)}


class PatchAttention(nnx.Module):
    """The first layer of a Vision Transformer."""

    def __init__(self, *, rngs, dtype=None):
        self.patches = PatchEmbedding((4, 6), (2, 2), 8, 8, registers=2, dtype=dtype, rngs=rngs)
        self.attention = MultiHeadAttention(2, 8, dtype=dtype, rngs=rngs)

    def __call__(self, images, *, return_weights=False):
        tokens = self.patches(images)
        output, weights = self.attention(tokens, return_weights=True)
        return (output, weights) if return_weights else output


def gate(module, *options, **named) -> Case:
    make = functools.partial(module, *options, **named)
    return Case(make, (IMAGE,), kind="gate", sums=False)


def windows(*window, **options) -> Case:
    make = functools.partial(WindowAttention, 2, 8, window, **options)
    return Case(make, (IMAGE,), hiding=HIDDEN, hiding_some=PADDED)


CASES = {
    "squeeze and excitation": gate(SqueezeExcitation, 8, reduction=2),
    "efficient channel attention": gate(EfficientChannelAttention, 8),
    "CBAM over channels": gate(ChannelAttention, 8, reduction=2),
    "CBAM over places": gate(SpatialAttention),
    "CBAM": gate(CBAM, 8, reduction=2),
    "non-local": Case(
        functools.partial(NonLocalBlock, 8), (IMAGE,), hiding=HIDDEN, hiding_some=PADDED
    ),
    "patches": Case(PatchAttention, (IMAGE,)),
    "windows": windows(2, 3),
    "shifted windows": windows(2, 3, shift=(1, 1)),
}
MASKED = {name: case for name, case in CASES.items() if case.hiding is not None}

every = pytest.mark.parametrize("name", CASES)


@every
def test_all_ways_give_the_same_weights(name):
    behavior.require_all_ways_give_the_same_weights(CASES[name], {})


@pytest.mark.parametrize("name", MASKED)
def test_all_ways_give_the_same_weights_under_a_mask(name):
    case = MASKED[name]
    behavior.require_all_ways_give_the_same_weights(case, case.hiding_some or {})


@every
def test_transformed_it_gives_the_same(name):
    behavior.require_the_same_when_transformed(CASES[name])


@every
def test_in_bfloat16_weights_and_gates_are_float32(name):
    behavior.require_float32_weights_under_bfloat16(CASES[name])


@pytest.mark.parametrize("name", MASKED)
def test_a_query_that_may_look_nowhere_gets_zeros_and_no_gradient_is_nan(name):
    behavior.require_nothing_where_nothing_is_seen(MASKED[name])
