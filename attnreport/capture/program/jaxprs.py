"""What every part of the engine must know of jaxprs, across the versions of JAX.

Up to 0.10 a `ClosedJaxpr` holds a `Jaxpr`; later the two are one class. The parameters of `scan`
changed their names in 0.11, one of `shard_map` after 0.10.0. Nothing else in the engine depends on
the version of JAX.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

Path = tuple[int | str, ...]
Address = tuple[Path, int]

# Call-like primitives and the parameter that holds what they call. They are read as if their body
# stood in their place.
CALLS: Mapping[str, str] = {
    "jit": "jaxpr",
    "pjit": "jaxpr",
    "closed_call": "call_jaxpr",
    "core_call": "call_jaxpr",
    "custom_jvp_call": "call_jaxpr",
    "custom_vjp_call": "call_jaxpr",
    "custom_vjp_call_jaxpr": "fun_jaxpr",
    "checkpoint": "jaxpr",
    "remat": "jaxpr",
    "remat2": "jaxpr",
}

_SCOPE = re.compile(r"scan|body|cond|shard|branch\d+")


def open_jaxpr(closed: Any) -> Any:
    """The jaxpr itself, without its constants."""
    return getattr(closed, "jaxpr", closed)


def constants(closed: Any) -> Sequence[Any]:
    """The arrays that the jaxpr closes over, in the order of its `constvars`."""
    return tuple(getattr(closed, "consts", ()) or ())


def is_literal(atom: Any) -> bool:
    """Whether an operand is a number in the program's text instead of a variable."""
    return hasattr(atom, "val")


def called_jaxpr(equation: Any) -> Any | None:
    """What a call-like equation calls; None for every other equation."""
    return equation.params.get(CALLS.get(equation.primitive.name, ""))


def scan_parts(equation: Any) -> tuple[int, int]:
    """How many operands of a `scan` equation are constants and how many are carried.

    They are read off the ranks: what is scanned over has one axis more outside than inside.
    """
    body = open_jaxpr(equation.params["jaxpr"])

    def rank(atom: Any) -> int:
        return len(getattr(atom.aval, "shape", ()))

    pairs_in = zip(equation.invars, body.invars, strict=True)
    pairs_out = zip(equation.outvars, body.outvars, strict=True)
    scanned = sum(rank(outer) == rank(inner) + 1 for outer, inner in pairs_in)
    carried = sum(rank(outer) == rank(inner) for outer, inner in pairs_out)
    return len(body.invars) - carried - scanned, carried


def manual_axes(params: Mapping[str, Any]) -> frozenset[str]:
    """The axes of the mesh over which a `shard_map` equation divides its work."""
    name = "newly_manual_axes" if "newly_manual_axes" in params else "manual_axes"
    return frozenset(params[name])


def scope_of(path: Path) -> Path:
    """The path of the innermost loop body, branch or shard that a path lies in; `()` for none."""
    for end in range(len(path), 0, -1):
        tag = path[end - 1]
        if isinstance(tag, str) and _SCOPE.fullmatch(tag):
            return path[:end]
    return ()
