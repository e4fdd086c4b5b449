"""The programs over eight devices: what they compute, what is found in them; run as a module."""

import jax
import numpy as np

from attnreport import with_attention
from tests.capture.programs import SHARDED
from tests.capture.programs.program import Program, double
from tests.capture.programs.scoring import score
from tests.compiling import optimize
from tests.devices import report


def check(program: Program) -> None:
    """Every attention whole, in canonical order, over however many devices it is divided."""
    output, attention = jax.jit(with_attention(program.fn))(*program.args)
    plain = jax.jit(program.fn)(*program.args)
    for one, other in zip(jax.tree.leaves(output), jax.tree.leaves(plain), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    wanted, truths = program.run_reference()
    assert truths
    assert np.abs(double(plain) - wanted).max() < 1e-5
    found = [
        (name, each.kind, each.axes, np.asarray(each.weights, np.float32))
        for name, each in attention.items()
    ]
    result = score(found, program.expected())
    assert result.right, result
    assert not result.excused
    for each in attention.values():
        # Of segments that are normalized apart, a device has a share of each row.
        assert float(np.max(each.proof.row_error)) < 1e-3 or each.axes[0] == "shard"


if __name__ == "__main__":
    optimize(much=False)
    report({name: lambda build=build: check(build()) for name, build in SHARDED.items()})
