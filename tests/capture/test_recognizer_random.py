"""Random programs through the engine: what is found is what the generator knows, nothing else."""

import os

import pytest

from tests.capture.programs.random_programs import random_program
from tests.capture.programs.scoring import score
from tests.capture.recognizing import found_in

# Other programs than those of every run: ATTNREPORT_FIRST_SEED=10000 pytest …
FIRST = int(os.environ.get("ATTNREPORT_FIRST_SEED", "0"))


@pytest.mark.parametrize("seed", range(FIRST, FIRST + 500))
def test_a_random_program(seed):
    program = random_program(seed)
    result = score(found_in(program.fn, *program.args), program.expected())
    assert result.right, (result, program.notes)
