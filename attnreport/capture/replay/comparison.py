"""Compares the outputs of two runs: did capture change anything?"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from attnreport.capture.program.trace import is_array

# Outputs that differ by less, relative to the largest number, are the same but for rounding,
# which adds up over layers.
_ROUNDINGS = 8
_LEAST = 1e-5


def largest_difference(left: Any, right: Any) -> float | None:
    """The largest absolute difference between two outputs; None if they hold no numbers.

    Two NaN are the same, and NaN is infinitely far from a number.
    """
    pairs = zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True)
    return max((_difference(a, b) for a, b in pairs if is_array(a)), default=None)


def difference_note(plain: Any, difference: float | None) -> str:
    """A sentence if a difference is more than rounding explains; empty if not."""
    arrays = [each for each in jax.tree.leaves(plain) if is_array(each)]
    floats = [each for each in arrays if jnp.issubdtype(each.dtype, jnp.floating)]
    largest = max((_difference(each, jnp.zeros_like(each)) for each in floats), default=0.0)
    rounding = max((float(jnp.finfo(each.dtype).eps) for each in floats), default=0.0)
    if not difference or difference <= max(_ROUNDINGS * rounding, _LEAST) * largest:
        return ""
    share = f", which is {difference / largest:.2g} of its largest value" if largest else ""
    return (
        f"Capture changed the output by up to {difference:.2g}{share} and more than rounding "
        "explains: the function may do something else each time it is called."
    )


def _difference(left: Any, right: Any) -> float:
    if jnp.issubdtype(left.dtype, jax.dtypes.extended):  # typed random keys
        left, right = jax.random.key_data(left), jax.random.key_data(right)
    kind = np.complex128 if np.iscomplexobj(left) else np.float64
    a, b = np.asarray(left).astype(kind), np.asarray(right).astype(kind)
    with np.errstate(invalid="ignore"):
        distance = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b))
    return float(np.nan_to_num(distance, nan=np.inf).max(initial=0.0))
