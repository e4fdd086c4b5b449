import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attnreport._errors import InvalidAttentionError
from attnreport.analysis import (
    cross_relevance,
    encoder_decoder_relevance,
    gradient_attention,
    normalized_relevance,
    self_relevance,
)

SEEDS = st.integers(0, 2**32 - 1)


def pair(seed, queries, keys, heads=2):
    random = np.random.default_rng(seed)
    return random.dirichlet(np.ones(keys), (heads, queries)), random.normal(
        size=(heads, queries, keys)
    )


def test_equation_5_worked_by_hand():
    """What lowers the output does not count, in each head for itself."""
    weights = np.array([[[0.5, 0.5]], [[0.2, 0.8]]])
    gradients = np.array([[[2.0, -4.0]], [[1.0, 1.0]]])
    np.testing.assert_allclose(gradient_attention(weights, gradients), [[0.6, 0.4]])


def test_equation_6_worked_by_hand():
    """Weights with gradients of one are their own mean: I + A, then that plus B times it."""
    first = np.array([[[1.0, 0.0], [0.5, 0.5]]])
    second = np.array([[[0.0, 1.0], [0.0, 1.0]]])
    ones = np.ones((1, 2, 2))
    np.testing.assert_allclose(self_relevance([(first, ones)]), [[2, 0], [0.5, 1.5]])
    # The second layer adds to both rows the second of these.
    both = self_relevance([(first, ones), (second, ones)])
    np.testing.assert_allclose(both, [[2.5, 1.5], [1, 3]])


def test_equations_8_and_9_worked_by_hand():
    relevance = np.array([[1.0, 3.0], [0.0, 1.0]])
    np.testing.assert_allclose(normalized_relevance(relevance), [[1, 1], [0, 1]])
    relevance = np.array([[2.0, 3.0], [2.0, 3.0]])
    np.testing.assert_allclose(normalized_relevance(relevance), [[1.25, 0.75], [0.5, 1.5]])


def test_equation_10_worked_by_hand():
    """The queries have mixed nothing; of the keys, the first has taken in the second."""
    query = np.eye(2)
    key = np.array([[1.0, 2.0], [0.0, 1.0]])
    mean = np.array([[0.5, 0.0], [0.1, 0.2]])
    np.testing.assert_allclose(cross_relevance(query, mean, key), [[0.5, 0.5], [0.1, 0.3]])
    # A query side whose first position has taken in the second passes the first's relevance on.
    mixed = np.array([[1.0, 4.0], [0.0, 1.0]])
    np.testing.assert_allclose(cross_relevance(mixed, mean, np.eye(2)), [[0.5, 0], [0.6, 0.2]])


def test_without_gradients_a_position_is_relevant_to_itself_only():
    weights, _ = pair(0, 3, 3)
    nothing = (weights, np.zeros_like(weights))
    np.testing.assert_array_equal(self_relevance([nothing, nothing]), np.eye(3))


@given(SEEDS)
def test_self_relevance_agrees_with_plain_loops(seed):
    layers = [pair(seed + number, 3, 3) for number in range(2)]
    slow = [[float(row == column) for column in range(3)] for row in range(3)]
    for weights, gradients in layers:
        mean = [
            [
                np.mean(
                    [max(0, w[q, k] * g[q, k]) for w, g in zip(weights, gradients, strict=True)]
                )
                for k in range(3)
            ]
            for q in range(3)
        ]
        slow = [
            [slow[q][k] + sum(mean[q][j] * slow[j][k] for j in range(3)) for k in range(3)]
            for q in range(3)
        ]
    np.testing.assert_allclose(self_relevance(layers), slow)


@given(SEEDS)
def test_an_encoder_and_decoder_follow_the_equations_in_order(seed):
    encoder = [pair(seed, 4, 4), pair(seed + 1, 4, 4)]
    decoder = [(pair(seed + 2 + n, 3, 3), pair(seed + 9 + n, 3, 4)) for n in range(2)]
    source, target, across = encoder_decoder_relevance(encoder, decoder)
    np.testing.assert_allclose(source, self_relevance(encoder))
    np.testing.assert_allclose(target, self_relevance([own for own, _ in decoder]))
    (own_1, cross_1), (own_2, cross_2) = [
        (gradient_attention(*own), gradient_attention(*cross)) for own, cross in decoder
    ]
    after_1 = np.eye(3) + own_1
    expected = normalized_relevance(after_1).T @ cross_1 @ normalized_relevance(source)
    expected = expected + own_2 @ expected
    after_2 = after_1 + own_2 @ after_1
    expected = expected + normalized_relevance(after_2).T @ cross_2 @ normalized_relevance(source)
    np.testing.assert_allclose(across, expected)
    assert (across >= 0).all()


def test_a_decoder_of_one_layer_has_what_its_cross_attention_adds():
    """Nothing is mixed into the source or by the target itself, so cross-attention is all."""
    nothing = np.zeros((1, 2, 2))
    source = (np.eye(3)[None], np.zeros((1, 3, 3)))
    cross = np.array([[[0.2, 0.3, 0.5], [1, 0, 0]]])
    layer = ((nothing, nothing), (cross, np.full((1, 2, 3), 2.0)))
    found = encoder_decoder_relevance([source], [layer])
    np.testing.assert_array_equal(found[0], np.eye(3))
    np.testing.assert_array_equal(found[1], np.eye(2))
    np.testing.assert_allclose(found[2], 2 * cross[0])


def test_what_does_not_fit_is_refused():
    with pytest.raises(InvalidAttentionError, match=r"\(2, 3, 3\), their gradients \(2, 3, 4\)"):
        gradient_attention(np.ones((2, 3, 3)), np.ones((2, 3, 4)))
    for layers in ([], [pair(0, 3, 4)], [pair(0, 3, 3), pair(0, 4, 4)]):
        with pytest.raises(InvalidAttentionError, match="at least one layer of self-attention"):
            self_relevance(layers)
    for decoder in ([], [(pair(0, 3, 3), pair(0, 3, 5))], [(pair(0, 3, 3), pair(0, 2, 4))]):
        with pytest.raises(InvalidAttentionError, match="With 4 source positions"):
            encoder_decoder_relevance([pair(0, 4, 4)], decoder)
