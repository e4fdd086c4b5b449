"""Queries and keys of a map fit its weights, or are refused."""

import dataclasses

import numpy as np
import pytest

from attnreport import AttnReportError
from attnreport.analysis import merge_words
from attnreport.recording import AttentionMap, Scoring, TokenAxis

QUERIES, KEYS, HEADS, FEATURES = TokenAxis(("a", "##b", "c")), TokenAxis(tuple("wxyz")), 2, 5


def vectors(positions, heads=HEADS, features=FEATURES):
    return np.ones((heads, positions, features), np.float32)


def attention(scoring, **fields) -> AttentionMap:
    weights = np.full((HEADS, 3, 4), 0.25, np.float32)
    return AttentionMap("map", weights, QUERIES, KEYS, scoring=scoring, **fields)


def test_vectors_of_each_head_and_position_fit():
    bias = np.zeros((1, 3, 4), np.float32)
    for scoring in (
        Scoring(vectors(3), vectors(4)),
        Scoring(vectors(3), vectors(4), 0.5, bias),
        Scoring(vectors(3), vectors(4), 0.5, np.repeat(bias, 2, axis=0)),
    ):
        assert attention(scoring).scoring is scoring
    assert attention(Scoring(vectors(3), vectors(4), None), logits=np.zeros((2, 3, 4))).logits.any


@pytest.mark.parametrize(
    ("scoring", "message"),
    [
        (lambda: Scoring(vectors(4), vectors(4)), r"The query vectors of .* \(2, 4, 5\)"),
        (lambda: Scoring(vectors(3), vectors(3)), r"The key vectors of .* \(2, 3, 5\)"),
        (lambda: Scoring(vectors(3), vectors(4, heads=1)), r"The key vectors"),
        (lambda: Scoring(vectors(3), vectors(4, features=4)), r"\[head, key, feature\]"),
        (lambda: Scoring(vectors(3), vectors(4), 1, np.zeros((1, 4, 3))), "The bias of"),
        (
            lambda: Scoring(vectors(3), vectors(4), None),
            "has no scale. Then give the map's `logits`",
        ),
        (lambda: Scoring(vectors(3)[0], vectors(4)), r"three axes"),
        (lambda: Scoring(vectors(3), vectors(4), float("nan")), "scale of a scoring is nan"),
        (lambda: Scoring(vectors(3) * np.nan, vectors(4)), "query of a scoring .* NaN"),
        (lambda: Scoring(vectors(3), vectors(4) * np.inf), "key of a scoring .* infinite"),
        (lambda: Scoring(np.ones((2, 3, 5), int), vectors(4)), "query are of type int64"),
    ],
)
def test_what_does_not_fit_is_refused(scoring, message):
    with pytest.raises(AttnReportError, match=message):
        attention(scoring())


def test_words_have_no_vectors():
    found = merge_words(attention(Scoring(vectors(3), vectors(4))))
    assert found.scoring is None
    assert len(found.query) == 2


def test_other_weights_need_their_own():
    with pytest.raises(AttnReportError, match="query vectors"):
        dataclasses.replace(
            attention(Scoring(vectors(3), vectors(4))),
            weights=np.full((1, 3, 4), 0.25, np.float32),
        )
