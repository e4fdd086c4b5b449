"""The share of attention in a box, against what can be counted by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attnreport.tasks.images.truth import area_share, coverage, share_in_box

SIZE = (8, 8)
# Rows 2 to 5 and columns 0 to 3 of 8 by 8 pixels, in cells of 2 by 2.
BOX = np.array([[2, 0, 5, 4]])


def test_cells_are_covered_by_the_share_of_their_area():
    found = coverage(BOX, (4, 4), SIZE)[0]
    np.testing.assert_allclose(found, [[0, 0, 0, 0], [1, 1, 0, 0], [0.5, 0.5, 0, 0], [0, 0, 0, 0]])


def test_attention_counts_by_how_much_of_its_cell_is_inside():
    attention = np.zeros((1, 4, 4), np.float32)
    attention[0, 1, 0], attention[0, 2, 1], attention[0, 0, 3] = 2, 4, 2
    assert share_in_box(attention, BOX, SIZE).tolist() == [(2 + 4 / 2) / 8]


def test_gates_need_not_sum_to_one():
    attention = np.random.default_rng(0).random((1, 4, 4))
    np.testing.assert_allclose(
        share_in_box(7 * attention, BOX, SIZE), share_in_box(attention, BOX, SIZE)
    )


def test_no_attention_has_no_share():
    assert share_in_box(np.zeros((1, 4, 4)), BOX, SIZE).tolist() == [0]


@given(
    st.tuples(*[st.integers(0, 30)] * 2, *[st.integers(1, 31)] * 2),
    st.sampled_from([(8, 8), (4, 4), (3, 5), (32, 32), (1, 1)]),
)
def test_even_attention_has_the_share_of_the_area(numbers, grid):
    top, left, height, width = numbers
    box = np.array([[top, left, min(top + height, 32), min(left + width, 32)]])
    even = np.ones((1, *grid))
    np.testing.assert_allclose(share_in_box(even, box, (32, 32)), area_share(box, (32, 32)))


@pytest.mark.parametrize("grid", [(4, 4), (8, 8)])
def test_a_box_of_everything_holds_everything(grid):
    attention = np.random.default_rng(1).random((1, *grid))
    np.testing.assert_allclose(share_in_box(attention, np.array([[0, 0, 8, 8]]), SIZE), 1)
