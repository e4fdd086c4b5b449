"""Options: what they take, and what they say about what they do not."""

import re

import pytest

from attnreport._errors import CaptureError
from attnreport.capture.choice.options import KINDS, WANTED, Options, matches


def test_numbers_come_one_by_one_or_several_in_any_form():
    assert Options(layers=3).layers == (3,)
    assert Options(layers=range(4, 1, -1)).layers == (2, 3, 4)
    assert Options(heads=[5, 0, 5]).heads == (0, 5)
    by_layer = Options(heads={2: 1, "decoder.*": None, "*": (n for n in (3, 1))}).heads
    assert by_layer == {2: (1,), "decoder.*": None, "*": (1, 3)}


def test_names_come_one_by_one_or_several():
    assert Options(kinds="gate", want="logits") == Options(kinds=["gate"], want=("logits",))
    assert Options(select="a*").patterns == ("a*",)
    assert Options(select=["a", "b"]).patterns == ("a", "b")
    assert Options().patterns is None


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"want": ("weights", "logit")},
            f"`want` holds 'logit'. Did you mean 'logits'? Choose among {', '.join(WANTED)}.",
        ),
        ({"want": ["zzz"]}, f"`want` holds 'zzz'. Choose among {', '.join(WANTED)}."),
        (
            {"kinds": ("selfish",)},
            f"`kinds` holds 'selfish'. Did you mean 'self'? Choose among {', '.join(KINDS)}.",
        ),
        (
            {"over_budget": "reduces"},
            "`over_budget` holds 'reduces'. Did you mean 'reduce'? Choose among refuse, reduce.",
        ),
        (
            {"layers": "3"},
            "`layers` is '3'. Give a whole number or several, such as 3, [0, 5] or range(6).",
        ),
        (
            {"heads": 1.5},
            "`heads` is 1.5. Give a whole number or several, such as 3, [0, 5] or range(6).",
        ),
        (
            {"heads": {4: [0.5]}},
            "`heads[4]` is [0.5]. Give a whole number or several, such as 3, [0, 5] or range(6).",
        ),
        (
            {"budget": "2GB"},
            "`budget` is '2GB'. Give a number of bytes, such as 2147483648 or 500e6.",
        ),
        (
            {"budget": -1},
            "`budget` is -1. Give a number of bytes, such as 2147483648 or 500e6.",
        ),
        (
            {"steps": 0},
            "`steps` is 0. Keep one iteration at least, or leave it out to keep the last.",
        ),
        (
            {"reduce": "half"},
            "There is no reduction `half`. Choose one of uint8, bfloat16, head mean, statistics, "
            "top-8 or pooled-64 (with any number), or none.",
        ),
    ],
    ids=str,
)
def test_wrong_options_are_refused(options, sentence):
    with pytest.raises(CaptureError, match=f"^{re.escape(sentence)}$"):
        Options(**options)


@pytest.mark.parametrize(
    ("name", "pattern", "expected"),
    [
        ("encoder.layer_3", "*layer_3", True),
        ("encoder.layer_3", "layer_3", False),
        ("attention (call 2)", "attention", True),
        ("attention (call 2)", "attention (call 2)", True),
        ("attention (call 2)", "attention (call 1)", False),
        ("layers[3]", "layers[3]", True),
        ("layers3", "layers[3]", True),
        ("Layer", "layer", False),
    ],
)
def test_patterns_match_names_with_or_without_the_number_of_the_call(name, pattern, expected):
    assert matches(name, pattern) is expected
