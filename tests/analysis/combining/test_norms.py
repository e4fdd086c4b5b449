import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attnreport._errors import InvalidAttentionError
from attnreport.analysis import norm_weights, summed_norm_weights, value_norms

SEEDS = st.integers(0, 2**32 - 1)


def layer(seed, heads=4, shared=2, queries=3, keys=5, feature=2, model=6):
    random = np.random.default_rng(seed)
    return (
        random.dirichlet(np.ones(keys), (heads, queries)),
        random.normal(size=(heads // shared, keys, feature)),
        random.normal(size=(heads, feature, model)),
    )


def test_worked_by_hand():
    """Key 0 has the value (3, 4) of length 5, key 1 a short one; head 1 turns all to nothing."""
    weights = np.array([[[0.5, 0.5]], [[1.0, 0.0]]])
    values = np.array([[[3, 4], [0, 0.1]], [[1, 1], [1, 1]]])
    projection = np.stack([np.eye(2), np.zeros((2, 2))])
    np.testing.assert_allclose(value_norms(values, projection), [[5, 0.1], [0, 0]])
    found = norm_weights(weights, values, projection)
    np.testing.assert_allclose(found, [[[2.5, 0.05]], [[0, 0]]])
    np.testing.assert_allclose(summed_norm_weights(weights, values, projection), [[2.5, 0.05]])


def test_heads_that_add_opposites_cancel_out():
    weights = np.ones((2, 1, 1))
    values = np.array([[[1.0, 2.0]], [[-1.0, -2.0]]])
    projection = np.stack([np.eye(2)] * 2)
    assert summed_norm_weights(weights, values, projection)[0, 0] == 0
    np.testing.assert_allclose(norm_weights(weights, values, projection), np.sqrt(5))


@given(SEEDS)
def test_norms_agree_with_plain_loops(seed):
    weights, values, projection = layer(seed)
    found = norm_weights(weights, values, projection)
    together = summed_norm_weights(weights, values, projection)
    for query in range(3):
        for key in range(5):
            total = np.zeros(6)
            for head in range(4):
                added = weights[head, query, key] * (values[head // 2, key] @ projection[head])
                assert found[head, query, key] == pytest.approx(np.sqrt((added**2).sum()))
                total += added
            assert together[query, key] == pytest.approx(np.sqrt((total**2).sum()))


@given(SEEDS)
def test_together_heads_add_at_most_what_each_adds(seed):
    weights, values, projection = layer(seed)
    together = summed_norm_weights(weights, values, projection)
    assert (together <= norm_weights(weights, values, projection).sum(axis=0) + 1e-9).all()


def test_what_does_not_fit_is_refused():
    weights, values, projection = layer(0)
    with pytest.raises(InvalidAttentionError, match="do not go through an output projection"):
        value_norms(values[..., :1], projection)
    with pytest.raises(InvalidAttentionError, match="do not go through an output projection"):
        value_norms(np.concatenate([values, values[:1]]), projection)
    with pytest.raises(InvalidAttentionError, match="do not fit values of 5 keys"):
        norm_weights(weights[..., :4], values, projection)
    with pytest.raises(InvalidAttentionError, match="output projection of 4 heads"):
        summed_norm_weights(weights[:2], values, projection)
