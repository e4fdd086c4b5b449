"""The scorer finds what is right, and says of everything else what is wrong with it."""

import numpy as np
import pytest

from tests.capture.programs import Truth
from tests.capture.programs.program import CANONICAL
from tests.capture.programs.scoring import score

W = np.random.default_rng(0).random((2, 3, 4, 5))
V = np.random.default_rng(1).random((2, 3, 4, 5))


def report(weights, name="a", kind="self", axes=CANONICAL):
    return (name, kind, axes, weights)


def test_the_same_weights_are_found():
    result = score([report(V, "b"), report(W + 1e-5)], [Truth(W, "self"), Truth(V, "self")])
    assert sorted(result.found) == [("a", 0), ("b", 1)]
    assert result.right


def test_what_matches_nothing_is_wrong_and_what_is_lacking_is_missed():
    result = score([report(W + 1e-3)], [Truth(W, "self")])
    assert (result.found, result.missed, result.wrong) == ([], [0], ["a"])
    assert not result.right


def test_a_truth_is_found_once():
    result = score([report(W, "a"), report(W + 1e-6, "b")], [Truth(W, "self")])
    assert (result.found, result.wrong) == ([("a", 0)], ["b"])


def test_the_tolerance_is_that_of_the_truth():
    assert score([report(W + 1e-2)], [Truth(W, "self", tolerance=2e-2)]).right


def test_the_kind_is_compared():
    result = score([report(W, kind="cross")], [Truth(W, "self")])
    assert result.mislabelled == [("a", "cross", "self")]
    assert not result.right
    assert score([report(W, kind="cross")], [Truth(W, "self", also_kinds=("cross",))]).right


def test_right_numbers_in_another_layout_are_misplaced():
    result = score([report(W.swapaxes(2, 3))], [Truth(W, "self")])
    assert (result.found, result.misplaced) == ([("a", 0)], ["a"])
    assert not result.right


def test_a_canonical_layout_goes_before_another_one():
    result = score([report(W.swapaxes(2, 3), "b"), report(W)], [Truth(W, "self")])
    assert (result.found, result.wrong, result.misplaced) == ([("a", 0)], ["b"], [])


def test_other_forms_are_accepted():
    assert score([report(V)], [Truth(W, "self", also=(V,))]).right


def test_optional_truths_and_kinds_left_out_are_excused():
    truths = [Truth(W, "self", optional="may be said"), Truth(V, "router")]
    result = score([], truths, left_out=frozenset({"router"}))
    assert (result.excused, result.missed) == ([0, 1], [])
    assert score([], truths).missed == [1]


@pytest.mark.parametrize("axis", [1, 3])
def test_a_family_may_be_joined(axis):
    parts = np.split(W, [1], axis)
    truths = [Truth(part, "self", family="heads") for part in parts]
    result = score([report(W)], truths)
    assert result.found == [("a", 0), ("a", 1)]
    assert result.right
    assert score([report(part, str(i)) for i, part in enumerate(parts)], truths).right


def test_a_family_may_be_reported_in_its_other_form():
    truths = [Truth(part, "self", family="f", also=(V,)) for part in (W, W + 1)]
    assert score([report(V)], truths).right


def test_numbers_that_are_not_finite_are_wrong():
    assert score([report(np.where(W > 0.9, np.nan, W))], [Truth(W, "self")]).wrong == ["a"]


def test_names_and_axes_are_told():
    truth = Truth(W[None], "self", ("layer", *CANONICAL), name_contains="block")
    result = score([report(W[None], axes=("step", *CANONICAL))], [truth])
    assert result.misnamed == [("a", "block")]
    assert result.axes == [("a", ("step", *CANONICAL), ("layer", *CANONICAL))]
    assert result.right
