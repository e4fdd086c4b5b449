"""Sums of products in any writing, and the walk from them back to weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from attnreport.capture.dimensions.dimensions import Dimensions
from attnreport.capture.dimensions.factors import canonical, stems_from
from attnreport.capture.dimensions.products import distance_of, product_of, projecting
from attnreport.capture.program.lineage import source
from attnreport.capture.roles.contractions import Walk, contractions
from tests.capture.recognizing import graph_of

W, V = np.ones((2, 5, 7), np.float32), np.ones((2, 7, 3), np.float32)


def _by_hand(w, v):
    return (w[:, :, :, None] * v[:, None]).sum(2)


def _swapped(w, v):
    return jnp.einsum("bkd,bqk->bdq", v, w)


@pytest.mark.parametrize("fn", [jnp.matmul, _by_hand, _swapped])
def test_operands_and_dimensions_of_a_product(fn):
    graph = graph_of(fn, W, V)
    dimensions = Dimensions(graph)
    weights, values = graph.root.inputs
    (product,) = [p for node in graph.nodes if (p := product_of(dimensions, node))]
    batch, query, key = dimensions.of(weights)
    feature = dimensions.of(values)[2]
    side = 1 if fn is _swapped else 0
    assert all(stems_from(f, key) for f in product.summed[side])
    assert all(stems_from(f, query) for f in product.made[side])
    assert all(stems_from(f, feature) for f in product.made[1 - side])
    assert [f.size for f in product.shared[side]] == [batch[0].size]


def test_a_product_of_entries_is_no_sum():
    graph = graph_of(lambda w, v: jnp.einsum("bqk,bkd->bqkd", w, v), W, V)
    dimensions = Dimensions(graph)
    assert all(product_of(dimensions, node) is None for node in graph.nodes)


def test_a_convolution_projects_features():
    image, kernel = np.ones((2, 8, 8, 3), np.float32), np.ones((3, 3, 3, 6), np.float32)

    def fn(x, w):
        numbers = ("NHWC", "HWIO", "NHWC")
        return lax.conv_general_dilated(x, w, (1, 1), "SAME", dimension_numbers=numbers)

    graph = graph_of(fn, image, kernel)
    dimensions = Dimensions(graph)
    product = projecting(dimensions, graph.nodes[0])
    assert product is not None
    assert product.own[1] == dimensions.of(graph.root.inputs[1])[3]
    assert [f.size for f in product.own[0]] == [2, 8, 8]


STEPS = {
    "itself": (lambda w: w, False),
    "transposed": (lambda w: w.transpose(1, 0, 2).transpose(1, 0, 2), False),
    "scaled": (lambda w: w * 0.5, False),
    "masked": (lambda w: jnp.where(np.tri(5, 7, dtype=bool), w, 0.0), False),
    "half precision": (lambda w: w.astype(jnp.bfloat16).astype(jnp.float32), False),
    "mixed": (lambda w: w - w[::-1], True),
    "mixed by a matrix": (lambda w: jnp.einsum("cb,bqk->cqk", jnp.tanh(w[0, :2, :2]), w), True),
}


@pytest.mark.parametrize("name", STEPS)
def test_the_walk_goes_back_through_what_is_linear(name):
    step, mixed = STEPS[name]
    graph = graph_of(lambda w, v: step(jnp.exp(w)) @ v, W, V)
    dimensions = Dimensions(graph)
    use = next(use for use in contractions(graph, dimensions) if use.over[0].size == 7)
    (exponential,) = [node.outputs[0] for node in graph.nodes if node.primitive == "exp"]
    steps = {
        s.value: s
        for s in Walk(dimensions, lambda _: False).back(use.weights, use.over, lambda _: False)
    }
    assert exponential in steps
    assert steps[exponential].mixed is mixed


def test_the_walk_stops_at_what_is_not_linear():
    graph = graph_of(lambda w, v: jnp.tanh(jnp.exp(w)) @ v, W, V)
    dimensions = Dimensions(graph)
    use = next(iter(contractions(graph, dimensions)))
    walk = Walk(dimensions, lambda _: False).back(use.weights, use.over, lambda _: False)
    assert all(s.value.node is None or s.value.node.primitive != "exp" for s in walk)


def test_masks_stay_on_what_is_shown_and_dropout_does_not():
    key = jax.random.key(0)

    def fn(w, v, key):
        masked = jnp.where(np.tri(5, 7, dtype=bool), jnp.exp(w), 0.0)
        kept = jax.random.bernoulli(key, 0.5, w.shape)
        return jnp.where(kept, masked / 0.5, 0.0) @ v

    graph = graph_of(fn, W, V, key)
    dimensions = Dimensions(graph)
    use = next(u for u in contractions(graph, dimensions) if u.weights.shape == W.shape)
    steps = list(Walk(dimensions, lambda _: False).back(use.weights, use.over, lambda _: False))
    (last,) = [s for s in steps if s.value.node and s.value.node.primitive == "exp"]
    assert last.shown.node is not None
    assert last.shown.node.primitive == "select_n"
    assert last.shown is not use.weights
    assert canonical(use.over[0]).size == 7


@pytest.mark.parametrize(
    "size",
    [jnp.abs, jnp.square, lambda x: x**2, lambda x: x * x],
    ids=["absolute", "square", "power", "product"],
)
def test_a_distance_is_read_like_a_product(size):
    """Its operands are what the difference is of, and it sums over their features."""

    def fn(x, y):
        return size(jnp.sin(x)[:, None] - jnp.cos(y)[None]).sum(-1)

    graph = graph_of(fn, np.ones((3, 4)), np.ones((5, 4)))
    found = distance_of(Dimensions(graph), graph.nodes[-1])
    assert found is not None
    assert [source(each).node.primitive for each in found.operands] == ["sin", "cos"]
    assert [[factor.size for factor in axis] for axis in found.own] == [[3], [5]]
    assert [factor.size for factor in found.summed[0]] == [4]


def test_what_is_no_difference_is_no_distance():
    graph = graph_of(lambda x, y: (jnp.sin(x) * jnp.cos(y)).sum(-1), np.ones(4), np.ones(4))
    assert distance_of(Dimensions(graph), graph.nodes[-1]) is None
