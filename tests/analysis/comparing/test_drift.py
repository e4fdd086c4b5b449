import dataclasses
import math

import numpy as np
import pytest

from attnreport._errors import InvalidAttentionError, UnknownNameError
from attnreport.analysis import MEASURES, TOLERANCES, Difference, check_drift, row_statistics
from attnreport.recording import AttentionMap, Example, Recording, Source, TokenAxis

STRAIGHT = [[[1, 0], [0, 1]]]
BENT = [[[0.5, 0.5], [0, 1]]]


def a_map(weights, name="layer", tokens=None, **options):
    weights = np.array(weights, np.float32)
    size = weights.shape[-1]
    axis = TokenAxis(tuple(tokens or "abcdefgh"[:size]))
    query = TokenAxis(tuple("abcdefgh"[: weights.shape[-2]])) if tokens is None else axis
    return AttentionMap(name, weights, query, axis, **options)


def recording(*examples, model=""):
    """A recording of examples that are lists of maps, called 0, 1 and so on."""
    return Recording(
        tuple(Example(str(number), maps) for number, maps in enumerate(examples)),
        source=Source(model=model),
    )


def drifts(found, head=0):
    return {each.statistic: each for each in found.drifts if each.head == head}


def test_worked_by_hand():
    found = check_drift(recording([a_map(BENT)]), recording([a_map(STRAIGHT)]))
    both = {name: (each.value, each.baseline) for name, each in drifts(found).items()}
    # Only the first row changed, from (1, 0) to (1/2, 1/2); the middle of these is (3/4, 1/4).
    row_distance = math.sqrt(2 - 0.75 * math.log2(3) - 0.5)
    expected = {
        "row distance": (row_distance / 2, 0),
        "entropy": (0.5, 0),
        "normalized entropy": (0.5, 0),
        "keys for 90%": (1.5, 1),
        "confidence": (0.75, 1),
        "mean distance": (0.25, 0),
        "itself": (0.75, 1),
        "previous": (0, 0),
        "next": (0.5, 0),
        "first": (0.25, 0.5),
    }
    for name, values in expected.items():
        assert both[name] == pytest.approx(values, abs=1e-6), name
    assert (found.heads, found.examples, found.differences, found.notes) == (1, 1, (), ())
    assert not found.within
    assert {"entropy", "row distance", "next"} <= {each.statistic for each in found.beyond}
    assert {"previous", "mean distance", "keys for 90%"}.isdisjoint(
        each.statistic for each in found.beyond
    )


def test_values_are_means_over_examples():
    # The second example has no row that changes, so half of the change is left.
    found = check_drift(
        recording([a_map(BENT)], [a_map(STRAIGHT)]), recording(*[[a_map(STRAIGHT)]] * 2)
    )
    assert drifts(found)["entropy"].value == pytest.approx(0.25)
    assert drifts(found)["itself"].difference == pytest.approx(-0.125)
    assert (found.heads, found.examples) == (1, 2)


def test_changes_that_leave_all_means_alone_are_seen_in_the_rows():
    here = [[0, 0.25, 0.75], [0, 1, 0], [0.75, 0.25, 0]]
    swapped = [row[::-1] for row in here]
    found = check_drift(
        recording([a_map([here])], [a_map([swapped])]),
        recording([a_map([swapped])], [a_map([here])]),
    )
    rows = drifts(found).pop("row distance")
    assert all(each.difference == 0 for each in found.drifts if each is not rows)
    assert rows.value > TOLERANCES["row distance"]
    assert found.beyond == (rows,)


def test_a_change_as_large_as_the_tolerance_is_within_it():
    pair = recording([a_map(BENT)]), recording([a_map(STRAIGHT)])
    others = dict.fromkeys(TOLERANCES, math.inf)
    assert check_drift(*pair, {**others, "entropy": 0.5}).within
    found = check_drift(*pair, {**others, "entropy": 0.49})
    assert not found.within
    assert [each.statistic for each in found.drifts] == ["entropy"]
    assert found.beyond[0].severity == pytest.approx(0.5 / 0.49)


def test_no_tolerance_at_all_lets_only_the_same_pass():
    nothing = dict.fromkeys(TOLERANCES, 0.0)
    same = recording([a_map(BENT)])
    assert check_drift(same, same, nothing).within
    found = check_drift(same, recording([a_map(STRAIGHT)]), nothing)
    assert {each.severity for each in found.drifts} == {0, math.inf}


