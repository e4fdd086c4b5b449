import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attnreport._errors import InvalidAttentionError
from attnreport.analysis import combine_heads, combine_layers

FIRST = np.array([[[1, 0], [0.5, 0.5]], [[0, 1], [0.5, 0.5]]], np.float32)
SECOND = np.array([[[0.2, 0.8], [1, 0]]], np.float32)


def test_heads_worked_by_hand():
    np.testing.assert_allclose(combine_heads(FIRST), [[0.5, 0.5], [0.5, 0.5]])
    np.testing.assert_allclose(combine_heads(FIRST, "max"), [[1, 1], [0.5, 0.5]])


def test_layers_count_alike_however_many_heads_they_have():
    np.testing.assert_allclose(combine_layers([FIRST, SECOND]), [[0.35, 0.65], [0.75, 0.25]])
    np.testing.assert_allclose(combine_layers([FIRST, SECOND], "max"), [[1, 1], [1, 0.5]])


@given(st.integers(0, 2**32 - 1))
def test_combinations_agree_with_plain_loops(masked_rows, seed):
    weights, _ = masked_rows(seed, 3, 3, 4)
    for query in range(3):
        for key in range(4):
            cell = [float(weights[head, query, key]) for head in range(3)]
            assert combine_heads(weights)[query, key] == pytest.approx(sum(cell) / 3, abs=1e-6)
            assert combine_heads(weights, "max")[query, key] == pytest.approx(max(cell))


def test_half_precision_is_added_up_in_float32():
    weights = np.full((4096, 1, 1), 0.1, np.float16)
    assert combine_heads(weights)[0, 0] == pytest.approx(np.float16(0.1), rel=1e-6)


def test_what_cannot_be_combined_is_refused():
    with pytest.raises(InvalidAttentionError, match="Choose one of mean, max"):
        combine_heads(FIRST, "sum")
    for layers in ([], [FIRST, np.ones((1, 3, 3))]):
        with pytest.raises(InvalidAttentionError, match="all over the same positions"):
            combine_layers(layers)
