"""A layer keeps its number in the model, whatever is left out around it."""

import dataclasses
import re

import numpy as np
import pytest

from attnreport._errors import InvalidAttentionError, UnknownNameError
from attnreport.recording import AttentionMap, Example, Recording, TokenAxis, layer_numbers
from attnreport.recording.layers import numbers_text

AXIS = TokenAxis(("a", "b"))


def attention(layer=None, group="g", name="m"):
    return AttentionMap(name, np.full((1, 2, 2), 0.5), AXIS, AXIS, group=group, layer=layer)


def recording_of(*layers):
    return Recording((Example("x", tuple(attention(layer) for layer in layers)),))


def numbers(recording):
    return [layer_numbers(example.maps) for example in recording.examples]


def said(recording):
    return [attention.layer for example in recording.examples for attention in example.maps]


def test_a_layer_without_a_number_has_that_of_its_place_in_its_group():
    maps = [attention(group="g"), attention(group="h"), attention(group="g"), attention(9, "h")]
    assert layer_numbers(maps) == (0, 0, 1, 9)
    assert layer_numbers([]) == ()


def test_arrays_say_no_layer_number(softmax_weights):
    recording = Recording.from_arrays(softmax_weights(3, 1, 2, 2))
    assert said(recording) == [None] * 3
    assert numbers(recording) == [(0, 1, 2)]


@pytest.mark.parametrize("layer", [0, 7, np.int64(7)])
def test_a_number_is_kept_as_an_integer(layer):
    assert type(attention(layer).layer) is int
    assert attention(layer).layer == layer


@pytest.mark.parametrize("layer", [-1, 1.0, "2", True, np.float32(3)])
def test_what_is_no_layer_number_is_refused(layer):
    message = f"layer of attention map 'm' is {layer!r}. Give a whole number counted from 0, or"
    with pytest.raises(InvalidAttentionError, match=re.escape(message)):
        attention(layer)


@pytest.mark.parametrize("layers", [(3, 3), (1, None), (0, 4, 4)])
def test_a_number_belongs_to_one_layer_of_a_group(layers):
    with pytest.raises(
        InvalidAttentionError,
        match=r"Two maps of group 'g' in example 'x' are layer \d\. Give each its own `layer`, or",
    ):
        recording_of(*layers)


def test_the_same_number_may_occur_in_other_groups_and_examples():
    maps = (attention(3, "g"), attention(3, "h"))
    assert numbers(Recording((Example("x", maps), Example("y", maps)))) == [(3, 3), (3, 3)]


def test_a_selected_layer_keeps_its_number(softmax_weights):
    recording = Recording.from_arrays(softmax_weights(6, 1, 2, 2))
    chosen = recording.select(layers=[5, 3])
    assert numbers(chosen) == [(3, 5)]
    assert numbers(chosen.select(layers=[5])) == [(5,)]
    assert chosen.examples[0].maps[0].name == "layer 3"
    with pytest.raises(UnknownNameError, match=r"no layer 0\. Choose from 3, 5"):
        chosen.select(layers=[0])


def test_a_number_is_only_written_down_where_the_place_would_say_another(softmax_weights):
    recording = Recording.from_arrays(softmax_weights(4, 1, 2, 2))
    assert said(recording.select(layers=[0, 1])) == [None, None]
    assert said(recording.select(layers=[0, 3])) == [None, 3]
    unchanged = recording.select(layers=[0, 1]).examples[0].maps
    assert unchanged == recording.examples[0].maps[:2]


def test_a_selection_of_groups_changes_no_number():
    maps = tuple(attention(group=group) for group in "ghgh")
    recording = Recording((Example("x", maps),))
    assert said(recording.select(groups=["h"])) == [None, None]
    assert numbers(recording.select(groups=["h"], layers=[1])) == [(1,)]


def test_each_example_is_selected_by_its_own_numbers():
    recording = Recording(
        (
            Example("x", tuple(attention(layer) for layer in (2, 4))),
            Example("y", tuple(attention(layer) for layer in (4, 6))),
        )
    )
    assert numbers(recording.select(layers=[4])) == [(4,), (4,)]
    assert [each.name for each in recording.select(layers=[6]).examples] == ["y"]


def test_joining_keeps_numbers(softmax_weights):
    recording = Recording.from_arrays(softmax_weights(6, 1, 2, 2))
    third, fifth = (recording.select(layers=[layer]) for layer in (3, 5))
    assert numbers(Recording.join_groups([third, fifth])) == [(3, 5)]
    assert numbers(Recording.join_examples([third, fifth])) == [(3,), (5,)]


def test_layers_of_different_lengths_that_are_joined_count_on(softmax_weights):
    parts = [Recording.from_arrays(softmax_weights(2, 1, size, size)) for size in (2, 3)]
    assert numbers(Recording.join_groups(parts)) == [(0, 1, 2, 3)]


def test_the_number_survives_a_change_of_another_field():
    assert dataclasses.replace(attention(4), name="other").layer == 4


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ((), ""),
        ((0,), "0"),
        ((3, 5), "3, 5"),
        ((0, 1, 2, 4, 5, 9), "0–2, 4, 5, 9"),
        ((5, 3), "3, 5"),
    ],
)
def test_numbers_are_listed_shortly(given, text):
    assert numbers_text(given) == text
