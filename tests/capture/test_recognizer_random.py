"""Random programs through the engine: what is found is what the generator knows, nothing else."""

import os

import pytest

from tests.capture.programs.agreement import agrees
from tests.capture.programs.random_programs import random_program
from tests.capture.programs.scoring import score
from tests.capture.recognizing import outcome_of

# Other programs than those of every run: ATTNREPORT_FIRST_SEED=10000 pytest …
FIRST = int(os.environ.get("ATTNREPORT_FIRST_SEED", "0"))


@pytest.mark.parametrize("seed", range(FIRST, FIRST + 500))
def test_a_random_program(seed):
    program = random_program(seed)
    outcome = outcome_of(program.fn, *program.args)
    reference, truths = program.run_reference()
    assert truths
    assert agrees(program, reference, outcome.output), program.notes
    result = score(outcome.found, truths)
    assert result.right, (result, program.notes)
