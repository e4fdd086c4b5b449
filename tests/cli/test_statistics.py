"""Names and tolerances as the command line writes them."""

import math

import click
import pytest

from attnreport import analysis
from attnreport.analysis.patterns import pattern_measures
from attnreport.cli import head_table
from attnreport.cli.statistics import (
    COMPARED,
    PATTERNS,
    STATISTICS,
    TOLERANCES,
    Known,
    SeveralKnown,
    Tolerance,
)


def test_names_and_tolerances_are_those_of_the_analysis():
    assert tuple(analysis.MEASURES) == STATISTICS
    assert tuple(analysis.HEAD_PATTERNS) == PATTERNS
    assert set(analysis.TOLERANCES) == set(COMPARED)
    shares = [name for name, each in analysis.MEASURES.items() if each.unit == "share"]
    stated = dict.fromkeys(shares, TOLERANCES["shares"]) | TOLERANCES
    assert {name: stated[name] for name in COMPARED} == analysis.TOLERANCES
    assert head_table._LAST == pattern_measures.GENERAL


@pytest.mark.parametrize("text", ["keys for 90%", "keys-for-90%", " Keys For-90% "])
def test_names_may_be_written_with_hyphens(text):
    assert Known(STATISTICS).convert(text, None, None) == "keys for 90%"


def test_several_names_are_parted_by_commas():
    several = SeveralKnown(STATISTICS)
    assert several.convert("sink, entropy,sink", None, None) == ("sink", "entropy")
    assert several.convert("all", None, None) == STATISTICS
    with pytest.raises(click.BadParameter, match="'sinks' is not one of entropy, "):
        several.convert("sink,sinks", None, None)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("entropy=0.1", ("entropy", 0.1)),
        ("row-distance = 1e-2", ("row distance", 0.01)),
        ("sink=inf", ("sink", math.inf)),
        ("first=0", ("first", 0.0)),
    ],
)
def test_a_tolerance_is_a_name_and_a_number(text, found):
    assert Tolerance().convert(text, None, None) == found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("entropy", "'entropy' is not of the form NAME=VALUE, such as entropy=0.1"),
        ("entropie=1", "'entropie' is not one of row distance, strength"),
        ("sink=-1", "'-1' is no tolerance. Give a number from 0 upwards"),
        ("sink=nan", "'nan' is no tolerance"),
        ("sink=5%", "'5%' is no tolerance"),
        ("sink=", "'' is no tolerance"),
    ],
)
def test_what_is_no_tolerance_is_refused(text, message):
    with pytest.raises(click.BadParameter) as refused:
        Tolerance().convert(text, None, None)
    assert message in str(refused.value)
