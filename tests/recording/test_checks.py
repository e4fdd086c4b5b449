"""Checks beyond the three that every map has, and the worst of them over many maps."""

import math

import numpy as np
import pytest

from attnreport.recording import Check, Checks, worst_checks


def test_a_check_says_nothing_by_default():
    check = Check("output reproduced")
    assert (check.value, check.unit, check.held, check.detail) == (None, "", None, "")
    assert Checks().others == ()


def test_numbers_and_verdicts_of_numpy_become_those_of_python():
    check = Check("a", np.float32(0.5), held=np.True_)
    assert type(check.value) is float
    assert check.held is True
    assert Checks(others=[check]).others == (check,)


def worst(*columns, name="a"):
    """The worst of checks called `name`; a column of them per map."""
    places = [(f"map {i}", Checks(others=tuple(column))) for i, column in enumerate(columns)]
    (found,) = [each for each in worst_checks(places) if each.check.name == name]
    return found


def of(value=None, held=None, **fields):
    return [Check("a", value, held=held, **fields)]


@pytest.mark.parametrize(
    ("columns", "value", "place"),
    [
        ([of(1.0), of(-3.0), of(2.0)], -3.0, "map 1"),
        ([of(1.0), of(1.0)], 1.0, "map 0"),
        ([of(9.0, True), of(0.1, False), of(5.0)], 0.1, "map 1"),
        ([of(0.1, False), of(0.2, False), of(9.0, True)], 0.2, "map 1"),
        ([of(None), of(0.0)], 0.0, "map 1"),
        ([of(1e300), of(-math.inf)], -math.inf, "map 1"),
        ([of(), of()], None, "map 0"),
    ],
)
def test_the_worst_is_the_largest_and_a_failure_beats_it(columns, value, place):
    found = worst(*columns)
    assert (found.check.value, found.place) == (value, place)


def test_not_a_number_is_worse_than_any_number():
    found = worst(of(math.inf), of(math.nan), of(3.0))
    assert math.isnan(found.check.value)
    assert found.place == "map 1"


@pytest.mark.parametrize(
    ("columns", "outcome"),
    [
        ([of(1.0, True)], "held"),
        ([of(1.0, True), of(1.0, True)], "held"),
        ([of(1.0, True), []], "held in 1 of 2"),
        ([of(1.0, True), of(1.0)], "held in 1 of 2"),
        ([of(1.0, False)], "failed"),
        ([of(1.0, False), of(1.0, True), []], "failed in 1 of 3"),
        ([of(1.0), []], "not judged"),
    ],
)
def test_the_outcome_claims_no_more_than_was_proved(columns, outcome):
    assert worst(*columns).outcome == outcome


def test_a_map_that_states_a_check_twice_counts_once():
    found = worst([*of(1.0, True), *of(2.0, False)], of(1.0, True))
    assert (found.failed, found.held, found.maps) == (1, 1, 2)
    assert worst([*of(1.0, True), *of(2.0)]).outcome == "not judged"


def test_each_name_is_told_once_in_the_order_of_its_first_mention():
    places = [
        ("x", Checks(others=(Check("b"), Check("a", 1.0, "bits", detail="first")))),
        ("y", Checks(others=(Check("c"), Check("a", 2.0, "nats", detail="second")))),
    ]
    found = worst_checks(places)
    assert [each.check.name for each in found] == ["b", "a", "c"]
    assert found[1].check == Check("a", 2.0, "nats", detail="second")


def test_without_checks_there_is_nothing_to_tell():
    assert worst_checks([("x", Checks())]) == ()
    assert worst_checks([]) == ()
