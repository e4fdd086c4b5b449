import numpy as np
import pytest

from attnreport.analysis import group_statistics, starting_point
from attnreport.analysis.reading.jumps import Jump, longest_jump
from attnreport.analysis.reading.links import Link, agreed_link, content_positions
from attnreport.recording import AttentionMap, GridAxis, TokenAxis

SENTENCE = TokenAxis(
    ("[CLS]", "the", "cat", ",", "which", "sat", ",", "purred", "the", "[SEP]"), (0, 9)
)


def self_map(*heads, rest=0.005):
    """Self-attention over the sentence with the given weights; the rest goes to [CLS]."""
    weights = np.full((len(heads), len(SENTENCE), len(SENTENCE)), rest, np.float32)
    for number, cells in enumerate(heads):
        for (query, key), weight in cells.items():
            weights[number, query, key] = weight
    weights[..., 0] = 0
    weights[..., 0] = 1 - weights.sum(axis=-1)
    return AttentionMap("layer", weights, SENTENCE, SENTENCE)


def cross_map(keys, *, key_count=8, reference=None, name="decoder"):
    """Cross-attention whose rows look at the given keys only."""
    weights = np.eye(key_count, dtype=np.float32)[np.newaxis, list(keys)]
    query = TokenAxis(
        (*(f"wort{index}" for index in range(len(keys) - 1)), "</s>"), (len(keys) - 1,)
    )
    key = TokenAxis((*(f"word{index}" for index in range(key_count - 1)), "</s>"), (key_count - 1,))
    return AttentionMap(name, weights, query, key, kind="cross", reference=reference)


def test_markers_and_punctuation_are_no_content():
    assert np.flatnonzero(content_positions(SENTENCE)).tolist() == [1, 2, 4, 5, 7, 8]
    assert content_positions(GridAxis(1, 2, ("class",))).tolist() == [False, True, True]


def test_the_later_layers_agree_on_two_words():
    """Layer 0 has the largest weights, layer 1 the largest mean, and layer 0 the best head."""
    early = self_map({(7, 1): 0.95}, {(7, 2): 0.8})
    late = self_map({(7, 2): 0.5}, {(7, 2): 0.5, (5, 2): 0.7})
    assert agreed_link([early, late]) == Link(7, 2, layer=0, head=1, weight=pytest.approx(0.8))


def test_markers_punctuation_neighbors_and_repeats_are_no_link():
    others = {(7, 6): 0.9, (2, 1): 0.9, (4, 9): 0.9, (8, 1): 0.9, (6, 4): 0.8}
    assert agreed_link([self_map(others | {(5, 2): 0.1})]) == Link(5, 2, 0, 0, pytest.approx(0.1))


def test_pieces_of_one_word_are_no_link():
    axis = TokenAxis(("un", "##shel", "##ved", "it"))
    weights = np.full((1, 4, 4), 0.1, np.float32)
    weights[0, 0, 2] = 0.7
    weights[0, 3, 1] = 0.2
    link = agreed_link([AttentionMap("layer", weights, axis, axis)])
    assert (link.query, link.key) == (3, 1)


def test_without_weight_between_words_there_is_no_link():
    assert agreed_link([self_map({}, rest=0)]) is None


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ([0, 1, 2, 3, 7], None),
        ([0, 2, 2, 4, 7], None),
        ([0, 3, 4, 5, 7], Jump(query=1, key=3, query_before=0, key_before=0)),
        ([0, 4, 1, 2, 7], Jump(query=1, key=4, query_before=0, key_before=0)),
        ([4, 0, 1, 2, 7], Jump(query=1, key=0, query_before=0, key_before=4)),
        ([1, 0, 2], Jump(query=1, key=0, query_before=0, key_before=1)),
        ([0, 7], None),
    ],
)
def test_jumps_leave_the_order_of_the_input(keys, expected):
    attention = cross_map(keys)
    assert longest_jump(attention.head(0), attention) == expected


def test_queries_that_look_nowhere_do_not_jump():
    attention = cross_map([0, 6, 1, 7])
    weights = attention.head(0).copy()
    weights[1] = 0
    assert longest_jump(weights, attention) is None


def test_the_length_of_a_jump_has_a_direction():
    assert Jump(1, 3, 0, 0).length == 3
    assert Jump(1, 0, 0, 3).length == -3


def test_self_attention_opens_on_the_words_it_connects():
    maps = [self_map({(5, 2): 0.7}), self_map({(7, 1): 0.3, (5, 2): 0.2})]
    assert starting_point(maps, group_statistics(maps)) == (1, 0, 7, 1)


def test_cross_attention_opens_on_its_longest_jump_in_the_best_aligned_head():
    reference = np.eye(8, dtype=bool)[[0, 5, 1, 2, 7]]
    wrong = cross_map([0, 1, 2, 3, 7], reference=reference)
    right = cross_map([0, 5, 1, 2, 7], reference=reference)
    maps = [wrong, right]
    assert starting_point(maps, group_statistics(maps)) == (1, 0, 1, 5)


def test_without_a_link_or_a_jump_the_first_content_row_is_opened():
    maps = [cross_map([0, 1, 2, 7])]
    assert starting_point(maps, group_statistics(maps)) == (0, 0, 0, 0)
    maps = [self_map({}, rest=0)]
    assert starting_point(maps, group_statistics(maps)) == (0, 0, 1, 0)


def test_cells_open_on_the_class_token_beside_them():
    weights = np.full((2, 1, 5, 5), 0.2, np.float32)
    weights[1, 0] = np.eye(5)[[2, 1, 3, 3, 4]]
    grid = GridAxis(2, 2, leading=("[class]",))
    maps = [AttentionMap(f"{n}", each, grid, grid, layer=n) for n, each in enumerate(weights)]
    assert starting_point(maps, group_statistics(maps)) == (1, 0, 0, 2)


def test_everything_opens_on_something():
    axis = TokenAxis(("[CLS]",), (0,))
    maps = [AttentionMap("one", np.ones((1, 1, 1), np.float32), axis, axis)]
    assert starting_point(maps, group_statistics(maps)) == (0, 0, 0, 0)
    masked = AttentionMap(
        "none", np.zeros((1, 1, 1), np.float32), axis, axis, mask=np.zeros((1, 1), dtype=bool)
    )
    assert starting_point([masked], group_statistics([masked])) == (0, 0, 0, 0)
