import numpy as np
import pytest

from attnreport._errors import InvalidAttentionError
from attnreport.analysis import head_importance

# What each of three heads gives to the score of each of eight examples.
GIVES = np.array([[0.5, 0.7] * 4, [0] * 8, [0.2, -0.2] * 4])


def test_a_head_is_worth_what_the_score_loses_without_it():
    found = head_importance(lambda kept: kept.astype(float) @ GIVES, 3)
    np.testing.assert_allclose(found.fall, [0.6, 0, 0], atol=1e-12)
    spread = [GIVES[head].std(ddof=1) / np.sqrt(8) for head in range(3)]
    np.testing.assert_allclose(found.error, spread, atol=1e-12)
    assert found.needed.tolist() == [True, False, False]


def test_the_best_of_many_heads_of_no_importance_is_seldom_called_needed():
    random = np.random.default_rng(3)
    named = 0
    for _ in range(100):
        falls = random.normal(size=(24, 10))
        named += head_importance(
            lambda kept, falls=falls: kept.astype(float) @ falls, 24
        ).needed.any()
    # Five in a hundred are to be expected, and twelve or more in one case of two hundred.
    assert named < 12


def test_a_head_that_is_needed_is_found_among_many_that_are_not():
    falls = np.random.default_rng(4).normal(size=(24, 10))
    falls[7] += 3
    found = head_importance(lambda kept: kept.astype(float) @ falls, 24)
    assert np.flatnonzero(found.needed).tolist() == [7]


def test_of_two_examples_no_head_can_be_shown_to_be_needed():
    found = head_importance(lambda kept: kept.astype(float) @ GIVES[:, :2], 3)
    assert not found.needed.any()


def test_each_version_lacks_one_head():
    seen = []

    def rescore(kept):
        seen.append(kept)
        return np.zeros((len(kept), 1))

    head_importance(rescore, 3)
    assert (~seen[0]).astype(int).tolist() == [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]


def test_of_one_example_nothing_is_known_for_sure():
    found = head_importance(lambda kept: kept.astype(float) @ GIVES[:, :1], 3)
    np.testing.assert_allclose(found.fall, GIVES[:, 0])
    assert np.isnan(found.error).all()
    assert not found.needed.any()


@pytest.mark.parametrize("scores", [np.zeros(4), np.zeros((3, 2)), np.zeros((4, 0))])
def test_scores_must_be_of_each_version_and_example(scores):
    with pytest.raises(InvalidAttentionError, match="one score per version and example"):
        head_importance(lambda kept: scores, 3)


def test_without_heads_nothing_can_be_left_out():
    with pytest.raises(InvalidAttentionError, match="Give at least one"):
        head_importance(lambda kept: np.zeros((1, 1)), 0)
