"""Rollout against an example worked by hand, and what must hold for any weights."""

import numpy as np
import pytest

from attnreport._errors import InvalidAttentionError
from attnreport.analysis.combining.rollout import rollout


def test_two_layers_worked_by_hand():
    first = np.array([[[1.0, 0.0], [0.5, 0.5]]])
    second = np.array([[[0.0, 1.0], [0.0, 1.0]]])
    # First: half of the weights and half of the position itself: [[1, 0], [1/4, 3/4]].
    # Second: [[1/2, 1/2], [0, 1]]. Their product, the second from the left:
    np.testing.assert_allclose(rollout([first, second]), [[5 / 8, 3 / 8], [1 / 4, 3 / 4]])


def test_heads_are_averaged():
    heads = np.array([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [1.0, 0.0]]])
    np.testing.assert_allclose(rollout([heads]), [[0.75, 0.25], [0.25, 0.75]])


def test_without_a_residual_it_is_the_product_of_the_weights(softmax_weights):
    first, second = softmax_weights(2, 1, 4, 4)
    np.testing.assert_allclose(
        rollout([first, second], residual=0), second[0] @ first[0], rtol=1e-5
    )


def test_rows_sum_to_one_even_if_those_of_the_weights_do_not(softmax_weights):
    weights = 0.7 * softmax_weights(3, 2, 5, 5)
    weights[1, :, 2] = 0
    found = rollout(list(weights))
    np.testing.assert_allclose(found.sum(axis=-1), 1)
    assert (found >= 0).all()


def test_a_position_that_looks_at_nothing_keeps_what_it_has():
    weights = np.array([[[0.0, 0.0], [0.5, 0.5]]])
    np.testing.assert_allclose(rollout([weights])[0], [1, 0])


def test_a_batch_is_one_example_after_the_other(softmax_weights):
    first, second = softmax_weights(2, 3, 2, 4, 4)
    batch = rollout([first, second])
    for number in range(3):
        np.testing.assert_allclose(batch[number], rollout([first[number], second[number]]))


def test_a_causal_stack_never_looks_ahead(softmax_weights):
    mask = np.tri(5, dtype=bool)
    layers = [softmax_weights(2, 5, 5, mask=mask) for _ in range(3)]
    assert (rollout(layers)[~mask] == 0).all()


@pytest.mark.parametrize(
    ("layers", "options", "why"),
    [
        ([], {}, "at least one layer"),
        ([(1, 3, 3), (1, 4, 4)], {}, "over the same positions"),
        ([(1, 3, 4)], {}, "from 3 positions at 4"),
        ([(1, 3, 3)], {"residual": 1.0}, "from 0 to below 1"),
    ],
)
def test_what_cannot_be_rolled_out_is_refused(layers, options, why):
    with pytest.raises(InvalidAttentionError, match=why):
        rollout([np.ones(shape) for shape in layers], **options)
