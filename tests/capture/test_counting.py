"""What a loop counts, read off its text: which block of an array each iteration takes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from attnreport.capture.program.counting import counted
from attnreport.capture.program.graph import Graph
from attnreport.capture.roles.turns import turns_of

BLOCKS = jnp.zeros((4, 3))


def loop_of(fn, *args):
    """The loop of a program, and where its body cuts an array."""
    graph = Graph(jax.make_jaxpr(fn)(*args))
    (loop,) = [
        each for node in graph.nodes for each in node.scopes if each.kind in ("scan", "body")
    ]
    (cut,) = [node for node in graph.nodes if node.primitive in ("dynamic_slice", "gather")]
    return loop, cut


def by_fori(index):
    def fn(x):
        return lax.fori_loop(
            0, 4, lambda t, out: out + lax.dynamic_slice_in_dim(x, index(t), 1), 0.0 * x[:1]
        )

    return fn


INDICES = {
    "up": lambda t: t,
    "down": lambda t: 3 - t,
    "around": lambda t: (t + 2) % 4,
    "strides": lambda t: 3 * t % 4,
    "halves": lambda t: jnp.where(t < 2, 2 * t, 2 * t - 3),
    "clipped": lambda t: jnp.clip(t, 0, 3),
    "divided": lambda t: t // 2 + 2 * (t % 2),
    "least": lambda t: jnp.minimum(jnp.maximum(t, 0), 3),
    "negative": lambda t: -t + 3,
    "bits": lambda t: (t & 1) | (t & 2),
    "compared": lambda t: jnp.where((t == 0) | (t != 0), t, 0),
}


@pytest.mark.parametrize("name", INDICES)
def test_what_is_counted_is_what_runs(name):
    index = INDICES[name]
    loop, cut = loop_of(by_fori(index), BLOCKS)
    expected = [int(index(jnp.int32(t))) for t in range(4)]
    np.testing.assert_array_equal(counted(cut.inputs[1], loop, 4), expected)
    turns = turns_of(cut.outputs[0], loop, 4)
    assert turns.known
    assert turns.at == (None if expected == [0, 1, 2, 3] else tuple(np.argsort(expected)))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(
    "numbers",
    [jnp.arange(4), jnp.arange(4)[::-1], 3 - jnp.arange(4), np.array([2, 0, 3, 1])],
    ids=["up", "down", "from three", "a list"],
)
def test_numbers_that_are_scanned_over(numbers, reverse):
    def fn(x):
        def step(out, t):
            return out + lax.dynamic_slice_in_dim(x, t, 1), None

        return lax.scan(step, 0.0 * x[:1], given(), reverse=reverse)

    def given():
        listed = np.asarray(numbers).tolist()
        made = {(0, 1, 2, 3): jnp.arange(4), (3, 2, 1, 0): jnp.arange(4)[::-1]}
        return made.get(tuple(listed), jnp.asarray(numbers))

    loop, cut = loop_of(fn, BLOCKS)
    np.testing.assert_array_equal(counted(cut.inputs[1], loop, 4), numbers)


def test_a_counter_of_a_loop_that_runs_backward():
    """Outputs of the loop stand in the order of what is scanned over, so the last comes first."""

    def fn(x):
        def step(carry, _):
            t, out = carry
            return (t + 1, out + lax.dynamic_slice_in_dim(x, t, 1)), None

        return lax.scan(step, (0, 0.0 * x[:1]), jnp.zeros(4), reverse=True)

    loop, cut = loop_of(fn, BLOCKS)
    np.testing.assert_array_equal(counted(cut.inputs[1], loop, 4), [3, 2, 1, 0])


@pytest.mark.parametrize(
    "fn",
    [
        lambda x, table: by_fori(lambda t: table[t])(x),
        lambda x, table: by_fori(lambda t: jnp.int32(table.sum()) + t)(x),
        lambda x, table: by_fori(lambda t: jnp.minimum(t, 2))(x),
    ],
    ids=["a table that is given", "a start that is given", "one block twice"],
)
def test_what_the_text_does_not_tell_is_not_known(fn):
    graph = Graph(jax.make_jaxpr(fn)(BLOCKS, jnp.arange(4)))
    (loop,) = [each for node in graph.nodes for each in node.scopes if each.kind == "scan"]
    cuts = [node for node in graph.nodes if node.primitive == "dynamic_slice"]
    cut = next(node for node in cuts if node.outputs[0].is_float)
    assert not turns_of(cut.outputs[0], loop, 4).known


def test_what_is_not_cut_comes_in_its_order():
    def fn(x):
        return lax.scan(lambda out, row: (out + row, None), jnp.zeros(3), x)

    graph = Graph(jax.make_jaxpr(fn)(BLOCKS))
    (loop,) = [each for node in graph.nodes for each in node.scopes]
    turns = turns_of(loop.outputs[0], loop, 4)
    assert turns.known
    assert turns.at is None
