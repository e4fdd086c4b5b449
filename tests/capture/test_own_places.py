"""Which axes a gather looks up at their own places."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attnreport.capture.dimensions.own_places import own_places
from attnreport.capture.program.graph import Graph

X, INDICES = jnp.zeros((2, 7, 3, 5)), jnp.zeros((2, 6, 3, 4), int)
BATCH, HEAD = jnp.arange(2)[:, None, None, None], jnp.arange(3)[None, None, :, None]


def found_in(fn, *args):
    graph = Graph(jax.make_jaxpr(fn)(*args))
    (gather,) = [node for node in graph.nodes if node.primitive == "gather"]
    return list(own_places(gather))


def traced(x, i):
    batch, head = jnp.arange(2)[:, None, None, None], jnp.arange(3)[None, None, :, None]
    return x[batch, i, head]


@pytest.mark.parametrize(
    "fn",
    [
        traced,
        lambda x, i: x[BATCH, i, HEAD],
        lambda x, i: x[np.asarray(BATCH), i, np.asarray(HEAD)],
        lambda x, i: x[jnp.arange(2).reshape(2, 1, 1, 1), i, HEAD.astype(jnp.int16)],
    ],
    ids=["in the program", "closed over", "NumPy", "reshaped and converted"],
)
def test_places_that_count_are_their_own(fn):
    assert found_in(fn, X, INDICES) == [(0, 0), (2, 2)]


def test_one_index_alone():
    assert found_in(lambda x: x[jnp.arange(2)], X) == [(0, 0)]


@pytest.mark.parametrize(
    "fn",
    [
        lambda x, i: x[BATCH[::-1], i, i],
        lambda x, i: x[BATCH + 0 * i, i, i],
        lambda x, i: x[i[:, :1], i, i],
        lambda x, i: x[:, jnp.arange(2)[:, None, None, None] + jnp.zeros_like(i)],
        lambda x, i: jnp.take(x, jnp.arange(3), axis=1),
        lambda x, i: x[jnp.where(i > 0, i, jnp.arange(2)[:, None, None, None]), i, i],
    ],
    ids=["backward", "with numbers added", "given", "of a longer axis", "only some", "or others"],
)
def test_other_places_are_not(fn):
    assert found_in(fn, X, INDICES) == []
