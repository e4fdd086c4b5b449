"""Breaking any rule by which attention is recognized is noticed by a program or test."""

import jax.numpy as jnp
import pytest

from attnreport.capture.dimensions.axis_rules import AXIS_RULES
from attnreport.capture.dimensions.piece_rules import PIECE_RULES
from attnreport.capture.forms.bounds import Intervals
from attnreport.capture.program import lineage
from attnreport.capture.roles import contractions, origins
from tests.capture.recognizing import graph_of
from tests.capture.rules.breaking import Rule, broken, modules, rules
from tests.capture.rules.killing import notices, verdicts, witnesses
from tests.capture.rules.unproved import UNPROVED
from tests.capture.versions import AFTER_0_10_0


def test_every_rule_has_a_witness_or_an_excuse():
    names = [str(rule) for rule in rules()]
    assert len(set(names)) == len(names)
    assert set(names) == verdicts().keys() | UNPROVED.keys()
    assert not verdicts().keys() & UNPROVED.keys()
    assert set(verdicts().values()) <= witnesses().keys()


def test_excuses_are_few():
    assert len(UNPROVED) <= 35


def can_be_noticed(rule):
    stacks = str(rule).endswith(("without stack", "without unstack"))
    return str(rule) in verdicts() and (AFTER_0_10_0 or not stacks)


@pytest.mark.parametrize("rule", [rule for rule in rules() if can_be_noticed(rule)], ids=str)
def test_a_broken_rule_is_noticed(rule):
    assert notices(verdicts()[str(rule)], rule)


def test_rules_are_read_off_the_source():
    assert {"roles.scores", "forms.before", "recognition.recognizer"} <= set(modules())
    names = {str(rule) for rule in rules()}
    assert "forms.before.is_apart: always yes" in names
    assert "forms.after.normalized_after: finds nothing" in names
    assert "dimensions.axis_rules.AXIS_RULES: without transpose" in names
    assert "roles.origins.ENTRYWISE: without reshape" not in names  # one of MOVES


def test_a_rule_is_whole_again_afterwards():
    table = lineage.MOVES
    with broken(Rule("program.lineage", "MOVES", "without transpose")):
        assert "transpose" not in lineage.MOVES
        assert "transpose" not in contractions.MOVES
        assert "transpose" not in origins.ENTRYWISE  # which is built from it
    assert lineage.MOVES is contractions.MOVES is table
    with broken(Rule("dimensions.piece_rules", "PIECE_RULES", "without gather")):
        assert "gather" not in AXIS_RULES
    assert list(AXIS_RULES)[:5] == list(PIECE_RULES)[:5]
    (negative,) = graph_of(lambda x: -jnp.exp(x), 1.0).root.outputs
    with broken(Rule("forms.bounds", "Intervals.is_nonnegative", "always yes")):
        assert Intervals().is_nonnegative(negative)
    assert not Intervals().is_nonnegative(negative)
