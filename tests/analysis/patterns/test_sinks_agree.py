"""A head that is called a sink has a sink that the page can leave out, and the other way round."""

import numpy as np
import pytest

from attnreport.analysis import group_statistics, head_patterns
from attnreport.recording import AttentionMap, TokenAxis

SIZE = 7


@pytest.mark.parametrize("causal", [False, True])
def test_the_pattern_and_what_is_left_out_are_told_by_one_rule(causal):
    random = np.random.default_rng(0)
    mask = np.tri(SIZE, dtype=bool) if causal else None
    axis = TokenAxis(tuple("abcdefg"), special=(0,))
    called = []
    for share in np.linspace(0.2, 0.55, 200):
        weights = random.dirichlet(np.ones(SIZE), SIZE) * (1 if mask is None else mask)
        weights /= weights.sum(axis=-1, keepdims=True)
        weights[1:] *= 1 - share
        weights[1:, 0] += share
        attention = AttentionMap("a", weights[None].astype(np.float32), axis, axis, mask=mask)
        (shown,) = head_patterns(attention)
        (statistics,) = group_statistics([attention])
        called.append("sink" in {pattern.name for pattern in shown})
        assert called[-1] == bool(statistics.sinks), share
    assert 20 < sum(called) < 180
