"""Why JAX cannot trace a function, where in the caller's code that is, and what to do."""

import re
import sysconfig
import traceback
from pathlib import Path

import flax.errors
import jax


def explanation(error: Exception) -> str:
    """What a caller did that JAX cannot trace; empty if the function failed by itself.

    Args:
        error: What tracing raised.
    """
    place = _place(error)
    at = f" ({place})" if place else ""
    message = _first_line(error)
    if isinstance(error, flax.errors.TraceContextError):
        return (
            "The function changes an NNX module that it reaches through an attribute of another "
            f"object ({message}). Pass the module as an argument, so that a copy of it can run."
        )
    if isinstance(error, jax.errors.TracerArrayConversionError):
        return (
            f"The function cannot be traced by JAX{at}, because it gives an array to NumPy or to "
            f"other code outside of JAX ({message}). Use `jax.numpy` there, or "
            "`jax.pure_callback` where JAX has no such function."
        )
    if isinstance(error, _BRANCHES_ON_VALUES):
        return (
            f"The function cannot be traced by JAX{at}, because its Python code depends on values "
            f"of an array ({message}). Pass such values as Python numbers, or branch with "
            "`jax.lax.cond` and `jnp.where`."
        )
    if isinstance(error, jax.errors.UnexpectedTracerError):
        return (
            "The function cannot be traced by JAX, because it uses an array that was left over "
            "from tracing another call. Do not keep arrays in variables outside of the function or "
            "in attributes of the model: return them, and pass them as arguments."
        )
    return _by_message(error, at, message)


def _by_message(error: Exception, at: str, message: str) -> str:
    """The same for errors that only their text tells apart."""
    if "not a valid JAX type" in message:
        # JAX 0.10.0 names no place there, but the function.
        kind = re.search(
            r"type <class '(?:\w+\.)*(\w+)'>(?: at output component ([\[.]\S+?),)?", message
        )
        what = f"a {kind[1]}" if kind else "something"
        where = f" at `{kind[2]}` of its output" if kind and kind[2] else ""
        return (
            f"The function returns {what}{where}, which JAX cannot trace. Return arrays, in tuples "
            "and dictionaries; leave out the rest, or wrap the function in one that does."
        )
    if "has been deleted" in message:
        shape = re.search(r"shape=(\S+?)\.?$", message)
        return (
            f"The function uses an array{f' {shape[1]}' if shape else ''} that was deleted, as one "
            "is that was donated to a compiled function. Capture before that, or keep a copy."
        )
    if re.search(r"Tracer\b|Only (integer )?scalar arrays can be converted", message):
        return (
            f"The function cannot be traced by JAX{at}, because code outside of JAX is given an "
            f"array that has no numbers yet ({type(error).__name__}: {message}). Use functions of "
            "JAX there, or `jax.pure_callback`."
        )
    return ""


def _place(error: Exception) -> str:
    """File and line of the innermost of the caller's own code; empty if there is none."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not any(Path(frame.filename).is_relative_to(root) for root in _NOT_OURS)
        and not frame.filename.startswith("<")
    ]
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".:") if lines else "no message"


_BRANCHES_ON_VALUES = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.TracerIntegerConversionError,
    jax.errors.NonConcreteBooleanIndexError,
)

# Libraries, and capture itself; a library that the caller tries out of a checkout is their own.
_NOT_OURS = (
    Path(__file__).parents[1],
    *{Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")},
)
