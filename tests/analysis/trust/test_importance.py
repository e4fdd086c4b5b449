import numpy as np
import pytest

from attnreport._errors import InvalidAttentionError
from attnreport.analysis import head_importance

# What each of three heads gives to the score of each of four examples.
GIVES = np.array([[0.5, 0.7, 0.5, 0.7], [0, 0, 0, 0], [0.2, -0.2, 0.2, -0.2]])


def test_a_head_is_worth_what_the_score_loses_without_it():
    found = head_importance(lambda kept: kept.astype(float) @ GIVES, 3)
    np.testing.assert_allclose(found.fall, [0.6, 0, 0], atol=1e-12)
    spread = [GIVES[head].std(ddof=1) / 2 for head in range(3)]
    np.testing.assert_allclose(found.error, spread, atol=1e-12)
    assert found.needed.tolist() == [True, False, False]


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
