import dataclasses

import numpy as np
import pytest

from attnreport._errors import InvalidAttentionError, UnknownNameError
from attnreport.recording import Example, Metric, Recording, Source


def named_maps(recording: Recording) -> list[list[str]]:
    return [[attention.name for attention in example.maps] for example in recording.examples]


def test_lists_become_tuples(tiny_recording):
    maps = tiny_recording.examples[0].maps
    recording = Recording([Example("a", list(maps))], metrics=[Metric("loss", 0.5)])
    assert recording.examples[0].maps == maps
    assert recording.metrics == (Metric("loss", 0.5),)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda _: Recording(()), "at least one example, and got none"),
        (
            lambda maps: Recording((Example("a", maps), Example("a", maps))),
            "examples are called 'a'",
        ),
        (lambda _: Recording((Example("a", ()),)), "Example 'a' has no attention map. Leave"),
        (lambda _: Recording.join_groups([]), r"Recordings of \[\] examples cannot be joined"),
        (lambda _: Recording.join_examples([]), "at least one example, and got none"),
    ],
)
def test_what_is_no_recording_is_refused(make, message, tiny_recording):
    with pytest.raises(InvalidAttentionError, match=message):
        make(tiny_recording.examples[0].maps)


def test_joined_groups_lie_side_by_side_in_each_example(softmax_weights):
    encoder, decoder = (
        Recording.from_arrays([softmax_weights(2, 1, 3, 3)] * layers, group=group)
        for group, layers in (("encoder", 2), ("decoder", 1))
    )
    joined = Recording.join_groups([encoder, decoder])
    assert len(joined.examples) == 2
    for example in joined.examples:
        assert [each.group for each in example.maps] == ["encoder", "encoder", "decoder"]


def test_joined_groups_take_what_only_one_of_them_says(tiny_recording):
    (example,) = tiny_recording.examples
    bare = Recording((dataclasses.replace(example, input="", scores={"a": 1.0, "b": 2.0}),))
    full = Recording(
        (dataclasses.replace(example, output="out", target="goal", scores={"b": 3.0, "c": 4.0}),),
        source=Source(model="full"),
        metrics=(Metric("loss", 0.5),),
    )
    joined = Recording.join_groups([bare, full])
    (found,) = joined.examples
    assert (found.input, found.output, found.target) == (example.input, "out", "goal")
    assert found.scores == {"a": 1, "b": 2, "c": 4}
    assert joined.source.model == "full"
    assert joined.metrics == (Metric("loss", 0.5),)


def test_groups_of_different_examples_cannot_be_joined(tiny_recording, cross_recording):
    with pytest.raises(InvalidAttentionError, match=r"Recordings of \[1, 3\] examples.*same"):
        Recording.join_groups([tiny_recording, cross_recording])


def test_joined_examples_follow_each_other_under_names_of_their_own(tiny_recording):
    joined = Recording.join_examples([tiny_recording] * 3)
    assert [example.name for example in joined.examples] == [
        "example 0",
        "example 0 (2)",
        "example 0 (3)",
    ]
    assert joined.source == tiny_recording.source


def test_a_selection_keeps_what_is_named(cross_recording, tiny_recording):
    assert named_maps(tiny_recording.select(layers=[1])) == [["layer 1"]]
    names = [each.name for each in cross_recording.select(examples=["test 2", 0]).examples]
    assert names == ["test 0", "test 2"]
    joined = Recording.join_groups([tiny_recording, cross_recording.select(examples=[0])])
    assert named_maps(joined.select(groups="cross-attention")) == [["decoder.attention"]]
    assert named_maps(joined.select(layers=[0])) == [["layer 0", "decoder.attention"]]
    assert named_maps(joined.select()) == named_maps(joined)
    assert joined.select(layers=[0]).source == joined.source


def test_a_selection_leaves_out_examples_without_the_group(cross_recording, tiny_recording):
    joined = Recording.join_examples([tiny_recording, cross_recording])
    found = joined.select(groups=["self-attention"])
    assert [example.name for example in found.examples] == ["example 0"]


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"examples": ["test 9"]}, "no example 'test 9'. Choose from 'test 0', 'test 1', 'test 2'"),
        ({"examples": [3]}, "no example 3"),
        ({"groups": ["encoder"]}, "no group 'encoder'. Choose from 'cross-attention'"),
        ({"layers": [1]}, "no layer 1. Choose from 0"),
    ],
)
def test_a_selection_of_what_is_not_there_is_refused(choice, message, cross_recording):
    with pytest.raises(UnknownNameError, match=message):
        cross_recording.select(**choice)


def test_printed_it_says_what_it_holds_and_no_weights():
    recording = Recording.from_arrays(np.full((8, 2, 3, 3), 1 / 3, np.float16))
    lines = repr(recording).splitlines()
    assert lines[0] == "Recording(1 example; the first has"
    assert lines[1] == "  AttentionMap('layer 0', self, 2 × 3 × 3 float16)"
    assert lines[-2:] == ["  … 2 more", ")"]


def test_printed_it_names_its_model():
    recording = Recording.from_arrays(
        np.full((1, 2, 3, 3), 1 / 3), source=Source(model="BERT"), names=["a.b"]
    )
    assert repr(recording).startswith(
        "Recording(BERT, 1 example; the first has\n  AttentionMap('a.b'"
    )
