from attnreport.recording import AttentionMap, Example, Kind, Recording, TokenAxis
from attnreport.report.stacks import stacks_of
from tests.report.recordings import (
    chosen_layers_recording,
    self_recording,
    softmax_weights,
    translator_recording,
)


def layer(name, heads, queries, keys=None, *, group="", kind: Kind = "self"):
    query = TokenAxis(tuple(f"q{i}" for i in range(queries)))
    key = query if keys is None else TokenAxis(tuple(f"k{i}" for i in range(keys)))
    weights = softmax_weights(heads, len(query), len(key))
    return AttentionMap(name, weights, query, key, group=group, kind=kind)


def labels(*maps):
    return [stack.label for stack in stacks_of(Recording((Example("only", maps),)))]


def test_layers_of_one_group_make_one_stack_in_forward_order():
    (stack,) = stacks_of(self_recording(layers=4))
    assert [attention.name for attention in stack.maps] == [f"layer {i}" for i in range(4)]


def test_every_example_has_its_stacks_after_those_of_the_example_before():
    stacks = stacks_of(translator_recording())
    groups = ["encoder self-attention", "decoder self-attention", "cross-attention"]
    assert [stack.label for stack in stacks] == groups * 2
    assert [stack.example for stack in stacks] == [0, 0, 0, 1, 1, 1]


def test_sizes_count_positions_heads_and_weights():
    stack = stacks_of(translator_recording())[0]
    assert stack.heads == 3 + 1
    assert stack.cells == 6 * 6
    assert stack.weights == 4 * 36


def test_only_self_attention_has_the_same_positions_on_both_axes():
    encoder, decoder, cross = stacks_of(translator_recording())[:3]
    assert encoder.is_self
    assert decoder.is_self
    assert not cross.is_self
    assert len(cross.query) == 6
    assert cross.key == encoder.query


def test_cross_attention_between_equal_texts_is_not_self_attention():
    (stack,) = stacks_of(Recording((Example("x", (layer("a", 1, 3, kind="cross"),)),)))
    assert not stack.is_self


def test_layers_of_different_lengths_in_one_group_get_a_picture_each():
    maps = [layer("a", 2, 4, group="g"), layer("b", 2, 8, group="g"), layer("c", 2, 4, group="g")]
    stacks = stacks_of(Recording((Example("x", tuple(maps)),)))
    assert [stack.label for stack in stacks] == ["g", "g (2)"]
    assert [[m.name for m in stack.maps] for stack in stacks] == [["a", "c"], ["b"]]


def test_layers_of_a_split_group_keep_the_numbers_they_have_in_it():
    maps = [layer("a", 2, 4, group="g"), layer("b", 2, 8, group="g"), layer("c", 2, 4, group="g")]
    stacks = stacks_of(Recording((Example("x", tuple(maps)),)))
    assert [stack.layer_numbers for stack in stacks] == [(0, 2), (1,)]


def test_selected_layers_keep_their_numbers():
    (stack,) = stacks_of(chosen_layers_recording())
    assert stack.layer_numbers == (3, 5)


def test_labels_are_unique_within_an_example():
    found = labels(
        layer("a", 1, 2, group="g"),
        layer("b", 1, 3, group="g"),
        layer("c", 1, 4, group="g"),
        layer("d", 1, 2, 3, group="g", kind="cross"),
        layer("e", 1, 2, group="g (2)"),
    )
    assert len(found) == len(set(found))


def test_groups_keep_the_order_in_which_they_first_occur():
    assert labels(layer("a", 1, 2, group="late"), layer("b", 1, 2, group="early")) == [
        "late",
        "early",
    ]
