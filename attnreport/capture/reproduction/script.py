"""A sketch as a script that runs by itself: the program, random inputs, and capture of it."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import jax

from attnreport.capture.reproduction.literals import UnwritableError, dtype_name, source_of
from attnreport.capture.reproduction.operations import WAYS, by_primitive
from attnreport.capture.reproduction.sketch import Line, Sketch
from attnreport.capture.reproduction.writer import Writer, indented, tuple_of

HEADER = '''\
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core import primitives as op

FEW = np.random.default_rng(0).normal(size=9973)


def numbers(dtype, shape):
    """Random numbers, in place of those that were there."""
    if dtype.startswith("key<"):
        return jnp.broadcast_to(jax.random.key(0, impl=IMPLEMENTATIONS[dtype]), shape)
    kind = jnp.dtype(dtype).kind
    drawn = FEW > 0 if kind == "b" else abs(FEW).astype(int) if kind in "iu" else FEW
    return jnp.asarray(np.resize(drawn, shape), dtype)


def filled(value, dtype, shape):
    """An array of one number."""
    return jnp.full(shape, value, dtype)


def scalar(value, dtype):
    """A number of a format."""
    return jnp.dtype(dtype).type(value)


def with_derivative(function):
    """A function with a derivative of its own, here the usual one."""
    own = jax.custom_jvp(function)
    own.defjvp(lambda primals, tangents: jax.jvp(function, primals, tangents))
    return own


def with_pullback(function):
    """A function with a pullback of its own, here the usual one."""
    own = jax.custom_vjp(function)
    own.defvjp(lambda *given: jax.vjp(function, *given), lambda pull, given: pull(given))
    return own


IMPLEMENTATIONS = {"key<fry>": "threefry2x32", "key<rbg>": "rbg", "key<urbg>": "unsafe_rbg"}
'''

_MAIN = """
if __name__ == "__main__":
    import attnreport

    warnings.simplefilter("error", RuntimeWarning)
    capture = attnreport.with_attention(program{options})
    _, attention = capture(*(numbers(*each) for each in INPUTS))
    print(attention)
"""


# Set before JAX is imported.
_SEVERAL = """\
import os

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count={}"

"""


def is_writable(line: Line) -> bool:
    """Whether a line can be written down."""
    try:
        Writer(WAYS, by_primitive).statement(line)
    except UnwritableError:
        return False
    return True


def program_source(sketch: Sketch) -> str:
    """Source of `program`, of what it closes over, and of `INPUTS`.

    Raises:
        UnwritableError: A line has no source.
    """
    writer = Writer(WAYS, by_primitive)
    names = [writer.name(each, "x") for each in sketch.inputs]
    body = writer.block(sketch, tuple_of)
    constants = [f"{name} = {source}" for name, source in writer.constants.items()]
    inputs = [
        f"({dtype_name(each.dtype)!r}, {source_of(each.shape)}),  # {name}"
        for each, name in zip(sketch.inputs, names, strict=True)
    ]
    return "\n".join(
        [
            *(["# What the program closes over.", *constants, ""] if constants else []),
            "# Number format and shape of each input.",
            "INPUTS = [",
            *indented(inputs),
            "]",
            "",
            "",
            f"def program({', '.join(names)}):",
            *indented(body),
            "",
        ]
    )


def script_of(sketch: Sketch, comment: str, options: Mapping[str, Any]) -> str:
    """The whole script.

    Args:
        sketch: The program.
        comment: What to say in its first lines.
        options: Options of `with_attention`.
    """
    given = "".join(f", {name}={value!r}" for name, value in options.items())
    devices = max((_devices(line) for line in sketch.lines), default=1)
    return "\n".join(
        [
            f'"""{comment}"""',
            "",
            *(_SEVERAL.format(devices).splitlines() if devices > 1 else []),
            "import warnings",
            "",
            HEADER,
            program_source(sketch),
            _MAIN.format(options=given),
        ]
    )


def _devices(line: Line) -> int:
    """How many devices a line runs on."""
    mesh = line.params.get("mesh")
    inside = (each for body in line.bodies for each in body.lines)
    own = 1 if mesh is None else math.prod(mesh.shape.values())
    return max(own, *map(_devices, inside), 1)


def loaded(sketch: Sketch, header: Mapping[str, Any]) -> tuple[Callable[..., Any], list[Any]]:
    """The program of a script as a function, and shapes to trace it with.

    Args:
        sketch: The program.
        header: What running `HEADER` gave.
    """
    names = dict(header)
    exec(program_source(sketch), names)
    shapes = [jax.ShapeDtypeStruct(each.shape, each.dtype) for each in sketch.inputs]
    return names["program"], shapes
