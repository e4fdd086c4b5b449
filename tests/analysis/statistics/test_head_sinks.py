import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attnreport.analysis import SINK, group_statistics
from attnreport.recording import AttentionMap, GridAxis, TokenAxis

AXIS = TokenAxis(("The", "fox", ".", "[SEP]"), special=(3,))


def slow_sinks(weights, allowed, places):
    """The definition, row by row: mean shares of the rows that see a key, against even ones."""
    keys = weights.shape[-1]
    seeing = [int(sum(row[key] for row in allowed)) for key in range(keys)]
    found = []
    for key in places:
        rows = [(row, may) for row, may in zip(weights, allowed, strict=True) if may[key]]
        if not rows or 2 * seeing[key] < max(seeing):
            continue
        score = np.mean([row[key] / row.sum() for row, _ in rows])
        even = np.mean([1 / may.sum() for _, may in rows])
        if score >= even + SINK * (1 - even):
            found.append(key)
    return found


@given(st.integers(0, 2**32 - 1), st.sampled_from(["none", "causal", "random"]))
def test_sinks_agree_with_their_definition(seed, kind):
    random = np.random.default_rng(seed)
    allowed = np.ones((4, 4), dtype=bool) if kind == "none" else np.tri(4, dtype=bool)
    if kind == "random":
        allowed |= random.random((4, 4)) < 0.5
    weights = random.dirichlet(np.full(4, 0.5), (3, 4)).astype(np.float32) + 1e-3
    weights[:, :, random.integers(4)] += random.choice([0, 1, 3])
    weights *= allowed
    weights /= weights.sum(-1, keepdims=True)
    mask = None if kind == "none" else allowed
    attention = AttentionMap("m", weights.astype(np.float32), AXIS, AXIS, mask=mask)
    for head, numbers in enumerate(group_statistics([attention])):
        expected = slow_sinks(weights[head].astype(np.float64), allowed, (0, 2, 3))
        assert [key for key, _ in numbers.sinks] == expected
        for key, share in numbers.sinks:
            assert share == pytest.approx(weights[head, :, key].mean(), abs=1e-5)


def test_a_word_of_the_text_is_no_sink_however_much_it_gets():
    weights = np.zeros((1, 4, 4), np.float32)
    weights[..., 1] = 1
    assert group_statistics([AttentionMap("m", weights, AXIS, AXIS)])[0].sinks == ()


def test_a_class_token_can_be_a_sink_and_an_expert_cannot():
    weights = np.zeros((1, 2, 5), np.float32)
    weights[..., 0] = 1
    grid = GridAxis(2, 2, ("class",))
    two = TokenAxis(("a", "b"))
    pooled = AttentionMap("m", weights, two, grid, kind="cross")
    assert group_statistics([pooled])[0].sinks == ((0, 1.0),)
    experts = TokenAxis(tuple("vwxyz"))
    routed = AttentionMap("m", weights, two, experts, kind="router")
    assert group_statistics([routed])[0].sinks == ()