def test_a_recording_agrees_with_itself(tiny_recording, cross_recording):
    for each in (tiny_recording, cross_recording):
        found = check_drift(each, each, dict.fromkeys(TOLERANCES, 1e-9))
        assert found.within
        heads = {(drift.map, drift.head) for drift in found.drifts}
        assert len(heads) == found.heads == sum(one.heads for one in each.examples[0].maps)


def test_statistics_are_those_of_the_rows(tiny_recording):
    found = check_drift(tiny_recording, tiny_recording)
    for attention in tiny_recording.examples[0].maps:
        for name, statistic in row_statistics(attention).items():
            values = [
                each.value
                for each in found.drifts
                if (each.map, each.statistic) == (attention.name, name)
            ]
            means = statistic.by_head()
            assert values == pytest.approx(means[~np.isnan(means)])


def test_gates_that_only_become_weaker_are_seen():
    def gates(*strengths):
        weights = [np.array(BENT[0]) * strength for strength in strengths]
        return recording([a_map(weights, kind="gate", normalized=False)])

    found = check_drift(gates(0.5, 0.97), gates(1, 1))
    (beyond,) = found.beyond
    assert (beyond.head, beyond.statistic, beyond.baseline) == (0, "strength", 1)
    assert beyond.value == pytest.approx(0.5)
    assert check_drift(gates(0.97, 1.03), gates(1, 1)).within
    # Shares cannot become weaker.
    assert "strength" not in drifts(check_drift(recording([a_map(BENT)]), recording([a_map(BENT)])))


@pytest.mark.parametrize("lost_here", [True, False])
def test_a_value_that_only_one_has_is_beyond(lost_here):
    silent = recording([a_map([[[0, 0], [0, 0]]], kind="gate", normalized=False)])
    loud = recording([a_map(STRAIGHT, kind="gate", normalized=False)])
    found = check_drift(silent, loud) if lost_here else check_drift(loud, silent)
    entropy = drifts(found)["entropy"]
    assert math.isnan(entropy.value) == lost_here
    assert math.isnan(entropy.baseline) != lost_here
    assert (entropy.beyond, entropy.severity) == (True, math.inf)
    assert "row distance" not in drifts(found)  # no row of both looks anywhere
    assert check_drift(silent, silent).drifts == ()


def test_a_value_that_is_lost_in_one_example_is_beyond():
    silent, loud = (
        a_map(weights, kind="gate", normalized=False) for weights in ([[[0, 0], [0, 0]]], BENT)
    )
    found = check_drift(recording([loud], [silent]), recording([loud], [loud]))
    entropy = drifts(found)["entropy"]
    assert math.isnan(entropy.value)
    assert entropy.baseline == pytest.approx(0.5)
    # What both lack in the same example, neither misses.
    same = recording([loud], [silent])
    assert drifts(check_drift(same, same))["entropy"].value == pytest.approx(0.5)
    assert check_drift(same, same).within


def test_every_statistic_has_a_tolerance():
    assert set(TOLERANCES) == {"row distance", "strength", *MEASURES}


MARKED = TokenAxis(("a", "b"), special=(0,))
OTHER = {
    "has 1 head here and 2 in the baseline": a_map(STRAIGHT * 2),
    "has 2 queries x 2 keys here and 3 queries x 3 keys in the baseline": a_map([np.eye(3)]),
    "has another query: position 1 is 'b' here and 'x' in the baseline": a_map(
        STRAIGHT, tokens="ax"
    ),
    "is self attention here and cross attention in the baseline": a_map(STRAIGHT, kind="cross"),
    "has another query: position 0, 'a', is a marker only in the baseline": AttentionMap(
        "layer", np.array(STRAIGHT, np.float32), MARKED, MARKED
    ),
}


@pytest.mark.parametrize("what", OTHER)
def test_maps_that_look_at_something_else_are_not_compared(what):
    found = check_drift(recording([a_map(STRAIGHT)]), recording([OTHER[what]]))
    assert found.differences == (Difference(what, ("layer",), ("0",)),)
    assert (found.drifts, found.heads, found.examples, found.within) == ((), 0, 0, False)


def test_keys_are_held_against_each_other_too():
    query = TokenAxis(("a", "b"))
    here, there = (
        AttentionMap("layer", np.array(STRAIGHT, np.float32), query, TokenAxis(key), "cross")
        for key in (("x", "y"), ("x", "z"))
    )
    what = "has another key: position 1 is 'y' here and 'z' in the baseline"
    assert check_drift(recording([here]), recording([there])).differences == (
        Difference(what, ("layer",), ("0",)),
    )


