"""What a recording says of the model that it was captured from."""

import equinox as eqx
import haiku as hk
import jax
import jax.numpy as jnp
import pytest
from flax import linen, nnx

from attnreport.capture.program.origin import origin_of

X = jnp.ones((2, 5, 8))


def translate(x):
    return hk.MultiHeadAttention(2, 4, w_init=hk.initializers.Constant(0.1))(x, x, x)


class Encoder(eqx.Module):
    def __call__(self, x):
        return jax.nn.softmax(x @ x.mT) @ x


class Stack(nnx.Module):
    def __call__(self, x):
        return x


@pytest.mark.parametrize(
    ("call", "model", "framework"),
    [
        ((translate,), "translate", "JAX"),
        ((jax.jit(translate),), "translate", "JAX"),
        ((hk.transform(translate).apply,), "translate", "Haiku"),
        ((hk.without_apply_rng(hk.transform(translate)).apply,), "translate", "Haiku"),
        ((jax.jit(hk.transform_with_state(translate).apply),), "translate", "Haiku"),
        ((Encoder(), X), "Encoder", "Equinox"),
        ((lambda model, x: model(x), Encoder(), X), "Encoder", "Equinox"),
        ((Stack(), X), "Stack", "Flax NNX"),
        ((linen.SelfAttention(2).apply, {}, X), "SelfAttention", "Flax Linen"),
    ],
)
def test_the_model_has_the_name_that_its_author_gave_it(call, model, framework):
    function, *args = call
    origin = origin_of(function, args, {})
    assert (origin["model"], origin["framework"]) == (model, framework)
    assert origin["versions"]["jax"] == jax.__version__
