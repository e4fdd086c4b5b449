"""Breaking any rule by which attention is recognized is noticed by a program or test."""

import os
import random

import pytest

from tests.capture.rules.breaking import Rule, broken, modules, rules
from tests.capture.rules.killing import notices, verdicts, witnesses
from tests.capture.rules.unproved import UNPROVED

SEED = int(os.environ.get("ATTNREPORT_RULES_SEED", "0"))
SAMPLE = int(os.environ.get("ATTNREPORT_RULES", "1000000"))
CHOSEN = random.Random(SEED).sample(
    [rule for rule in rules() if str(rule) in verdicts()], min(SAMPLE, len(verdicts()))
)


def test_every_rule_has_a_witness_or_an_excuse():
    names = [str(rule) for rule in rules()]
    assert len(set(names)) == len(names)
    assert set(names) == verdicts().keys() | UNPROVED.keys()
    assert not verdicts().keys() & UNPROVED.keys()
    assert set(verdicts().values()) <= witnesses().keys()


def test_excuses_are_few():
    assert len(UNPROVED) <= 25


@pytest.mark.parametrize("rule", CHOSEN, ids=str)
def test_a_broken_rule_is_noticed(rule):
    assert notices(verdicts()[str(rule)], rule), f"`{rule}` (seed {SEED}) can be broken unnoticed"


def test_rules_are_read_off_the_source():
    assert {"roles.scores", "forms.before", "recognition.recognizer"} <= set(modules())
    names = {str(rule) for rule in rules()}
    assert "forms.before.is_apart: always yes" in names
    assert "forms.after.normalized_after: finds nothing" in names
    assert "dimensions.axis_rules.AXIS_RULES: without transpose" in names
    assert "roles.kinds._ENTRYWISE: without reshape" not in names  # one of MOVES


def test_a_rule_is_whole_again_afterwards():
    rule = Rule("program.lineage", "MOVES", "without transpose")
    assert notices("scores.scale_on_query", rule) or notices("heads.grouped_query", rule)
    with broken(rule):
        pass
    assert set(map(str, rules())) == verdicts().keys() | UNPROVED.keys()
    assert not notices("scores.scale_on_query", Rule("forms.gates", "gates", "finds nothing"))
