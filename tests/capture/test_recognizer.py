"""Every program of the corpus, its attention found, in canonical layout and of the right kind."""

import jax.numpy as jnp
import pytest

from tests.capture.programs import PROGRAMS
from tests.capture.programs.scoring import score
from tests.capture.recognizing import analysis_of, found_in

LEFT_OUT = frozenset({"router", "memory"})


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program(name):
    program = PROGRAMS[name]()
    result = score(found_in(program.fn, *program.args), program.expected(), left_out=LEFT_OUT)
    assert result.right, result
    if program.case.sentence and not program.expected():
        said = " ".join(map(str, analysis_of(program.fn, *program.args).said()))
        assert program.case.sentence in said


def test_sites_come_in_the_order_in_which_they_run():
    program = PROGRAMS["memory.encoder_decoder"]()
    sites = analysis_of(program.fn, *program.args).sites()
    orders = [site.weights.node.order for site in sites if site.weights.node is not None]
    assert len(orders) == 3
    assert orders == sorted(orders)


def test_a_program_without_any_operation():
    assert analysis_of(lambda x: x, jnp.ones(3)).sites() == []
