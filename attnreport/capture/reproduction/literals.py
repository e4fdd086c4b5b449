"""Parameters of operations as Python source."""

import enum
import math
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


class UnwritableError(Exception):
    """Something that has no source, such as a function or a device."""


def source_of(value: Any) -> str:
    """Python source that gives a value, with `jax`, `jnp`, `np` and `lax` imported.

    Raises:
        UnwritableError: There is none.
    """
    if value is None or isinstance(value, bool | str | bytes):
        return repr(value)
    if isinstance(value, np.bool_ | np.integer):
        return repr(value.item())
    if isinstance(value, int | float | np.floating) and not isinstance(value, enum.Enum):
        return _number(value)
    if isinstance(value, enum.Enum):
        return _member(value)
    if isinstance(value, np.dtype):
        return f"jnp.dtype({value.name!r})"
    if isinstance(value, tuple) and getattr(jax.lax, type(value).__name__, None) is type(value):
        return _named_tuple(value)
    if isinstance(value, jax.sharding.PartitionSpec):
        return f"jax.sharding.PartitionSpec({', '.join(map(source_of, value))})"
    if isinstance(value, tuple):
        return f"({', '.join(map(source_of, value))}{',' * (len(value) == 1)})"
    if isinstance(value, list):
        return f"[{', '.join(map(source_of, value))}]"
    if isinstance(value, frozenset):
        return f"frozenset([{', '.join(sorted(map(source_of, value)))}])"
    raise UnwritableError(type(value).__name__)


def dtype_name(dtype: Any) -> str:
    """The name of a number format; typed random keys are `key<…>`."""
    return str(dtype) if jnp.issubdtype(dtype, jax.dtypes.extended) else np.dtype(dtype).name


def scalar_source(value: Any, dtype: Any, *, weak: bool) -> str:
    """Source of a number with a format; without one if it takes on that of others."""
    number = np.asarray(value).item()
    if isinstance(number, complex):
        plain = f"complex({_number(number.real)}, {_number(number.imag)})"
    else:
        plain = _number(number)
    return plain if weak else f"scalar({plain}, {dtype_name(dtype)!r})"


def _number(value: Any) -> str:
    if isinstance(value, bool | int):
        return repr(value)
    number = float(value)
    return repr(number) if math.isfinite(number) else f'float("{number}")'


def _member(value: enum.Enum) -> str:
    """A member of an enumeration of `jax.lax` or `jax`."""
    kind = type(value).__name__
    for module, name in ((jax.lax, "lax"), (jax, "jax")):
        if getattr(module, kind, None) is type(value) and re.fullmatch(r"\w+", value.name):
            return f"{name}.{kind}.{value.name}"
    raise UnwritableError(kind)


def _named_tuple(value: Any) -> str:
    fields = (f"{name}={source_of(getattr(value, name))}" for name in value._fields)
    return f"lax.{type(value).__name__}({', '.join(fields)})"
