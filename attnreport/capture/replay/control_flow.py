"""How each equation that holds other equations is run again, by the function that users call.

Every rule gives the equation's results and what the probes inside it take out of the program. It
knows nothing of probes: it hands on whatever leaves the inside, in the way of its control flow.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import PartitionSpec

from attnreport.capture.program.addresses import inner_jaxpr, scope_name
from attnreport.capture.program.jaxprs import (
    Path,
    called_jaxpr,
    divided_axes,
    manual_axes,
    scan_parts,
)

Values = Sequence[Any]
Inputs = Mapping[str, Any]


class Taken(NamedTuple):
    """What leaves the program, a pytree.

    Attributes:
        found: Values at the addresses of probes, by number, on their way to the end of the scope.
        values: What each probe gives, by key.
        iterations: How often the body of each `while` loop ran, by the name of the scope.
        branches: Which branch was taken, by the name of the scope.
    """

    found: dict[int, Any]
    values: dict[str, Any]
    iterations: dict[str, Any]
    branches: dict[str, Any]

    @classmethod
    def nothing(cls) -> "Taken":
        """No values yet."""
        return cls({}, {}, {}, {})

    def add(self, other: "Taken") -> None:
        """Adds what was taken elsewhere in the same scope, or inside of it."""
        self.found.update(other.found)
        self.values.update(other.values)
        self.iterations.update(other.iterations)
        self.branches.update(other.branches)


class Interpreter(Protocol):
    """Runs the jaxprs inside of equations."""

    @property
    def keep_remat(self) -> bool:
        """Whether `jax.checkpoint` stays where it is entered."""
        ...

    def bound(self, path: Path) -> int | None:
        """How many iterations of the `while` loop at `path` are kept; None for only the last."""
        ...

    def inline(
        self, closed: Any, operands: Values, path: Path, inputs: Inputs
    ) -> tuple[list[Any], Taken]:
        """Runs a jaxpr as a part of the scope it is called from."""
        ...

    def scope(
        self, closed: Any, operands: Values, path: Path, inputs: Inputs
    ) -> tuple[list[Any], Taken]:
        """Runs a jaxpr as a scope of its own, at whose end its probes are computed."""
        ...


@dataclasses.dataclass(frozen=True)
class Site:
    """An equation that holds an address, where it is run.

    Attributes:
        equation: The equation.
        operands: Its operands.
        path: Its path.
        inputs: Inputs of the edits inside it, with the axes of the scopes inside it in front.
        interpreter: Runs what is inside.
    """

    equation: Any
    operands: list[Any]
    path: Path
    inputs: Inputs
    interpreter: Interpreter

    def scope(self, tag: str, operands: Values, inputs: Inputs) -> tuple[list[Any], Taken]:
        """Runs what the equation holds under `tag` as a scope of its own."""
        inner = inner_jaxpr(self.equation, tag)
        return self.interpreter.scope(inner, operands, (*self.path, tag), inputs)

    def inline(self, operands: Values, inputs: Inputs) -> tuple[list[Any], Taken]:
        """Runs what the equation calls in the scope that the equation stands in."""
        inner = called_jaxpr(self.equation)
        return self.interpreter.inline(inner, operands, (*self.path, "call"), inputs)


def _call(site: Site) -> tuple[list[Any], Taken]:
    return site.inline(site.operands, site.inputs)


def _jit(site: Site) -> tuple[list[Any], Taken]:
    params = site.equation.params
    operands = _placed(site.operands, params["in_shardings"])
    results, taken = site.inline(operands, site.inputs)
    return _placed(results, params["out_shardings"]), taken


def _placed(values: Values, shardings: Sequence[Any]) -> list[Any]:
    """The values, each laid out over devices as `jax.jit` was told, if it was."""
    return [
        lax.with_sharding_constraint(value, sharding)
        if isinstance(sharding, jax.sharding.Sharding)
        else value
        for value, sharding in zip(values, shardings, strict=True)
    ]


def _remat(site: Site) -> tuple[list[Any], Taken]:
    if not site.interpreter.keep_remat:
        return _call(site)
    params = site.equation.params
    barrier = params["prevent_cse"]  # for all operands, or for each
    operands = tuple(site.operands)
    if params.get("differentiated"):
        operands = _guarded(operands, barrier)
    # A prefix of the arguments' pytree.
    prevent_cse: Any = barrier if isinstance(barrier, bool) else (tuple(barrier), True)
    run = jax.checkpoint(site.inline, prevent_cse=prevent_cse, policy=params["policy"])
    return run(operands, site.inputs)


def _guarded(operands: tuple[Any, ...], barrier: bool | Sequence[bool]) -> tuple[Any, ...]:
    """Operands of a recomputation, kept apart from those of the forward pass.

    `jax.checkpoint` makes equations that are not yet differentiated, which are compiled without
    this barrier: the compiler would find both passes equal and keep what shall be recomputed.
    """
    chosen = [barrier] * len(operands) if isinstance(barrier, bool) else list(barrier)
    behind = iter(
        lax.optimization_barrier([x for x, on in zip(operands, chosen, strict=True) if on])
    )
    return tuple(next(behind) if on else x for x, on in zip(operands, chosen, strict=True))


def _scan(site: Site) -> tuple[list[Any], Taken]:
    params = site.equation.params
    fixed, carried = scan_parts(site.equation)
    constants, start = site.operands[:fixed], site.operands[fixed : fixed + carried]

    def body(carry: Values, slices: Any) -> Any:
        scanned, inputs = slices
        results, taken = site.scope("scan", [*constants, *carry, *scanned], inputs)
        return results[:carried], (results[carried:], taken)

    carry, (stacked, taken) = lax.scan(
        body,
        start,
        (site.operands[fixed + carried :], site.inputs),
        length=params["length"],
        reverse=params["reverse"],
        unroll=params["unroll"],
    )
    return [*carry, *stacked], taken


def _while(site: Site) -> tuple[list[Any], Taken]:
    params = site.equation.params
    outside, fixed = params["cond_nconsts"], params["body_nconsts"]
    for_condition, for_body = site.operands[:outside], site.operands[outside : outside + fixed]
    start = site.operands[outside + fixed :]
    bound = site.interpreter.bound(site.path)

    def once(carry: Values) -> tuple[list[Any], Taken]:
        return site.scope("body", [*for_body, *carry], site.inputs)

    def condition(state: Any) -> Any:
        return site.scope("cond", [*for_condition, *state[0]], {})[0][0]

    def body(state: Any) -> Any:
        carry, buffers, count = state
        results, taken = once(carry)
        row = 0 if bound is None else count
        # Iterations past the bound are counted, not kept.
        buffers = jax.tree.map(lambda all, one: all.at[row].set(one, mode="drop"), buffers, taken)
        return results, buffers, count + 1

    buffers = jax.tree.map(lambda one: _zeros(one, bound or 1), jax.eval_shape(once, start)[1])
    carry, taken, count = lax.while_loop(condition, body, (start, buffers, jnp.int32(0)))
    taken.iterations[scope_name((*site.path, "body"))] = count
    return carry, taken


def _cond(site: Site) -> tuple[list[Any], Taken]:
    index, *operands = site.operands
    tags = [f"branch{number}" for number in range(len(site.equation.params["branches"]))]
    shapes = Taken.nothing()
    for tag in tags:
        shapes.add(
            jax.eval_shape(lambda *a, tag=tag: site.scope(tag, *a), operands, site.inputs)[1]
        )

    def branch(tag: str) -> Callable[..., Any]:
        def run(operands: Values, inputs: Inputs) -> tuple[list[Any], Taken]:
            results, taken = site.scope(tag, operands, inputs)
            missing = Taken(*(_missing(*pair) for pair in zip(shapes, taken, strict=True)))
            taken.add(jax.tree.map(_zeros, missing))
            return results, taken

        return run

    results, taken = lax.switch(index, [branch(tag) for tag in tags], operands, site.inputs)
    taken.branches.update({scope_name((*site.path, tag)): index for tag in tags})
    return results, taken


def _missing(all: dict[Any, Any], present: dict[Any, Any]) -> dict[Any, Any]:
    return {key: value for key, value in all.items() if key not in present}


def _shard_map(site: Site) -> tuple[list[Any], Taken]:
    params = site.equation.params
    names = divided_axes(params)
    axes, first = PartitionSpec(*names), (0,) * len(names)

    def shard(operands: Values, inputs: Inputs) -> tuple[tuple[Any, ...], Taken]:
        results, taken = site.scope("shard", operands, jax.tree.map(lambda x: x[first], inputs))
        return tuple(results), jax.tree.map(lambda x: x[(None,) * len(names)], taken)

    results, taken = jax.shard_map(
        shard,
        mesh=params["mesh"],
        in_specs=(tuple(params["in_specs"]), axes),
        out_specs=(tuple(params["out_specs"]), axes),
        axis_names=manual_axes(params),
        check_vma=params["check_vma"],
    )(tuple(site.operands), site.inputs)
    return list(results), taken


def _zeros(like: Any, *leading: int) -> jax.Array:
    """Zeros of the type of `like`, its sharding and manual axes included."""
    sharding = like.sharding
    if sharding is not None:
        spec = PartitionSpec(*(None for _ in leading), *sharding.spec)
        sharding = jax.sharding.NamedSharding(sharding.mesh, spec) if any(spec) else None
    zeros = jnp.zeros((*leading, *like.shape), like.dtype, out_sharding=sharding)
    varying = tuple(varying_axes(like))
    return lax.pcast(zeros, varying, to="varying") if varying else zeros


def varying_axes(typed: Any) -> frozenset[str]:
    """The axes of a mesh along which devices are known to hold other numbers."""
    return frozenset(getattr(getattr(typed, "manual_axis_type", None), "varying", ()))


Rule = Callable[[Site], tuple[list[Any], Taken]]

# A custom rule for derivatives is given up where an address lies inside it.
RULES: Mapping[str, Rule] = {
    "jit": _jit,
    "pjit": _jit,
    "checkpoint": _remat,
    "remat": _remat,
    "remat2": _remat,
    "scan": _scan,
    "while": _while,
    "cond": _cond,
    "shard_map": _shard_map,
}


def run_inside(site: Site) -> tuple[list[Any], Taken]:
    """The results of an equation that holds an address, and what is taken out of it."""
    return RULES.get(site.equation.primitive.name, _call)(site)
