import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from attnreport.nn import causal_mask, combine_masks, global_mask, padding_mask, window_mask


def test_padding_is_hidden_from_every_query_of_every_head():
    mask = padding_mask(jnp.array([[True, True, False], [True, False, False]]))
    assert mask.shape == (2, 1, 1, 3)
    assert mask[:, 0, 0].tolist() == [[True, True, False], [True, False, False]]


def test_a_causal_query_sees_itself_and_what_came_before():
    assert causal_mask(3)[0, 0].tolist() == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]


def test_with_kept_keys_causal_queries_are_the_last_positions():
    whole = causal_mask(5)
    assert causal_mask(2, 5).tolist() == whole[:, :, 3:].tolist()


@pytest.mark.parametrize(("before", "after"), [(0, 0), (1, 0), (0, 2), (9, 9)])
def test_a_window_reaches_so_far_and_no_farther(before, after):
    mask = np.asarray(window_mask(6, before=before, after=after))[0, 0]
    for query in range(6):
        for key in range(6):
            assert mask[query, key] == (-before <= key - query <= after)


@settings(deadline=None)
@given(st.lists(arrays(bool, (2, 1, 3, 4)), min_size=1, max_size=4))
def test_combined_masks_allow_what_all_of_them_allow(masks):
    combined = combine_masks(None, *(jnp.asarray(mask) for mask in masks))
    assert np.array_equal(combined, np.logical_and.reduce(masks))


def test_combined_masks_broadcast():
    real = jnp.array([[True, True, False]])
    combined = combine_masks(padding_mask(real), causal_mask(3))
    assert combined[0, 0].tolist() == [
        [True, False, False],
        [True, True, False],
        [True, True, False],
    ]


def test_no_masks_combine_to_none():
    assert combine_masks() is None
    assert combine_masks(None, None) is None


@pytest.mark.parametrize("dilation", [1, 2, 3])
@pytest.mark.parametrize("first", [0, 4])
def test_a_dilated_window_leaves_positions_out(dilation, first):
    mask = np.asarray(window_mask(3, 8, before=2, after=1, dilation=dilation, first=first))[0, 0]
    for query in range(3):
        place = query + first
        seen = {place - 2 * dilation, place - dilation, place, place + dilation}
        assert set(np.flatnonzero(mask[query])) == seen & set(range(8))


def test_the_window_of_a_step_is_a_row_of_the_whole():
    whole = window_mask(5, 7, before=1, after=2)
    step = jax.jit(lambda first: window_mask(1, 7, before=1, after=2, first=first))
    for number in range(5):
        assert np.array_equal(step(number)[:, :, 0], whole[:, :, number])


def test_a_sliding_window_is_that_of_jax():
    query, key, value = (
        jax.random.normal(jax.random.key(number), (2, 9, 2, 4)) for number in range(3)
    )
    attend = jax.nn.dot_product_attention
    expected = attend(query, key, value, local_window_size=(2, 1))
    found = attend(query, key, value, mask=window_mask(9, before=2, after=1))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_chosen_positions_see_all_and_are_seen_by_all():
    chosen = np.array([[True, False, False], [False, False, False]])
    mask = np.asarray(global_mask(jnp.asarray(chosen)))
    assert mask.shape == (2, 1, 3, 3)
    for batch, query, key in np.ndindex(2, 3, 3):
        assert mask[batch, 0, query, key] == (chosen[batch, query] or chosen[batch, key])
