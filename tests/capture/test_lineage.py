"""Where values come from, and which are the same computation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attnreport.capture.program import lineage
from attnreport.capture.program.graph import Graph, feeds
from attnreport.capture.program.lineage import (
    Numbers,
    carries_numbers,
    is_drawn,
    is_random,
    source,
    upstream,
)
from tests.capture.recognizing import graph_of

X = np.ones((3, 4), np.float32)


def test_layouts_and_formats_are_copies():
    def fn(x):
        y = jnp.sin(x).T.reshape(2, 6).astype(jnp.bfloat16)
        return jax.lax.stop_gradient(jnp.broadcast_to(y, (5, 2, 6)))

    graph = graph_of(fn, X)
    origin = source(graph.root.outputs[0]).node
    assert origin is not None
    assert origin.primitive == "sin"


@pytest.mark.parametrize(
    ("fn", "same"),
    [
        (lambda x: (jnp.exp(x - 1), jnp.exp(x - 1)), True),
        (lambda x: (jnp.exp(x - 1), jnp.exp(x - 2)), False),
        (lambda x: (jnp.exp(x), jnp.exp(x).T.reshape(12)), True),
        (lambda x: (x.sum(0), x.sum(1)), False),
        (lambda x: (jnp.exp(x), jnp.exp2(x)), False),
        (lambda x: (jax.jit(jnp.sin)(x), jnp.sin(x)), True),
        (lambda x: (jnp.exp(x) * 1.0, jnp.exp(x)), True),
        (lambda x: (jnp.exp(x) * jnp.ones((5, 4))[1], jnp.exp(x)), True),
        (lambda x: (jnp.einsum("ab,a->ba", jnp.exp(x), jnp.ones(3)), jnp.exp(x)), True),
        (lambda x: (jnp.einsum("ab,a->b", jnp.exp(x), jnp.ones(3)), jnp.exp(x)), False),
        (lambda x: (jnp.exp(x) * jnp.array([1.0, 1, 1, 0]), jnp.exp(x)), False),
    ],
)
def test_equal_computations_have_equal_numbers(fn, same):
    first, second = graph_of(fn, X).root.outputs
    assert Numbers().same(first, second) is same


def test_parts_of_one_array_are_not_the_same():
    first, second = graph_of(lambda x: tuple(jnp.split(x, 2, 1)), X).root.outputs
    assert not Numbers().same(first, second)


def test_what_is_counted_carries_no_numbers():
    def fn(x, ids):
        places = jnp.arange(4) / 4.0
        mask = (jnp.arange(4) < ids[:, None]).astype(jnp.float32)
        return places, mask, x * places, jnp.cos(x)

    outputs = graph_of(fn, X, np.array([1, 2, 3])).root.outputs
    assert [carries_numbers(value) for value in outputs] == [False, False, True, True]
    assert carries_numbers(outputs[1], counts=True)


def test_upstream_goes_through_loops():
    def fn(x, y):
        return jax.lax.scan(lambda c, row: (c + row, None), y, x)[0]

    graph = graph_of(fn, X, X[0])
    assert all(value in upstream(graph.root.outputs[0]) for value in graph.root.inputs)


def test_random_numbers_need_a_key_that_goes_in():
    def fn(key, x):
        drop = jax.random.bernoulli(key, 0.5, x.shape)
        fixed = jax.random.bernoulli(jax.random.key(0), 0.5, x.shape)
        return jnp.where(drop, x, 0), jnp.where(fixed, x, 0), x

    outputs = Graph(jax.make_jaxpr(fn)(jax.random.key(1), X)).root.outputs
    assert [is_random(value) for value in outputs] == [True, False, False]
    assert [is_drawn(value) for value in outputs] == [True, True, False]


def test_what_hangs_on_random_numbers_is_looked_for_once(monkeypatch):
    """Each product of a program asks, and most are computed from most of what came before."""

    def fn(x):
        for _ in range(100):
            x = jnp.sin(x)
        return x

    graph = graph_of(fn, 1.0)
    asked = []
    monkeypatch.setattr(lineage, "feeds", lambda value: asked.append(value) or feeds(value))
    assert not any(is_drawn(node.outputs[0]) for node in graph.nodes)
    assert len(asked) <= len(graph.nodes) + 1