def test_another_mask_is_a_difference_and_the_heads_are_compared_still():
    causal = a_map(STRAIGHT, mask=np.tri(2, dtype=bool))
    found = check_drift(recording([a_map(STRAIGHT)]), recording([causal]))
    what = "has another mask: it differs in 1 of 4 cells"
    assert found.differences == (Difference(what, ("layer",), ("0",)),)
    assert found.heads == 1
    everywhere = a_map(STRAIGHT, mask=np.ones((2, 2), dtype=bool))
    assert check_drift(recording([a_map(STRAIGHT)]), recording([everywhere])).within


def test_maps_and_examples_that_only_one_has_are_told_together():
    first, second, third = (a_map(STRAIGHT, name, group=name) for name in ("one", "two", "three"))
    found = check_drift(
        recording([first, second], [first, second]),
        recording([first, third], [first, third], [first]),
    )
    assert set(found.differences) == {
        Difference("is not in the baseline", ("two",), ("0", "1")),
        Difference("is missing: only the baseline has it", ("three",), ("0", "1")),
        Difference("is missing: only the baseline has it", (), ("2",)),
    }
    assert (found.heads, found.examples) == (1, 2)
    assert check_drift(recording([first], [first]), recording([first])).differences == (
        Difference("is not in the baseline", (), ("1",)),
    )


def test_renamed_maps_are_matched_by_their_layer():
    here = [a_map(BENT, "block_0"), a_map(STRAIGHT, "same"), a_map(STRAIGHT, "block_2")]
    there = [a_map(STRAIGHT, "layers.0"), a_map(STRAIGHT, "same"), a_map(BENT, "layers.2")]
    found = check_drift(recording(here), recording(there))
    changes = {each.map: each.difference for each in found.drifts if each.statistic == "entropy"}
    assert changes == {"block_0": 0.5, "same": 0.0, "block_2": -0.5}
    assert found.differences == ()
    assert found.notes == (
        "Map 'block_0' is compared with 'layers.0' of the baseline, which is the same layer of "
        "its group.",
        "Map 'block_2' is compared with 'layers.2' of the baseline, which is the same layer of "
        "its group.",
    )


def test_a_name_comes_before_a_layer():
    swapped = recording([a_map(BENT, "b"), a_map(STRAIGHT, "a")])
    found = check_drift(swapped, recording([a_map(STRAIGHT, "a"), a_map(BENT, "b")]))
    assert found.within
    assert found.notes == ()


def test_no_map_is_matched_twice():
    found = check_drift(
        recording([a_map(STRAIGHT, "a"), a_map(BENT, "b")]),
        recording([a_map(BENT, "b"), a_map(STRAIGHT, "c")]),
    )
    assert {each.map for each in found.drifts} == {"b"}
    assert found.differences == (
        Difference("is not in the baseline", ("a",), ("0",)),
        Difference("is missing: only the baseline has it", ("c",), ("0",)),
    )


def test_calls_of_one_module_are_told_apart():
    twice = recording([a_map(STRAIGHT), a_map(BENT)])
    found = check_drift(twice, recording([a_map(STRAIGHT), a_map(STRAIGHT)]))
    assert {(each.call, each.layer) for each in found.beyond} == {(1, 1)}
    assert found.heads == 2


def test_another_model_is_told_and_fails_nothing():
    found = check_drift(
        recording([a_map(BENT)], model="new"), recording([a_map(BENT)], model="old")
    )
    assert found.notes == ("The model is 'new' here and 'old' in the baseline.",)
    assert found.within


def test_nothing_in_common_is_not_agreement():
    left = recording([a_map(STRAIGHT)])
    right = dataclasses.replace(left, examples=(Example("other", left.examples[0].maps),))
    found = check_drift(left, right)
    assert (found.heads, found.within) == (0, False)


def test_tolerances_that_make_no_sense_are_refused():
    same = recording([a_map(STRAIGHT)])
    with pytest.raises(UnknownNameError, match=r"There is no statistic 'entropie'\. Choose from"):
        check_drift(same, same, {"entropie": 1})
    for value in (-1, math.nan):
        with pytest.raises(InvalidAttentionError, match="tolerance of sink is"):
            check_drift(same, same, {"sink": value})
