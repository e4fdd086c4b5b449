"""Options that choose what to capture, as the command line writes them."""

import click
import pytest

from attnreport.capture.choice import options as engine
from attnreport.cli.choices import KINDS, WANTED, HeadsOf, Numbers, choice_options, chosen


def test_names_are_those_of_the_engine():
    assert KINDS == engine.KINDS
    assert WANTED == engine.WANTED


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("7", (7,)), ("0-3,7", (0, 1, 2, 3, 7)), (" 5 , 1 - 2 ", (5, 1, 2)), ("3–4", (3, 4))],
)
def test_numbers_and_ranges_are_read(text, numbers):
    assert Numbers().convert(text, None, None) == numbers


@pytest.mark.parametrize("text", ["", ",", "-1", "1.5", "2-1", "a", "1 2"])
def test_what_is_no_number_is_refused(text):
    with pytest.raises(click.BadParameter):
        Numbers().convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "key", "numbers"),
    [
        ("1-2", "*", (1, 2)),
        ("5:0,3", 5, (0, 3)),
        ("encoder.*:7", "encoder.*", (7,)),
        ("block:0:1", "block:0", (1,)),
    ],
)
def test_heads_may_be_those_of_a_layer_or_name(text, key, numbers):
    assert HeadsOf().convert(text, None, None) == (key, numbers)


def given(*arguments):
    found = {}

    @click.command()
    @choice_options
    def command(**options):
        found.update(chosen(**options))

    command.main(list(arguments), standalone_mode=False)
    return found


def test_what_is_left_out_is_left_to_the_engine():
    assert given() == {"strict": False}
    assert engine.Options(**given()) == engine.Options()


def test_everything_is_passed_on():
    arguments = """--select a --select b* --kinds self,gate --layers 0-1 --heads 3 --heads 5:0,1
    --heads 5:4 --heads x:2 --want logits --reduce uint8 --budget 1.5 --over-budget reduce --steps 9
    --strict"""
    found = given(*arguments.split())
    assert list(found["heads"]) == [5, "x", "*"]
    assert found == {
        "select": ("a", "b*"),
        "kinds": ("self", "gate"),
        "layers": (0, 1),
        "heads": {5: (0, 1, 4), "x": (2,), "*": (3,)},
        "want": ("logits",),
        "reduce": "uint8",
        "budget": 1572864,
        "over_budget": "reduce",
        "steps": 9,
        "strict": True,
    }
    assert engine.Options(**found).budget == 1572864
