import math

import pytest

from attnreport._errors import InvalidAttentionError
from attnreport.recording import (
    AXIS_TYPES,
    ChannelAxis,
    FrameAxis,
    GridAxis,
    ItemAxis,
    StepAxis,
    TokenAxis,
    special_positions,
)

AXES = [
    TokenAxis(("a", "b", "c"), special=(0,), words=(None, 0, 0)),
    GridAxis(2, 3, leading=("class",)),
    FrameAxis(4, 0.02),
    ItemAxis(("shoe", "hat")),
    ChannelAxis(5),
    StepAxis(("x", "y")),
]


def test_every_axis_type_is_listed():
    assert {type(axis) for axis in AXES} == set(AXIS_TYPES)
    assert len({axis.kind for axis in AXES}) == len(AXIS_TYPES)


@pytest.mark.parametrize("axis", AXES, ids=lambda axis: axis.kind)
def test_an_axis_has_one_label_per_position(axis):
    assert len(axis.labels) == len(axis)
    assert all(isinstance(label, str) for label in axis.labels)


def test_labels_say_what_positions_are():
    assert GridAxis(2, 2, leading=("class",)).labels == ("class", "0,0", "0,1", "1,0", "1,1")
    assert FrameAxis(3, 0.5).labels == ("0.00 s", "0.50 s", "1.00 s")
    assert ChannelAxis(2).labels == ("0", "1")


def test_special_positions_are_markers_and_leading_tokens():
    assert special_positions(AXES[0]) == (0,)
    assert special_positions(GridAxis(1, 1, leading=("class", "register"))) == (0, 1)
    assert special_positions(ItemAxis(("shoe",))) == ()


def test_lists_become_tuples_so_that_an_axis_can_be_hashed():
    axis = TokenAxis(["a", "b"], special=[1], words=[0, None])
    assert axis == TokenAxis(("a", "b"), special=(1,), words=(0, None))
    assert hash(axis) == hash(TokenAxis(("a", "b"), special=(1,), words=(0, None)))
    assert hash(ItemAxis(["a"])) == hash(ItemAxis(("a",)))
    assert GridAxis(1, 1, leading=["class"]).leading == ("class",)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TokenAxis(()), "An axis has no tokens.*leave empty sequences out"),
        (lambda: ItemAxis(()), "An axis has no items"),
        (lambda: StepAxis(()), "An axis has no steps"),
        (lambda: ChannelAxis(0), "An axis has no channels"),
        (lambda: FrameAxis(0, 1.0), "An axis has no frames"),
        (lambda: GridAxis(0, 3), "An axis has no grid cells"),
        (lambda: GridAxis(-2, -3), "An axis has no grid cells"),
        (lambda: FrameAxis(3, 0.0), "0.0 seconds per frame.*positive"),
        (lambda: FrameAxis(3, math.nan), "nan seconds per frame"),
        (lambda: FrameAxis(3, math.inf), "inf seconds per frame"),
        (lambda: TokenAxis("fox"), "tokens of an axis are one text, 'fox'. Give a list"),
        (lambda: ItemAxis((1, 2)), "items of an axis hold 1, which is not text"),
        (lambda: TokenAxis(("a",), special=(1,)), "Special position 1 lies outside an axis of 1"),
        (lambda: TokenAxis(("a", "b"), words=(0,)), "2 tokens but 1 word indices.*None"),
    ],
)
def test_what_is_no_axis_is_refused(make, message):
    with pytest.raises(InvalidAttentionError, match=message):
        make()


def test_hostile_tokens_stay_as_they_are(hostile_tokens):
    assert TokenAxis(tuple(hostile_tokens)).labels == tuple(hostile_tokens)
