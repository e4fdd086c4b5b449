"""What cannot be shown is refused with the place and the fix, not drawn."""

import dataclasses

import numpy as np
import pytest

from attnreport._errors import InvalidAttentionError, UnknownNameError
from attnreport.recording import AttentionMap, Example, Metric, Recording, TokenAxis
from attnreport.report import render_report


def recording_of(weights, **options) -> Recording:
    array = np.asarray(weights, dtype=np.float32)[np.newaxis]
    query = TokenAxis(tuple("abcdef"[: array.shape[1]]))
    key = TokenAxis(tuple("abcdef"[: array.shape[2]]))
    attention = AttentionMap("layer", array, query, key, **options)
    return Recording((Example("only", (attention,)),))


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        ([[np.nan, 1.0], [0.5, 0.5]], "nan"),
        ([[3.0, -4.0], [1.0, 2.0]], "between 0 and 1|0 and 1"),
        ([[0.9, 0.9], [0.5, 0.5]], "sum"),
    ],
)
def test_a_map_made_by_hand_is_checked_before_it_is_drawn(weights, says):
    with pytest.raises(InvalidAttentionError, match=f"(?i)'layer'.*head 0.*({says})"):
        render_report(recording_of(weights))


def test_what_need_not_sum_to_one_may_exceed_it_unless_it_is_a_gate():
    strong = [[0.9, 3.5], [0.1, 0.0]]
    assert '"largest":3.5,' in render_report(recording_of(strong, normalized=False))
    with pytest.raises(InvalidAttentionError, match=r"is 3\.5\. .*between 0 and 1"):
        render_report(recording_of(strong, normalized=False, kind="gate"))


def test_a_gate_may_sum_to_anything():
    page = render_report(recording_of([[0.9, 0.9], [0.1, 0.0]], kind="gate", normalized=False))
    assert "every row sums to 1" not in page


def test_an_unknown_precision_is_answered_with_the_known_ones():
    with pytest.raises(UnknownNameError, match=r"'u4'.*float32, u16, u8"):
        render_report(recording_of([[1.0]]), precision="u4")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(("value", "shown"), [(float("nan"), "not a number"), (float("inf"), "∞")])
@pytest.mark.parametrize("percent", [True, False])
def test_a_metric_that_is_no_number_is_shown_as_such(value, shown, percent):
    recording = recording_of([[0.5, 0.5], [0.5, 0.5]])
    recording = dataclasses.replace(recording, metrics=(Metric("loss", value, percent=percent),))
    assert shown in render_report(recording)
