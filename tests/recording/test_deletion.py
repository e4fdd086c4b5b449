import pytest

from attnreport._errors import InvalidAttentionError
from attnreport.recording import Deletion, DeletionCurve

CURVE = DeletionCurve("heaviest first", (0.9, 0.4))


def test_a_deletion_says_what_it_is_of():
    random = DeletionCurve("random", [0.9, 0.8], [[0.9, 0.9], [0.7, 0.85]])
    found = Deletion("probability", "words", [0, 0.2], [CURVE, random])
    assert found.curves[1].spread == ((0.9, 0.9), (0.7, 0.85))
    assert found.shares == (0.0, 0.2)
    assert repr(found) == (
        "Deletion('probability' without up to 20% of the words: 'heaviest first', 'random')"
    )


@pytest.mark.parametrize(
    ("shares", "curves", "message"),
    [
        ((0, 0.2), (), "at least one curve"),
        ((0, 0.2), (CURVE, CURVE), "2 curves of a deletion are called 'heaviest first'"),
        ((0, 0.1, 0.2), (CURVE,), "has 2 scores for 3 shares"),
        ((0,), (DeletionCurve("a", (1,)),), "rising from 0"),
        ((0.1, 0.2), (CURVE,), r"shares of a deletion are \[0.1, 0.2\]"),
        ((0, 0), (CURVE,), "rising from 0"),
        ((0, 1.1), (CURVE,), "at most 1"),
    ],
)
def test_what_is_no_deletion_is_refused(shares, curves, message):
    with pytest.raises(InvalidAttentionError, match=message):
        Deletion("probability", "words", shares, curves)


def test_scores_and_spread_must_fit_and_be_numbers():
    with pytest.raises(InvalidAttentionError, match="2 scores and a spread of 1"):
        DeletionCurve("random", (1, 0), ((1, 1),))
    with pytest.raises(InvalidAttentionError, match="not finite"):
        DeletionCurve("random", (1, float("nan")))
