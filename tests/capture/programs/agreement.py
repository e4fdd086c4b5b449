"""Whether a program computes what its reference computes."""

from typing import Any

import jax
import numpy as np

from tests.capture.programs.program import BFLOAT16, Program, double


def agrees(program: Program, reference: Any, output: Any) -> bool:
    """Whether the program's output is that of its reference, as far as its numbers are exact."""
    tolerance = 6e-2 if program.case.tolerance >= BFLOAT16 else 1e-4
    return same(reference, program.case.observe(output), tolerance)


def same(reference: Any, output: Any, tolerance: float) -> bool:
    """Whether every array is the same, to a share of the largest number in it."""
    actual, wanted = leaves(double(output)), leaves(reference)
    return [a.shape for a in actual] == [w.shape for w in wanted] and all(
        np.abs(a - w).max() <= tolerance * max(1.0, np.abs(w).max())
        for a, w in zip(actual, wanted, strict=True)
    )


def leaves(tree: Any) -> list[np.ndarray]:
    """Every array of a tree, in double precision."""
    return [np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(tree)]
