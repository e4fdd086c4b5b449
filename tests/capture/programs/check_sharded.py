"""Runs the programs over eight devices and prints the names of those that agree.

XLA_FLAGS=--xla_force_host_platform_device_count=8 python -m tests.capture.programs.check_sharded
"""

import jax
import numpy as np

from tests.capture.programs import SHARDED
from tests.capture.programs.program import double

if __name__ == "__main__":
    for name, build in SHARDED.items():
        program = build()
        wanted, truths = program.run_reference()
        output = double(jax.jit(program.fn)(*program.args))
        if truths and np.abs(output - wanted).max() < 1e-5:
            print(name)
