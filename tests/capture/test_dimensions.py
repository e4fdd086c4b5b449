"""Identities of dimensions, checked against where numbers really go."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jax import lax

from attnreport.capture.dimensions.dimensions import Dimensions, repeated_along
from attnreport.capture.dimensions.factors import canonical, stems_from
from attnreport.capture.program.graph import Graph
from tests.capture.recognizing import graph_of


def _factors(dimensions: Dimensions, value) -> list:
    return [canonical(factor) for axis in dimensions.of(value) for factor in axis]


def _axes(fn, *shapes):
    """The dimensions of the inputs and of the only output of a function."""
    graph = graph_of(fn, *(np.ones(shape, np.float32) for shape in shapes))
    dimensions = Dimensions(graph)
    return [dimensions.of(value) for value in (*graph.root.inputs, *graph.root.outputs)]


@st.composite
def _layouts(draw):
    """A shape, and steps of reshapes and transpositions that go with its factors."""
    sizes = draw(st.lists(st.sampled_from([2, 3, 5]), min_size=2, max_size=4))
    steps = draw(st.lists(st.tuples(st.booleans(), st.randoms(use_true_random=False)), max_size=5))
    return sizes, steps


def _run(x, steps):
    for reshape, random in steps:
        if reshape:
            primes = [p for size in x.shape for p in _primes(size)]
            shape = []
            while primes:
                taken = random.randint(1, len(primes))
                shape.append(math.prod(primes[:taken]))
                primes = primes[taken:]
            x = x.reshape(shape)
        else:
            order = list(range(x.ndim))
            random.shuffle(order)
            x = x.transpose(order)
    return x


def _primes(size):
    found = []
    for prime in (2, 3, 5):
        while size % prime == 0:
            found.append(prime)
            size //= prime
    return found


@given(_layouts())
@settings(max_examples=60, deadline=None)
def test_dimensions_tell_where_positions_go(layout):
    sizes, steps = layout
    states = [random.getstate() for _, random in steps]

    def fn(x):
        for (_, random), state in zip(steps, states, strict=True):
            random.setstate(state)
        return _run(x, steps)

    places = np.arange(math.prod(sizes)).reshape(sizes)
    closed = jax.make_jaxpr(fn)(places.astype(np.float32))
    graph = Graph(closed)
    dimensions = Dimensions(graph)
    before = _factors(dimensions, graph.root.inputs[0])
    after = _factors(dimensions, graph.root.outputs[0])
    # A split that cuts across the merged factors makes a mixture of them.
    assume(set(after) <= set(before))
    order = [before.index(factor) for factor in after]
    expected = places.reshape([f.size for f in before]).transpose(order)
    assert np.array_equal(fn(places), expected.reshape(fn(places).shape))


@given(st.permutations("abcd"), st.permutations("bce"))
@settings(max_examples=30, deadline=None)
def test_products_keep_what_is_shared_and_copy_what_is_free(left, right):
    spec = f"{''.join(left)},{''.join(right)}->abde"
    size = dict(zip("abcde", (2, 3, 5, 7, 11), strict=True))
    x, y, out = _axes(
        lambda x, y: jnp.einsum(spec, x, y),
        tuple(size[letter] for letter in left),
        tuple(size[letter] for letter in right),
    )
    named = {letter: x[place][0] for place, letter in enumerate(left)}
    named |= {letter: y[place][0] for place, letter in enumerate(right) if letter in "ce"}
    a, b, d, e = (axis[0] for axis in out)
    assert canonical(b) is canonical(named["b"])
    for factor, letter in ((a, "a"), (d, "d"), (e, "e")):
        assert canonical(factor) is not canonical(named[letter])
        assert stems_from(factor, (named[letter],))
    assert canonical(x[left.index("c")][0]) is canonical(y[right.index("c")][0])


def test_queries_and_keys_of_one_array_are_two_dimensions():
    x, scores = _axes(lambda x: x @ x.T, (5, 4))
    assert scores[0] != scores[1]
    assert stems_from(scores[0][0], x[0])
    assert stems_from(scores[1][0], x[0])


def test_an_outer_product_by_broadcasting_copies():
    x, out = _axes(lambda x: lax.mul(x.reshape(5, 1), x.reshape(1, 5)), (5,))
    assert out[0] != out[1]
    assert all(stems_from(axis[0], x[0]) for axis in out)


def test_a_residual_connection_makes_the_result_the_input():
    x, _, out = _axes(lambda x, w: x + jnp.tanh(x) @ w, (5, 4), (4, 4))
    assert out == x


def test_a_carry_goes_around():
    x, _, out = _axes(lambda x, w: lax.fori_loop(0, 3, lambda _, x: x @ w, x), (5, 4), (4, 4))
    assert out[0] == x[0]


def test_what_a_scan_stacks_is_a_new_dimension():
    xs, out = _axes(lambda xs: lax.scan(lambda c, x: (c, x * 2), 0.0, xs)[1], (3, 4))
    assert out[1] == xs[1]
    assert out[0] != xs[0]


def test_branches_agree():
    x, out = _axes(lambda x: lax.cond(x.sum() > 0, jnp.sin, lambda x: x * 2, x), (3, 4))
    assert out == x


def test_gathers_take_the_places_of_their_indices():
    indices = np.array([[0, 2], [1, 1], [3, 0]])
    x, out = _axes(lambda x: x[indices], (4, 5))
    assert out[2] == x[1]
    assert not any(stems_from(axis[0], x[0]) for axis in out[:2])


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_stacking_adds_a_dimension(axis):
    x, y, out = _axes(lambda x, y: jnp.stack([x, y], axis), (3, 4), (3, 4))
    assert x == y
    kept = [each for place, each in enumerate(out) if place != axis % 3]
    assert tuple(kept) == x


def test_a_part_of_an_axis_knows_the_whole():
    x, out = _axes(lambda x: x[:2], (5, 4))
    assert out[1] == x[1]
    assert out[0] != x[0]
    assert stems_from(out[0][0], x[0])


def test_repeated_dimensions_are_those_of_no_operand():
    graph = graph_of(lambda x: jnp.broadcast_to(x[:, None], (5, 7, 4)) * 1.5, np.ones((5, 4)))
    dimensions = Dimensions(graph)
    (node,) = [node for node in graph.nodes if node.primitive == "mul"]
    repeated = repeated_along(dimensions, node.inputs[0])
    sizes = {f.size for f in _factors(dimensions, node.inputs[0]) if id(f) in repeated}
    assert sizes == {7}


def test_a_reshape_that_mixes_axes_makes_new_ones():
    # The shift of relative positions: rows of 6 become rows of 5.
    x, out = _axes(lambda x: x.reshape(6, 5, 3), (5, 6, 3))
    assert out[2] == x[2]
    assert not {id(f) for axis in out[:2] for f in axis} & {id(f) for axis in x for f in axis}


def test_pieces_behind_each_other_keep_the_axis_that_they_share():
    x, out = _axes(lambda x: jnp.concatenate(jnp.split(x, 2, 1)), (3, 8))
    outer, inner = out[0]
    assert (outer.size, inner.size) == (2, 3)
    assert (inner,) == x[0]
    assert stems_from(outer, x[1])


def test_a_piece_that_is_one_entry_of_an_outer_dimension_is_the_inner_one():
    x, out = _axes(lambda x: x.reshape(8, 3)[4:8], (2, 4, 3))
    assert out == (x[1], x[2])


def test_queries_and_keys_stay_apart_in_a_backward_pass():
    def fn(x, w):
        return jax.grad(lambda w: (jax.nn.softmax((x @ w) @ (x @ w).T) @ x).sum())(w)

    graph = graph_of(fn, np.ones((5, 4), np.float32), np.ones((4, 4), np.float32))
    dimensions = Dimensions(graph)
    scores = next(node for node in graph.nodes if node.outputs[0].shape == (5, 5))
    queries, keys = dimensions.of(scores.outputs[0])
    assert queries != keys
