"""Every program of the corpus, its attention found, in canonical layout and of the right kind."""

import jax.numpy as jnp
import numpy as np
import pytest

from tests.capture.programs import PROGRAMS
from tests.capture.programs.agreement import agrees, leaves
from tests.capture.programs.program import double
from tests.capture.programs.scoring import score
from tests.capture.recognizing import analysis_of, outcome_of

LEFT_OUT = frozenset({"router", "memory"})


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program(name):
    """Its output is that of its reference, which knows the attention, and that alone is found."""
    program = PROGRAMS[name]()
    outcome = outcome_of(program.fn, *program.args)
    values = leaves(double(outcome.output))
    assert values
    assert all(np.isfinite(np.sum(np.abs(value))) for value in values)
    reference, truths = program.run_reference()
    assert bool(truths) is not ("negatives" in name)
    assert not truths or agrees(program, reference, outcome.output)
    result = score(outcome.found, truths, left_out=LEFT_OUT)
    assert result.right, result
    if program.case.sentence and not truths:
        assert program.case.sentence in " ".join(map(str, outcome.analysis.said()))


def test_sites_come_in_the_order_in_which_they_run():
    program = PROGRAMS["memory.encoder_decoder"]()
    sites = analysis_of(program.fn, *program.args).sites()
    orders = [site.weights.node.order for site in sites if site.weights.node is not None]
    assert len(orders) == 3
    assert orders == sorted(orders)


def test_a_program_without_any_operation():
    assert analysis_of(lambda x: x, jnp.ones(3)).sites() == []
