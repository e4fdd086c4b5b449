"""Brings arrays of any library into NumPy."""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from attnreport._errors import InvalidAttentionError

# bfloat16 comes from other libraries only; NumPy knows it through the ml_dtypes package.
PRECISIONS = ("bfloat16", "float16", "float32", "float64")


def as_numpy(array: Any, noun: str = "weights") -> tuple[Float[np.ndarray, "..."], str]:
    """The array in NumPy, and the name of the number format it came in.

    NumPy and JAX arrays, PyTorch tensors and everything else that speaks DLPack or `__array__`
    come without a copy where their library allows it; nested lists are copied. bfloat16, which
    NumPy lacks, widens to float32 without loss. PyTorch tensors are detached and moved to the
    host.

    Args:
        array: What to bring into NumPy.
        noun: What the array holds, for the error messages.

    Raises:
        InvalidAttentionError: It is not an array of real floating-point numbers.
    """
    try:
        found, precision = _converted(array)
    except (BufferError, RuntimeError, TypeError, ValueError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        raise InvalidAttentionError(
            f"The {noun} ({type(array).__name__}) are not a rectangular array of numbers that "
            f"NumPy can read: {reason}. Give one concrete array per layer."
        ) from error
    if precision not in PRECISIONS:
        raise InvalidAttentionError(
            f"The {noun} are of type {precision}; attention {noun} are float16, bfloat16, "
            "float32 or float64."
        )
    if precision == "bfloat16":
        found = found.astype(np.float32, copy=False)
    return found.astype(found.dtype.newbyteorder("="), copy=False), precision


def as_boolean(array: Any, field: str) -> Bool[np.ndarray, "..."]:
    """The mask as booleans, from booleans or from the numbers 0 and 1.

    Args:
        array: What to bring into NumPy.
        field: What it is, for the error messages.

    Raises:
        InvalidAttentionError: It holds anything else, as an additive mask of `-inf` does.
    """
    found = np.asarray(array)
    if found.dtype != np.bool_:
        other = found[(found != 0) & (found != 1)] if found.dtype.kind in "iuf" else found.ravel()
        if other.size:
            raise InvalidAttentionError(
                f"A {field} holds {other[0]!r}. Give booleans, or 0 and 1, that are True where "
                "attention may go; an additive mask becomes one by `mask == 0`."
            )
    return found.astype(bool, copy=False)


def _converted(array: Any) -> tuple[np.ndarray, str]:
    if isinstance(array, np.ndarray):
        return array, array.dtype.name
    if hasattr(array, "detach") and hasattr(array, "__dlpack__"):
        array = array.detach().cpu()
        precision = str(array.dtype).rpartition(".")[2]
        # NumPy has no bfloat16 to receive, so the tensor's own library widens it.
        return np.from_dlpack(array.float() if precision == "bfloat16" else array), precision
    if hasattr(array, "__dlpack__") and not hasattr(array, "__array__"):
        found = np.from_dlpack(array)
    else:
        found = np.asarray(array)
    return found, found.dtype.name
