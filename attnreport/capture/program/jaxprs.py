"""What every part of the engine must know of jaxprs, across the versions of JAX.

Up to 0.10 a `ClosedJaxpr` holds a `Jaxpr`; later the two are one class. The parameters of `scan`
changed their names in 0.11, one of `shard_map` after 0.10.0. Nothing else in the engine depends on
the version of JAX.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax

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

_APART = frozenset("axis_index ppermute reduce_scatter all_to_all".split())
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
    """The axes of the mesh of which a `shard_map` equation knows inside on which device it is."""
    name = "newly_manual_axes" if "newly_manual_axes" in params else "manual_axes"
    return frozenset(params[name])


def divided_axes(params: Mapping[str, Any]) -> tuple[str, ...]:
    """The axes of the mesh along which the devices of a `shard_map` may differ, in order.

    Along the others, all do the same: no operand is divided, and nothing tells devices apart.
    """
    manual = manual_axes(params)
    divided = {name for spec in params["in_specs"] for names in axis_names(spec) for name in names}
    told = set(_told_apart(params["jaxpr"]))
    return tuple(n for n in params["mesh"].axis_names if n in manual and n in divided | told)


def axis_names(spec: Any) -> tuple[tuple[str, ...], ...]:
    """The axes of the mesh that divide each axis of an array, by its `PartitionSpec`."""
    return tuple(_names(entry) for entry in spec or ())


def named_axes(params: Mapping[str, Any]) -> tuple[str, ...]:
    """The axes of the mesh over which an operation works, such as a sum over devices."""
    return (*_names(params.get("axis_name")), *_names(params.get("axes")))


def _names(entry: Any) -> tuple[str, ...]:
    entries = entry if isinstance(entry, tuple) else (entry,)
    return tuple(each for each in entries if isinstance(each, str))


def _told_apart(jaxpr: Any) -> Iterator[str]:
    """The axes of the mesh along which an operation gives each device something of its own."""
    for equation in open_jaxpr(jaxpr).eqns:
        if equation.primitive.name in _APART:
            yield from named_axes(equation.params)
        for param in jax.tree.leaves(list(equation.params.values()), is_leaf=_is_jaxpr):
            if _is_jaxpr(param):
                yield from _told_apart(param)


def _is_jaxpr(param: Any) -> bool:
    return hasattr(open_jaxpr(param), "eqns")


def scope_of(path: Path) -> Path:
    """The path of the innermost loop body, branch or shard that a path lies in; `()` for none."""
    for end in range(len(path), 0, -1):
        tag = path[end - 1]
        if isinstance(tag, str) and _SCOPE.fullmatch(tag):
            return path[:end]
    return ()
