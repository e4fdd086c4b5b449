import numpy as np
import pytest

from attnreport.analysis import head_patterns, row_statistics
from attnreport.analysis.statistics import map_rows
from attnreport.analysis.statistics.map_rows import MapRows
from attnreport.recording import AttentionMap, TokenAxis


def text_map(seed, masked_rows):
    weights, allowed = masked_rows(seed, 5, 6, 6)
    axis = TokenAxis(("[CLS]", "a", "b", "a", "b", "."), (0,))
    mask = np.broadcast_to(allowed, weights.shape)
    return AttentionMap("layer", weights, axis, axis, mask=mask if len(allowed) > 1 else mask[0])


@pytest.mark.parametrize("size", [1, 36, 72, 100, 10**6])
@pytest.mark.parametrize("seed", range(3))
def test_heads_come_some_at_a_time(masked_rows, seed, size):
    attention = text_map(seed, masked_rows)
    blocks = list(MapRows.blocks(attention, size))
    assert [len(rows.shares) for rows in blocks[:-1]] == [max(1, size // 36)] * (len(blocks) - 1)
    together = next(MapRows.blocks(attention))
    np.testing.assert_array_equal(np.concatenate([rows.shares for rows in blocks]), together.shares)
    np.testing.assert_array_equal(np.concatenate([rows.sinks for rows in blocks]), together.sinks)


@pytest.mark.parametrize("seed", range(3))
def test_statistics_and_patterns_do_not_depend_on_how_many_come_at_a_time(
    masked_rows, monkeypatch, seed
):
    attention = text_map(seed, masked_rows)
    statistics, patterns = row_statistics(attention), head_patterns(attention, every=True)
    monkeypatch.setattr(map_rows, "BLOCK", 72)
    for name, statistic in row_statistics(attention).items():
        np.testing.assert_array_equal(statistic.values, statistics[name].values)
        np.testing.assert_array_equal(statistic.chance, statistics[name].chance)
    assert head_patterns(attention, every=True) == patterns


def test_a_head_with_too_much_for_a_block_comes_alone(masked_rows):
    assert len(list(MapRows.blocks(text_map(0, masked_rows), 1))) == 5


def test_even_rows_keep_mask_and_sinks(masked_rows):
    rows = next(MapRows.blocks(text_map(0, masked_rows)))
    np.testing.assert_array_equal(rows.even.sinks, rows.sinks)
    assert rows.even.allowed is rows.allowed
    assert rows.even is rows.even
