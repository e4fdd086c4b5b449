import dataclasses
import math

import numpy as np
import pytest

from attnreport._errors import InvalidAttentionError
from attnreport.recording import Confusion, Curve, Example, Picture, Recording, Training

COUNTS = np.array([[5, 1], [0, 4]])
CURVE = Curve("loss", (0, 10), (2.0, 1.0))


def test_a_confusion_is_compared_by_content_and_cannot_be_changed():
    counts = COUNTS.copy()
    found, same = Confusion(("cat", "dog"), counts), Confusion(["cat", "dog"], COUNTS.tolist())
    assert found == same
    assert hash(found) == hash(same)
    assert found != Confusion(("cat", "dog"), COUNTS.T)
    assert found != Confusion(("cat", "cow"), COUNTS)
    assert found != "a confusion"
    counts[0, 0] = 7
    assert found == same
    with pytest.raises(ValueError, match="read-only"):
        found.counts[0, 0] = 7
    assert found.counts.dtype == np.int64
    assert repr(found) == "Confusion(2 classes, 10 examples)"


def test_curves_take_numbers_of_any_library():
    found = Curve("loss", np.array([0, 10]), np.array([0.5, np.nan], np.float32))
    assert found.steps == (0, 10)
    assert [type(step) for step in found.steps] == [int, int]
    assert found.values[0] == 0.5
    assert math.isnan(found.values[1])
    training = Training([found, CURVE.__class__("accuracy", [3], [1])], chosen=np.int64(10))
    assert type(training.chosen) is int
    assert repr(training) == "Training('loss', 'accuracy', step 10 chosen)"
    assert repr(Training((CURVE,))) == "Training('loss')"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Confusion("ab", COUNTS), "are one text, 'ab'. Give a list"),
        (lambda: Confusion((), np.zeros((0, 0), int)), "classes of a confusion are none"),
        (lambda: Confusion((0, 1), COUNTS), "hold 0, which is not text"),
        (lambda: Confusion(("a", "a"), COUNTS), "2 classes of a confusion are called 'a'"),
        (lambda: Confusion(("a",), COUNTS), r"shape \(2, 2\) for 1 classes.*\[target, output\]"),
        (lambda: Confusion(("a", "b"), COUNTS / 10), "type float64. Give whole numbers"),
        (lambda: Confusion(("a", "b"), -COUNTS), "go from -5 to 0.*none is negative"),
        (lambda: Confusion(("a", "b"), 0 * COUNTS), "go from 0 to 0.*not all are 0"),
        (lambda: Curve("loss", (), ()), "Curve 'loss' has 0 steps and 0 values"),
        (lambda: Curve("loss", (1, 2), (0.5,)), "has 2 steps and 1 values. Give one value per"),
        (lambda: Curve("loss", (1, 1), (0.5, 0.5)), "has step 1 after step 1. Give the steps in"),
        (lambda: Training(()), "at least one curve, and got none"),
        (lambda: Training((CURVE, CURVE)), "2 curves of a training are called 'loss'"),
    ],
)
def test_what_is_no_outcome_is_refused(make, message):
    with pytest.raises(InvalidAttentionError, match=message):
        make()


def outcomes(recording: Recording) -> tuple:
    return recording.confusion, recording.training, recording.examples[0].picture


@pytest.fixture
def told(tiny_recording) -> Recording:
    """A recording with outcomes and a picture."""
    (example,) = tiny_recording.examples
    return Recording(
        (dataclasses.replace(example, picture=Picture(np.zeros((1, 1, 1), np.uint8))),),
        confusion=Confusion(("cat", "dog"), COUNTS),
        training=Training((CURVE,), chosen=10),
    )


def test_a_selection_and_a_join_keep_them(told, tiny_recording):
    assert None not in outcomes(told)
    assert outcomes(told.select(layers=[1])) == outcomes(told)
    assert outcomes(Recording.join_examples([told, tiny_recording])) == outcomes(told)
    other = Recording.from_arrays(np.full((1, 1, 2, 2), 0.5), group="other")
    assert outcomes(Recording.join_groups([other, told])) == outcomes(told)
    assert outcomes(tiny_recording) == (None, None, None)


def test_printed_a_recording_says_them(told):
    assert repr(told).splitlines()[-3:] == [
        "  Confusion(2 classes, 10 examples)",
        "  Training('loss', step 10 chosen)",
        ")",
    ]


@pytest.mark.parametrize(
    ("output", "target", "right"),
    [("cat", "cat", True), ("cat", "dog", False), ("", "cat", None), ("cat", "", None)],
)
def test_an_example_is_right_when_the_output_is_the_target(output, target, right, tiny_recording):
    maps = tiny_recording.examples[0].maps
    assert Example("a", maps, output=output, target=target).right is right
