"""Choice of attentions, layers and heads, and what is said of what there is not."""

import re

import pytest

from attnreport._errors import CaptureError
from attnreport.capture.choice.options import Options
from attnreport.capture.choice.selection import Candidate, choices, numbered, usual_group


def candidate(name, kind="self", *, layers=(0,), heads=4, guessed=False):
    return Candidate(name, kind, usual_group(name, kind), tuple(layers), heads, guessed)


CANDIDATES = [
    candidate("encoder.0", layers=[0]),
    candidate("encoder.1", layers=[1]),
    candidate("decoder.self", layers=range(3), heads=2),
    candidate("decoder.cross", "cross", layers=range(3)),
    candidate("router", "router", heads=1),
]
ALL = (0, 1, 2, 3)


def kept(**options):
    """Layers and heads that are kept of each candidate, by its name."""
    chosen = choices(CANDIDATES, Options(**options))
    return {
        each.name: dict(zip(choice.layers, choice.heads, strict=True))
        for each, choice in zip(CANDIDATES, chosen, strict=True)
        if not choice.left_out
    }


def test_layers_count_on_in_each_group():
    groups = ["a", "b", "a", "a", "b"]
    assert numbered(groups, [1, 2, 3, 0, 1]) == [(0,), (0, 1), (1, 2, 3), (), (2,)]


def test_nothing_asked_for_is_everything_but_routers():
    assert kept() == {
        "encoder.0": {0: ALL},
        "encoder.1": {1: ALL},
        "decoder.self": dict.fromkeys(range(3), (0, 1)),
        "decoder.cross": dict.fromkeys(range(3), ALL),
    }
    assert list(kept(kinds=["router"])) == ["router"]


def test_layers_are_chosen_in_every_group():
    assert kept(layers=1) == {
        "encoder.1": {1: ALL},
        "decoder.self": {1: (0, 1)},
        "decoder.cross": {1: ALL},
    }
    assert kept(layers=range(2, 3), select="*.cross") == {"decoder.cross": {2: ALL}}


def test_heads_are_chosen_where_there_are_such():
    assert kept(heads=[3, 0], select="encoder.0") == {"encoder.0": {0: (0, 3)}}
    # The decoder's own attention has two heads.
    assert "decoder.self" not in kept(heads=[2, 3])


def test_heads_are_chosen_by_layer_and_name_and_the_first_that_fits_counts():
    assert kept(heads={1: 0}) == {
        "encoder.1": {1: (0,)},
        "decoder.self": {1: (0,)},
        "decoder.cross": {1: (0,)},
    }
    assert kept(heads={"decoder.*": None, 0: [1, 2]}) == {
        "encoder.0": {0: (1, 2)},
        "decoder.self": dict.fromkeys(range(3), (0, 1)),
        "decoder.cross": dict.fromkeys(range(3), ALL),
    }
    assert kept(heads={"*.cross": {1}, 2: 0, "encoder.*": None}, layers=[1, 2]) == {
        "encoder.1": {1: ALL},
        "decoder.self": {2: (0,)},
        "decoder.cross": {1: (1,), 2: (1,)},
    }


def test_reasons_are_told():
    guess = candidate("guess", guessed=True)
    chosen = choices(
        [*CANDIDATES, guess], Options(select=["*er.*", "guess"], layers=0, heads=1, strict=True)
    )
    reasons = ["", "layer", "", "", "kind", "guess"]
    assert [each.left_out for each in chosen] == reasons
    assert [each.left_out for each in choices([guess, *CANDIDATES], Options(select="encoder.*"))][
        :2
    ] == ["name", ""]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"select": ["encoder.0", "decoder.crss"]},
            "No attention is called `decoder.crss`. Near are decoder.cross, decoder.self, "
            "encoder.1, encoder.0. A pattern may hold * and ?.",
        ),
        (
            {"select": "zzz"},
            "No attention is called `zzz`. There are encoder.0, encoder.1, decoder.self, "
            "decoder.cross, router. A pattern may hold * and ?.",
        ),
        (
            {"heads": {"encodr.*": 0}},
            "No attention is called `encodr.*`. Near are encoder.1, encoder.0, decoder.self, "
            "decoder.cross. A pattern may hold * and ?.",
        ),
        (
            {"kinds": ["gate", "pooling"]},
            "No attention is of kind gate or pooling. There are encoder.0 (self), encoder.1 "
            "(self), decoder.self (self), decoder.cross (cross), router (router).",
        ),
        (
            {"layers": [0, 3]},
            "There is no layer 3. Layers are numbered in each group: encoder self-attention has "
            "0, 1; decoder self-attention has 0–2; cross-attention has 0–2.",
        ),
        (
            {"heads": {7: 0}},
            "There is no layer 7. Layers are numbered in each group: encoder self-attention has "
            "0, 1; decoder self-attention has 0–2; cross-attention has 0–2.",
        ),
        ({"heads": 4}, "There is no head 4. encoder.0 has heads 0–3."),
        ({"heads": -1}, "There is no head -1. encoder.0 has heads 0–3."),
        (
            {"heads": {"decoder.self": [0, 2]}},
            "There is no head 2. decoder.self has heads 0, 1.",
        ),
        (
            {"heads": {"router": 1}, "kinds": ["router"]},
            "There is no head 1. router has head 0.",
        ),
        (
            {"select": "encoder.*", "layers": 2, "kinds": ["self"]},
            "No attention has all of what `select`, `layers` and `heads` ask for. There are "
            "encoder.0 (layer 0, 4 heads), encoder.1 (layer 1, 4 heads), decoder.self (layer 0–2, "
            "2 heads).",
        ),
    ],
    ids=str,
)
def test_what_there_is_not_is_said_with_what_there_is(options, sentence):
    with pytest.raises(CaptureError, match=f"^{re.escape(sentence)}$"):
        kept(**options)


def test_a_program_without_attention_is_not_asked_for_any():
    assert choices([], Options(select="a", layers=3, heads={"b": 7}, kinds=["gate"])) == []
