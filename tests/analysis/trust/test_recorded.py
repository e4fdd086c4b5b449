import numpy as np
import pytest

from attnreport._errors import InvalidAttentionError
from attnreport.analysis import (
    mean_trust,
    measure_trust,
    recorded_deletion,
    recorded_importance,
)
from attnreport.recording import LayerImportance, Recording

SHARES = (0.0, 0.25, 0.5)
WORTH = np.array([[4.0, 3, 2, 1], [1, 1, 5, 1]])


def trusts(weights, draws=20, shares=SHARES):
    """Of two inputs whose score is the sum of what their positions are worth."""
    return [
        measure_trust(lambda kept, own=own: kept @ own, weights, shares, draws=draws, seed=number)
        for number, own in enumerate(WORTH)
    ]


def test_the_mean_trust_is_that_of_the_mean_curves():
    one, other = trusts(np.array([4.0, 3, 2, 1]))
    mean = mean_trust([one, other])
    assert mean.deletion.tolist() == [9, 6.5, 4.5]
    # Without the first quarter and the first half, of the whole score.
    assert mean.comprehensiveness.value == pytest.approx((2.5 + 4.5) / 2)
    assert mean.sufficiency.value == pytest.approx(9 - (2.5 + 4.5) / 2)
    falls = []
    for draw in range(20):
        curves = (one.random_deletion[draw] + other.random_deletion[draw]) / 2
        falls.append(curves[0] - curves[1:].mean())
    assert mean.comprehensiveness.mean == pytest.approx(np.mean(falls))
    as_good = sum(fall >= 3.5 - 1e-9 for fall in falls)
    assert mean.comprehensiveness.chance == pytest.approx((1 + as_good) / 21)


def test_only_trusts_alike_have_a_mean():
    weights = np.arange(4.0)
    for found in ([], [*trusts(weights), *trusts(weights, draws=3)]):
        with pytest.raises(InvalidAttentionError, match="the same shares"):
            mean_trust(found)


def test_deletion_curves_are_put_down_with_their_chance_and_the_random_ones():
    good, bad = (mean_trust(trusts(np.array(w))) for w in ([4.0, 3, 2, 1], [1.0, 2, 3, 4]))
    found = recorded_deletion(
        {"good": good, "bad": bad}, score="sum", positions="words", data="2 texts"
    )
    first, second, random = found.curves
    assert (first.name, second.name, random.name) == ("good", "bad", "random order, 20 draws")
    assert first.scores == tuple(good.deletion)
    assert (first.chance, first.draws) == (good.comprehensiveness.chance, 20)
    assert random.chance is None
    assert random.scores == pytest.approx(good.random_deletion.mean(axis=0))
    assert random.spread[1] == (good.random_deletion[:, 1].min(), good.random_deletion[:, 1].max())
    assert (found.shares, found.data, found.positions) == (SHARES, "2 texts", "words")


def test_orders_at_different_shares_are_not_put_down_together():
    weights = np.arange(4.0)
    for found in ({}, {"a": trusts(weights)[0], "b": trusts(weights, shares=(0.0, 0.5))[0]}):
        with pytest.raises(InvalidAttentionError, match="at the same shares"):
            recorded_deletion(found, score="sum", positions="words", data="2 texts")


def recording_of(softmax_weights, *names):
    return Recording.from_arrays([softmax_weights(1, 2, 3, 3) for _ in names], names=names)


def test_what_heads_are_worth_is_put_down_layer_by_layer(softmax_weights):
    recording = recording_of(softmax_weights, "block[0]", "block[1]", "last")
    # In the order of the heads and not of the layers, as two loops may come.
    heads = [("block", (1, 0)), ("block", (0, 1)), ("block", (0, 0)), ("block", (1, 1))]
    scores = np.array([[1, 0.8], [0.9, 0.4], [1, 0.8], [0, 0], [1.2, 0.8]])
    found = recorded_importance(recording, heads, scores, score="probability", data="2 texts")
    first, second = found.layers
    group = recording.examples[0].maps[0].group
    assert (first.group, first.layer, second.layer) == (group, 0, 1)
    assert first.falls == pytest.approx((0.9, 0))
    assert second.falls == pytest.approx((0.25, -0.1))
    # Of the differences 0.1 and 0.4: deviation / sqrt(2).
    assert first.needed == second.needed == (False, False)
    assert second.errors[0] == pytest.approx(np.std([0.1, 0.4], ddof=1) / np.sqrt(2))


def test_of_one_input_no_error_is_known(softmax_weights):
    recording = recording_of(softmax_weights, "last")
    heads = [("last", (0,)), ("last", (1,))]
    scores = np.array([[1.0], [0.5], [1.0]])
    found = recorded_importance(recording, heads, scores, score="probability", data="a text")
    assert found.layers == (LayerImportance(recording.examples[0].maps[0].group, 0, (0.5, 0)),)


def test_falls_of_a_score_that_can_only_fall_are_not_tested(softmax_weights):
    recording = recording_of(softmax_weights, "last")
    heads, scores = [("last", (0,)), ("last", (1,))], np.array([[1.0] * 9, [0.5] * 9, [0.9] * 9])
    for tested in (True, False):
        found = recorded_importance(
            recording, heads, scores, score="likeness", data="9 texts", tested=tested
        )
        assert found.layers[0].needed == ((True, True) if tested else ())
        assert found.layers[0].errors == (0, 0)


def test_heads_of_another_model_are_refused(softmax_weights):
    recording = recording_of(softmax_weights, "last")
    for heads, message in (
        ([("other", (0,))], "no map called other"),
        ([("last", (0,))], "which has 2 heads here, 1 were measured"),
    ):
        with pytest.raises(InvalidAttentionError, match=message):
            recorded_importance(recording, heads, np.ones((2, 1)), score="s", data="d")
