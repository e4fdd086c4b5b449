"""No attention: layers of Linen and NNX that are built from gates, norms and softmax."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from flax import nnx

from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)


def _applied(model: nn.Module, draw: Draw, *args: Any) -> Case:
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), *args))
    variables = jax.tree.map(lambda leaf: draw(*leaf.shape, scale=0.4), shapes)
    return Case(model.apply, (variables, *args))


@program("nn.RNN of an LSTM cell, with sequence lengths.")
def linen_lstm(draw: Draw) -> Case:
    class Model(nn.Module):
        @nn.compact
        def __call__(self, x, lengths):
            return nn.RNN(nn.LSTMCell(6))(x, seq_lengths=lengths)

    return _applied(Model(), draw, draw(2, 5, 4), jnp.array([3, 5]))


@program("Both directions, GRU cells, then a classifier's softmax.")
def linen_bidirectional_gru(draw: Draw) -> Case:
    class Model(nn.Module):
        @nn.compact
        def __call__(self, x):
            states: Any = nn.Bidirectional(nn.RNN(nn.GRUCell(6)), nn.RNN(nn.GRUCell(6)))(x)
            return nn.softmax(nn.Dense(3)(states.mean(1)))

    return _applied(Model(), draw, draw(2, 5, 4))


@program("A convolutional LSTM cell over time.")
def linen_convolutional_lstm(draw: Draw) -> Case:
    class Model(nn.Module):
        @nn.compact
        def __call__(self, x):
            return nn.RNN(nn.ConvLSTMCell(3, (3, 3)))(x)

    return _applied(Model(), draw, draw(2, 3, 4, 4, 2))


@program("Convolutions, group norm, swish, mean pooling and a classifier.")
def linen_convolutions(draw: Draw) -> Case:
    class Model(nn.Module):
        @nn.compact
        def __call__(self, x):
            for _ in range(2):
                x = nn.swish(nn.GroupNorm(2)(nn.Conv(4, (3, 3))(x)))
            return nn.log_softmax(nn.Dense(5)(x.mean((1, 2))))

    return _applied(Model(), draw, draw(2, 4, 4, 3))


@program("nnx.RNN of an LSTM cell.")
def nnx_lstm(draw: Draw) -> Case:
    model = nnx.RNN(nnx.LSTMCell(4, 6, rngs=nnx.Rngs(0)))
    return Case(lambda model, x: model(x), (model, draw(2, 5, 4)))


@program("A classifier's training step: dropout, batch norm, loss, gradients.")
def nnx_training_step(draw: Draw) -> Case:
    class Model(nnx.Module):
        def __init__(self, rngs):
            self.first, self.second = nnx.Linear(4, 6, rngs=rngs), nnx.Linear(6, 3, rngs=rngs)
            self.norm, self.dropout = nnx.BatchNorm(6, rngs=rngs), nnx.Dropout(0.3, rngs=rngs)

        def __call__(self, x):
            return self.second(self.dropout(nnx.silu(self.norm(self.first(x)))))

    definition, state = nnx.split(Model(nnx.Rngs(0)))

    def fn(state, x, y):
        def loss(model):
            return optax.softmax_cross_entropy_with_integer_labels(model(x), y).mean()

        value, gradients = nnx.value_and_grad(loss)(nnx.merge(definition, state))
        return value, nnx.to_pure_dict(gradients)

    return Case(fn, (state, draw(5, 4), draw.integers(3, 5)))
