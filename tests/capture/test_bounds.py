"""Bounds of values: what is computed from numbers within lies within."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attnreport.capture.forms.bounds import Intervals
from attnreport.capture.program.graph import Graph
from tests.capture.recognizing import graph_of

UNARY = {
    "exp": jnp.exp,
    "tanh": jnp.tanh,
    "sigmoid": jax.nn.sigmoid,
    "relu": jax.nn.relu,
    "abs": jnp.abs,
    "square": lambda x: x**2,
    "cube": lambda x: x**3,
    "inverse": lambda x: 1 / (1 + x**2),
    "clip": lambda x: jnp.clip(x / 6 + 0.5, 0, 1),
    "sum": lambda x: jnp.broadcast_to(x.sum(-1, keepdims=True), x.shape),
    "cumulative": lambda x: jnp.cumsum(x, -1),
    "masked": lambda x: jnp.where(x > 0, x, -2.0),
    "negative": lambda x: -x,
    "product": lambda x: x @ x.T @ jnp.ones_like(x),
    "cosine": jnp.cos,
    "softmax": lambda x: jax.nn.softmax(x, -1),
    "most": lambda x: jnp.maximum(x, 0.25),
    "sorted": lambda x: jnp.sort(x, -1),
}
BINARY = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "max": jnp.maximum,
    "min": jnp.minimum,
    "joined": lambda x, y: jnp.concatenate([x, y], -1)[:, :4],
}


def _interval(fn, *args):
    graph = graph_of(fn, *args)
    return Intervals().of(graph.root.outputs[0])


@given(
    st.lists(
        st.one_of(st.sampled_from(sorted(UNARY)), st.sampled_from(sorted(BINARY))), max_size=5
    ),
    st.integers(0, 9),
)
@settings(max_examples=60, deadline=None)
def test_numbers_lie_within_their_bounds(names, seed):
    def fn(x, y):
        for name in names:
            x = UNARY[name](x) if name in UNARY else BINARY[name](x, y)
        return x

    x, y = np.random.default_rng(seed).normal(scale=2, size=(2, 3, 4)).astype(np.float32)
    low, high = _interval(fn, x, y)
    values = np.asarray(fn(x, y), np.float64)
    finite = values[np.isfinite(values)]
    slack = 1e-4 * np.abs(finite)
    assert (finite >= low - slack).all()
    assert (finite <= high + slack).all()


@pytest.mark.parametrize(
    "squash",
    [
        jax.nn.sigmoid,
        lambda x: jnp.clip(x / 6 + 0.5, 0, 1),
        lambda x: 1 / (1 + jnp.exp(-x)),
        lambda x: (jnp.tanh(x) + 1) / 2,
        lambda x: jnp.exp(-jnp.abs(x)),
        jax.nn.hard_sigmoid,
    ],
)
def test_every_way_to_squash_is_between_zero_and_one(squash):
    assert _interval(squash, np.ones((2, 3), np.float32)) == (0, 1)


def test_bounds_come_out_of_calls_loops_and_branches():
    def fn(p, x):
        x = jax.lax.cond(p, jax.nn.sigmoid, lambda x: jnp.tanh(x) + 1, x)
        return jax.lax.map(jax.jit(lambda row: row * 2), x)

    assert _interval(fn, True, np.ones((2, 3), np.float32)) == (0, 4)


def test_a_carry_is_not_bounded():
    def fn(x):
        return jax.lax.fori_loop(0, 3, lambda _, x: x + jax.nn.sigmoid(x), jnp.zeros_like(x))

    assert _interval(fn, np.ones(3, np.float32)) == (-np.inf, np.inf)


def test_constants_are_bounded_by_their_numbers():
    table = jnp.array([[-1.0, 2.0], [0.5, 3.0]])
    graph = Graph(jax.make_jaxpr(lambda i: table[i])(1))
    assert Intervals().of(graph.root.outputs[0]) == (-1, 3)
    assert _interval(lambda n: n + jnp.uint8(3), np.uint8(2))[0] == 3
