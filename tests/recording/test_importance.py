import dataclasses

import numpy as np
import pytest

from attnreport._errors import InvalidAttentionError
from attnreport.recording import DeletionCurve, Importance, LayerImportance, Recording

LAYER = LayerImportance("encoder", np.int64(2), (0.1, -0.2), (0.01, 0), np.array([True, False]))


def test_an_importance_says_what_it_is_of():
    found = Importance("probability", "3 texts", [LAYER, LayerImportance("decoder", 2, [0])])
    assert repr(found) == "Importance('probability' without each of 3 heads, 3 texts)"
    assert found.of("encoder", 2) == LAYER
    assert LAYER.needed == (True, False)
    assert [type(each) for each in (LAYER.layer, LAYER.needed[0])] == [int, bool]
    assert found.of("decoder", 2).errors == ()
    assert found.of("encoder", 0) is None


@pytest.mark.parametrize(
    ("falls", "errors", "message"),
    [
        ((), (), "0 falls"),
        ((1, 2), (1,), "2 falls, 1 errors"),
        ((float("nan"),), (), "not finite"),
        ((1,), (float("inf"),), "not finite"),
        ((1,), (-1,), "below 0"),
    ],
)
def test_what_is_no_importance_of_a_layer_is_refused(falls, errors, message):
    with pytest.raises(InvalidAttentionError, match=f"layer 7 of group 'a' .*{message}"):
        LayerImportance("a", 7, falls, errors)


def test_each_head_of_a_layer_is_said_to_be_needed_or_none():
    with pytest.raises(InvalidAttentionError, match="says of 1 heads"):
        LayerImportance("a", 7, (1, 2), needed=(True,))


def test_what_one_model_loses_is_not_told_of_another(tiny_recording):
    told = dataclasses.replace(tiny_recording, importance=Importance("s", "d", (LAYER,)))
    assert Recording.join_examples([told, tiny_recording]).importance is None
    assert Recording.join_examples([told, told]).importance == told.importance


@pytest.mark.parametrize("layers", [(), (LAYER, LAYER)])
def test_each_layer_is_measured_once(layers):
    with pytest.raises(InvalidAttentionError, match="once, at least one"):
        Importance("probability", "a text", layers)


@pytest.mark.parametrize("chance", [0, 1.1, float("nan")])
def test_the_chance_of_a_deletion_curve_is_a_probability(chance):
    with pytest.raises(InvalidAttentionError, match="chance of"):
        DeletionCurve("heaviest first", (1, 0), chance=chance)
