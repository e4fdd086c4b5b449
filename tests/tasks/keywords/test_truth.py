import numpy as np
import pytest

from attnreport.tasks.keywords.collection import Passage
from attnreport.tasks.keywords.truth import DistinctWords, Precision, word_precision

PASSAGE = Passage("x", ("The", "cat", "saw", "the", "Cats,", "and", "ran", "home."), "animals")


def test_the_weights_of_a_word_are_added_up():
    words = DistinctWords.of(PASSAGE)
    assert words.keys == ("the", "cat", "saw", "cats", "and", "ran", "home")
    weights = np.array([0.1, 0.3, 0.0, 0.1, 0.2, 0.1, 0.1, 0.1])
    assert words.sums(weights) == pytest.approx([0.2, 0.3, 0, 0.2, 0.1, 0.1, 0.1])


def test_words_of_a_title_are_found_by_their_roots():
    named = DistinctWords.of(PASSAGE).named({"cat", "home"})
    assert named.tolist() == [False, True, False, True, False, False, True]


def test_the_words_of_highest_value_are_five_and_never_worthless():
    words = DistinctWords.of(PASSAGE)
    values = np.array([1.0, 5, 4, 1, 3, 0, 1, 2])
    found = [word for word, is_in in zip(words.keys, words.heaviest(values), strict=True) if is_in]
    # Of `the` and `ran`, both 1, the first is taken.
    assert found == ["the", "cat", "saw", "cats", "home"]
    assert words.heaviest(np.array([0.0, 2, 0, 0, 1, 0, 0, 0])).sum() == 2


def test_precision_stands_beside_the_best_and_chance():
    words = DistinctWords.of(PASSAGE)
    weights = np.array([0.3, 0.25, 0.0, 0.0, 0.15, 0.12, 0.18, 0.0])
    found = word_precision(words, weights, words.named({"cat", "home"}))
    # Heaviest five: the, cat, cats, and, ran. Right are cat, cats and home.
    assert found == Precision(pytest.approx(2 / 5), pytest.approx(3 / 5), pytest.approx(3 / 7))


def test_without_a_word_that_is_right_there_is_no_precision():
    words = DistinctWords.of(PASSAGE)
    assert word_precision(words, np.ones(8), words.named({"dog"})) is None
