"""Runs a program with capture, and without to prove that capture changed nothing."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from attnreport._errors import CaptureError
from attnreport.capture.order import forward_positions
from attnreport.capture.program import Outputs, Program
from attnreport.capture.sown import Sown

_BRANCHES_ON_VALUES = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
    jax.errors.NonConcreteBooleanIndexError,
)


@dataclasses.dataclass(frozen=True)
class Run:
    """What came out of a program.

    Attributes:
        sown: What each module sowed, by module path.
        positions: In the structure of `sown`, where in the computation each array was made.
        again: What they sowed with other random numbers; None when nothing was verified.
        output_difference: Largest absolute difference between the outputs with and without
            capture; None when nothing was verified or the output holds no numbers.
        largest_output: Largest absolute value of the output without capture; None when nothing
            was verified.
        random: Whether outputs or weights changed with the random numbers.
    """

    sown: Sown
    positions: Any
    again: Sown | None = None
    output_difference: float | None = None
    largest_output: float | None = None
    random: bool = False


def run(program: Program, *, verify: bool) -> Run:
    """Runs `program` under `jax.jit`, three times if it is to be verified, once if not.

    Raises:
        CaptureError: The model runs, but not under `jax.jit` or not while it sows.
    """
    captured = jax.jit(program.captured)
    positions, (outputs, sown, random_state) = _first_run(captured, program)
    if not verify:
        return Run(sown, positions)
    plain = jax.jit(program.plain)(program.arrays)
    other_outputs, again, _ = captured(program.reseeded(program.arrays, random_state))
    return Run(
        sown,
        positions,
        again,
        _largest_difference(outputs, plain) if plain else None,
        max((_difference(one, one * 0) for one in plain if _is_float(one)), default=None),
        not (_equal(outputs, other_outputs) and _equal(sown, again)),
    )


def _first_run(captured: Any, program: Program) -> tuple[Any, tuple[Outputs, Sown, Any]]:
    """Where in the computation each sown array was made, and what `captured` gives."""
    refused: Exception | None = None
    try:
        traced = captured.trace(program.arrays)
        positions = jax.tree.unflatten(
            jax.tree.structure(traced.out_info), forward_positions(traced.jaxpr)
        )
        return positions[1], captured(program.arrays)
    except jax.errors.JaxRuntimeError:  # such as too little memory
        raise
    except Exception as error:  # the model may raise anything
        refused = error
    _require_it_runs_plainly(program)
    raise CaptureError(
        "The model runs, but not while Flax captures its attention "
        f"({type(refused).__name__}: {_first_line(refused)}). {program.refusal}"
    ) from refused


def _require_it_runs_plainly(program: Program) -> None:
    """Raises the model's own error if it fails without capture, too."""
    try:
        # Lowered and not only traced: a processor may lack an operation that the model needs.
        jax.jit(program.plain).lower(program.arrays)
    except _BRANCHES_ON_VALUES as error:
        raise CaptureError(
            "The model cannot be compiled by `jax.jit`, because its Python code depends on values "
            f"of an array ({_first_line(error)}). Capture compiles the model: pass such values "
            "as Python numbers, or branch with `jax.lax.cond` and `jnp.where`."
        ) from error


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".:") if lines else "no message"


def _largest_difference(left: Outputs, right: Outputs) -> float:
    return max(map(_difference, left, right), default=0.0)


def _is_float(array: jax.Array) -> bool:
    return jnp.issubdtype(array.dtype, jnp.floating)


def _difference(left: jax.Array, right: jax.Array) -> float:
    if jnp.issubdtype(left.dtype, jax.dtypes.extended):  # typed random keys
        left, right = jax.random.key_data(left), jax.random.key_data(right)
    kind = np.complex128 if np.iscomplexobj(left) else np.float64
    a, b = np.asarray(left).astype(kind), np.asarray(right).astype(kind)
    with np.errstate(invalid="ignore"):
        distance = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b))
    return float(np.nan_to_num(distance, nan=np.inf).max(initial=0.0))


def _equal(left: Any, right: Any) -> bool:
    return jax.tree.all(jax.tree.map(lambda a, b: _difference(a, b) == 0.0, left, right))
