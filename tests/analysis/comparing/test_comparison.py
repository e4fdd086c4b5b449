"""Two recordings side by side: positions aligned, heads ranked by how much they changed."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attnreport._errors import InvalidAttentionError
from attnreport.analysis import aligned_axes, aligned_maps, compare, jensen_shannon_distance
from attnreport.recording import (
    AttentionMap,
    Example,
    GridAxis,
    ItemAxis,
    Recording,
    Scoring,
    StepAxis,
    TokenAxis,
)

CAT = ("[CLS]", "the", "cat", "sat", "[SEP]")
BLACK_CAT = ("[CLS]", "the", "black", "cat", "ran", "[SEP]")


def text(tokens):
    return TokenAxis(tokens, (0, len(tokens) - 1))


def self_map(tokens, *, seed=0, heads=2, name="layer", mask=None):
    weights = np.random.default_rng(seed).dirichlet(np.ones(len(tokens)), (heads, len(tokens)))
    axis = text(tokens)
    return AttentionMap(name, weights.astype(np.float32), axis, axis, mask=mask)


def recording(*maps, name="one"):
    return Recording((Example(name, maps),))


def test_equal_texts_stay_as_they_are():
    aligned = aligned_axes(text(CAT), text(CAT))
    assert aligned is not None
    assert aligned.axis is not None
    assert aligned.shared.all()
    assert aligned.first.tolist() == aligned.second.tolist() == [0, 1, 2, 3, 4]


def test_words_of_one_text_stand_beside_those_of_the_other():
    aligned = aligned_axes(text(CAT), text(BLACK_CAT))
    assert aligned is not None
    assert aligned.axis.labels == ("[CLS]", "the", "black", "cat", "sat", "ran", "[SEP]")
    assert aligned.first.tolist() == [0, 1, -1, 2, 3, -1, 4]
    assert aligned.second.tolist() == [0, 1, 2, 3, -1, 4, 5]
    assert isinstance(aligned.axis, TokenAxis)
    assert aligned.axis.special == (0, 6)


@given(
    st.lists(st.sampled_from("ab\0<"), min_size=1), st.lists(st.sampled_from("ab\0<"), min_size=1)
)
def test_every_position_of_both_is_there_once_and_in_order(first, second):
    one, other = ItemAxis(tuple(first)), ItemAxis(tuple(second))
    aligned = aligned_axes(one, other)
    assert aligned is not None
    for axis, places in ((one, aligned.first), (other, aligned.second)):
        here = places[places >= 0]
        assert here.tolist() == list(range(len(axis)))
        assert [aligned.axis.labels[at] for at in np.flatnonzero(places >= 0)] == list(axis.labels)
    assert ((aligned.first >= 0) | (aligned.second >= 0)).all()


def test_what_is_no_text_has_to_be_equally_large():
    assert aligned_axes(GridAxis(2, 2), GridAxis(2, 3)) is None
    assert aligned_axes(GridAxis(2, 2), text(CAT)) is None
    assert aligned_axes(GridAxis(2, 2), GridAxis(2, 2)) is not None
    steps = aligned_axes(StepAxis(("a", "b")), StepAxis(("b",)))
    assert steps is not None
    assert steps.axis == StepAxis(("a", "b"))


def test_weights_keep_their_places_and_the_rest_is_masked():
    one, other = self_map(CAT), self_map(BLACK_CAT, seed=1)
    pair = aligned_maps(one, other)
    assert pair is not None
    first, second = pair
    assert first.query.labels == second.query.labels == first.key.labels
    at = [0, 1, 3, 4, 6]
    np.testing.assert_array_equal(first.array()[np.ix_([0, 1], at, at)], one.array())
    np.testing.assert_array_equal(np.flatnonzero(first.allowed()[0, 0]), at)
    assert not first.allowed()[:, 2].any()
    assert first.array().sum() == pytest.approx(one.array().sum())


def test_masks_of_single_heads_are_aligned_too():
    mask = np.stack([np.tri(5, dtype=bool), np.ones((5, 5), bool)])
    pair = aligned_maps(self_map(CAT, mask=mask), self_map(BLACK_CAT))
    assert pair is not None
    at = [0, 1, 3, 4, 6]
    np.testing.assert_array_equal(pair[0].allowed()[np.ix_([0, 1], at, at)], mask)


def test_the_most_changed_head_comes_first():
    before = self_map(CAT)
    weights = before.array().copy()
    weights[1] = np.roll(weights[1], 1, axis=1)
    after = dataclasses.replace(before, weights=weights)
    found = compare(recording(before), recording(after))
    heads = found.heads()
    assert [(head.head, head.most) for head in heads] == [(1, "one"), (0, "one")]
    expected = jensen_shannon_distance(before.array()[1], weights[1]).mean()
    assert heads[0].distance == pytest.approx(expected)
    assert heads[1].distance == 0


def test_distances_of_two_texts_are_those_of_what_both_have():
    one, other = self_map(CAT), self_map(BLACK_CAT, seed=1)
    found = compare(recording(one, name="a"), recording(other, name="b"))
    assert [each.name for each in found.examples] == ["a / b"]
    ((compared,),) = [each.maps for each in found.examples]
    here, there = [0, 1, 2, 4], [0, 1, 3, 5]  # [CLS] the cat [SEP]
    shares = [
        each.array()[np.ix_([0, 1], at, at)]
        / each.array()[np.ix_([0, 1], at, at)].sum(-1)[..., None]
        for each, at in ((one, here), (other, there))
    ]
    expected = jensen_shannon_distance(*shares).mean(-1)
    np.testing.assert_allclose(compared.distances, expected, atol=1e-6)


def test_examples_of_one_name_are_compared_and_the_others_told():
    one, other = self_map(CAT), self_map(CAT, seed=1)
    first = Recording((Example("a", (one,)), Example("b", (one,))))
    second = Recording((Example("b", (other,)), Example("c", (other,))))
    found = compare(first, second)
    assert [each.name for each in found.examples] == ["b"]
    assert found.notes == (
        "Example 'a' is only in the first recording.",
        "Example 'c' is only in the second recording.",
    )


def test_maps_that_cannot_be_compared_are_told():
    first = recording(self_map(CAT), self_map(CAT, name="more", heads=3))
    second = recording(self_map(CAT), self_map(CAT, name="more"), self_map(CAT, name="last"))
    found = compare(first, second)
    assert [each.first.name for each in found.examples[0].maps] == ["layer"]
    assert found.notes == (
        "Map 'last' is only in the second recording.",
        "Map 'more' has 3 heads in the first and 2 in the second.",
    )


def test_nothing_in_common_is_an_error():
    grid = GridAxis(2, 2)
    picture = AttentionMap("layer", np.full((2, 4, 4), 0.25, np.float32), grid, grid)
    with pytest.raises(InvalidAttentionError, match="are 5 tokens × 5 tokens in the first and 4 g"):
        compare(recording(self_map(CAT)), recording(picture))


def test_rows_that_look_nowhere_have_no_distance():
    gate = dataclasses.replace(self_map(CAT), kind="gate", normalized=False)
    closed = dataclasses.replace(gate, weights=gate.array() * 0)
    found = compare(recording(gate), recording(closed))
    assert all(math.isnan(each) for each in found.examples[0].maps[0].distances)
    assert found.heads() == []


def test_queries_and_keys_of_two_texts_and_rows_that_wrote_are_not_aligned():
    first, second = (TokenAxis(tuple(text)) for text in ("abc", "axbc"))
    maps = []
    for axis in (first, second):
        vectors = np.ones((1, len(axis), 5), np.float32)
        weights = np.full((1, len(axis), len(axis)), 1 / len(axis), np.float32)
        scoring = Scoring(vectors, vectors)
        maps.append(AttentionMap("m", weights, axis, axis, scoring=scoring, first_step=1))
    aligned, baseline = aligned_maps(*maps)
    assert (aligned.scoring, aligned.first_step) == (None, None)
    assert aligned.weights.shape == baseline.weights.shape == (1, 4, 4)
    # What lacks nothing stays as it is.
    assert baseline is maps[1]


def test_texts_that_share_no_position_are_refused():
    one, other = (recording(self_map(tuple(tokens))) for tokens in ("ab", "cde"))
    with pytest.raises(InvalidAttentionError, match="'layer' has no query that is in both"):
        compare(one, other)


def test_queries_in_common_are_not_enough():
    weights = np.full((1, 2, 2), 0.5, np.float32)
    one, other = (
        recording(AttentionMap("cross", weights, text(("a", "b")), text(keys), kind="cross"))
        for keys in (("c", "d"), ("e", "f"))
    )
    with pytest.raises(InvalidAttentionError, match="'cross' has no key that is in both"):
        compare(one, other)


def test_a_gate_of_the_same_name_is_no_counterpart():
    attention = self_map(CAT)
    gate = dataclasses.replace(attention, name="x", kind="gate", normalized=False)
    one = recording(attention, dataclasses.replace(attention, name="x"))
    found = compare(one, recording(attention, gate))
    assert [each.first.name for each in found.examples[0].maps] == ["layer"]
    (note,) = found.notes
    assert note == "Map 'x' is self attention in the first and gate attention in the second."
