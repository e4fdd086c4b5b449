"""Precision of the heaviest items, on examples worked by hand."""

import numpy as np
import pytest

from attnreport._errors import InvalidAttentionError
from attnreport.analysis import best_precision_at, precision_at


def truth(text: str) -> np.ndarray:
    return np.array([letter == "x" for letter in text])


def test_it_is_the_share_of_the_heaviest_that_are_relevant():
    weights = np.array([0.4, 0.05, 0.3, 0.2, 0.05])
    assert precision_at(weights, truth("x--xx"), 3) == pytest.approx(2 / 3)
    assert precision_at(weights, truth("-x--x"), 3) == 0
    assert precision_at(weights, truth("x-xx-"), 3) == 1


def test_of_equal_weights_any_may_be_taken():
    # One of the last two is taken beside the first: the relevant one in half of the cases.
    assert precision_at(np.array([0.6, 0.2, 0.2]), truth("x-x"), 2) == pytest.approx(0.75)
    # A draw at random of 2 out of 8, of which 2 are relevant.
    assert precision_at(np.full(8, 0.125), truth("x---x---"), 2) == pytest.approx(0.25)


def test_of_few_items_all_are_taken():
    assert precision_at(np.array([0.9, 0.1]), truth("x-"), 5) == pytest.approx(0.5)


def test_the_best_precision_is_bounded_by_how_many_are_relevant():
    assert best_precision_at(truth("-x----x--"), 5) == pytest.approx(0.4)
    assert best_precision_at(truth("xxxxxxx"), 5) == 1


@pytest.mark.parametrize(("weights", "relevant", "count"), [(3, "xx", 5), (0, "", 5), (2, "xx", 0)])
def test_what_cannot_be_ranked_is_refused(weights, relevant, count):
    with pytest.raises(InvalidAttentionError, match="one truth value per weight"):
        precision_at(np.ones(weights), truth(relevant), count)
