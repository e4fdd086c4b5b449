import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attnreport._errors import InvalidAttentionError
from attnreport.analysis import attention_flow, rollout
from attnreport.analysis.combining.max_flow import max_flow

SEEDS = st.integers(0, 2**32 - 1)


def smallest_cut(layers, source, sink):
    """By max-flow min-cut: of all ways to part the places, that which cuts the least capacity."""
    count, depth = len(layers[0]), len(layers)
    places = [(layer, place) for layer in range(1, depth) for place in range(count)]
    best = np.inf
    for inside in itertools.product([False, True], repeat=len(places)):
        side = dict(zip(places, inside, strict=True))
        side |= {(0, place): place == source for place in range(count)}
        # What reaches another place at the bottom leads nowhere, so those are on the near side.
        side |= {(depth, place): place != sink for place in range(count)}
        cut = sum(
            layers[layer][row, column]
            for layer in range(depth)
            for row in range(count)
            for column in range(count)
            if side[layer, row] and not side[layer + 1, column]
        )
        best = min(best, cut)
    return best


@settings(max_examples=25)
@given(SEEDS, st.integers(1, 3), st.integers(2, 3))
def test_the_greatest_flow_is_the_smallest_cut(seed, depth, count):
    random = np.random.default_rng(seed)
    layers = list(random.dirichlet(np.full(count, 0.5), (depth, count)))
    layers[0][random.random((count, count)) < 0.3] = 0
    for source, sink in itertools.product(range(count), repeat=2):
        expected = smallest_cut(layers, source, sink)
        assert max_flow(layers, source, sink) == pytest.approx(expected, abs=1e-9)


def test_a_path_may_have_to_be_taken_back():
    """Two arcs lead from the source and two to the sink; the short way blocks the wider ones."""
    top = np.array([[1.0, 1.0], [0, 0]])
    middle = np.array([[1.0, 1.0], [1.0, 0.0]])
    bottom = np.array([[1.0, 0.0], [1.0, 0.0]])
    assert max_flow([top, middle, bottom], 0, 0) == 2


def test_two_layers_worked_by_hand():
    first = np.array([[[1.0, 0.0], [0.5, 0.5]]])
    second = np.array([[[0.0, 1.0], [0.0, 1.0]]])
    # With the residual: first [[1, 0], [1/4, 3/4]], second [[1/2, 1/2], [0, 1]].
    # From 0 to 0: 1/2 through 0, and of the 1/2 to 1 only 1/4 goes on. From 0 to 1: 1/2 to 1.
    np.testing.assert_allclose(attention_flow([first, second]), [[0.75, 0.5], [0.25, 0.75]])


def test_one_layer_is_its_own_flow(softmax_weights):
    weights = softmax_weights(2, 4, 4)
    np.testing.assert_allclose(attention_flow([weights]), rollout([weights]))


@settings(max_examples=15)
@given(SEEDS)
def test_flow_is_at_least_what_rolls_out_and_never_over_one(seed):
    """Rollout splits one unit over all paths, and each pipe takes its share of it."""
    layers = list(np.random.default_rng(seed).dirichlet(np.ones(4), (3, 2, 4)))
    flow = attention_flow(layers)
    assert (flow >= rollout(layers) - 1e-9).all()
    assert (flow <= 1 + 1e-9).all()


@given(SEEDS)
@settings(max_examples=10)
def test_other_names_of_positions_do_not_matter(seed):
    random = np.random.default_rng(seed)
    layers = list(random.dirichlet(np.ones(4), (2, 2, 4)))
    order = random.permutation(4)
    renamed = [weights[:, order][:, :, order] for weights in layers]
    np.testing.assert_allclose(
        attention_flow(renamed), attention_flow(layers)[order][:, order], atol=1e-9
    )


def test_a_causal_stack_lets_nothing_flow_ahead(softmax_weights):
    mask = np.tri(4, dtype=bool)
    flow = attention_flow([softmax_weights(2, 4, 4, mask=mask) for _ in range(3)])
    assert (flow[~mask] == 0).all()
    assert (flow[mask] > 0).all()


def test_some_queries_have_the_rows_they_have_among_all(softmax_weights):
    layers = [softmax_weights(2, 4, 4) for _ in range(2)]
    np.testing.assert_allclose(
        attention_flow(layers, queries=[2, 0]), attention_flow(layers)[[2, 0]]
    )


def test_what_takes_too_long_is_refused_with_advice(softmax_weights):
    layers = [softmax_weights(1, 60, 60)] * 12
    with pytest.raises(InvalidAttentionError, match=r"Choose fewer `queries`.*use `rollout`"):
        attention_flow(layers)
    with pytest.raises(InvalidAttentionError, match=r"queries are \[60\].*from 0 to 59"):
        attention_flow(layers, queries=[60])
    with pytest.raises(InvalidAttentionError, match="at least one layer"):
        attention_flow([])
