import pytest

from attnreport._errors import InvalidAttentionError
from attnreport.recording import DeletionCurve, Importance, LayerImportance

LAYER = LayerImportance("encoder", 2, (0.1, -0.2), (0.01, 0))


def test_an_importance_says_what_it_is_of():
    found = Importance("probability", "3 texts", [LAYER, LayerImportance("decoder", 2, [0])])
    assert repr(found) == "Importance('probability' without each of 3 heads, 3 texts)"
    assert found.of("encoder", 2) == LAYER
    assert found.of("decoder", 2).errors == ()
    assert found.of("encoder", 0) is None


@pytest.mark.parametrize(
    ("falls", "errors", "message"),
    [
        ((), (), "0 falls"),
        ((1, 2), (1,), "2 falls and 1 errors"),
        ((float("nan"),), (), "not finite"),
        ((1,), (float("inf"),), "not finite"),
        ((1,), (-1,), "below 0"),
    ],
)
def test_what_is_no_importance_of_a_layer_is_refused(falls, errors, message):
    with pytest.raises(InvalidAttentionError, match=f"layer 7 of group 'a' .*{message}"):
        LayerImportance("a", 7, falls, errors)


@pytest.mark.parametrize("layers", [(), (LAYER, LAYER)])
def test_each_layer_is_measured_once(layers):
    with pytest.raises(InvalidAttentionError, match="once, at least one"):
        Importance("probability", "a text", layers)


@pytest.mark.parametrize("chance", [0, 1.1, float("nan")])
def test_the_chance_of_a_deletion_curve_is_a_probability(chance):
    with pytest.raises(InvalidAttentionError, match="chance of"):
        DeletionCurve("heaviest first", (1, 0), chance=chance)
