"""Runs a traced program again, with values from its inside as further results, or changed.

Equation after equation is bound as it stands; only those that hold an address are entered. Loops,
branches and shards are rebuilt by the functions that users call (`jax.lax.scan`, …), so that what
is replayed can be compiled, mapped, differentiated and sharded like the program itself.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from attnreport._errors import CaptureError
from attnreport.capture.program.addresses import equation_at, scope_name
from attnreport.capture.program.jaxprs import Address, Path, open_jaxpr, scope_of
from attnreport.capture.program.trip_counts import largest_count
from attnreport.capture.replay.interpreter import ProbedProgram
from attnreport.capture.replay.probes import Edit, Probe, check_addresses, listed

__all__ = ["Aux", "Edit", "Probe", "replay"]


@dataclasses.dataclass(frozen=True)
class Aux:
    """How the loops and branches ran that hold a probe or an edit.

    Keys are paths of scopes joined by `/`. Inside other scopes the arrays are stacked, and zero
    where they were not reached, like the values of probes.

    Attributes:
        iterations: How often the body of each `while` loop ran.
        branches: For each branch, the index of the branch that was taken in its place.
        bounded: For each `while` body, how many iterations are kept, from the first; None if only
            the last one is.
    """

    iterations: dict[str, jax.Array]
    branches: dict[str, jax.Array]
    bounded: dict[str, int | None]


jax.tree_util.register_pytree_node(
    Aux,
    # What is static must be hashable.
    lambda aux: ((aux.iterations, aux.branches), tuple(sorted(aux.bounded.items()))),
    lambda bounded, arrays: Aux(*arrays, dict(bounded)),
)

Replayed = tuple[list[jax.Array], dict[str, Any], Aux]


def replay(
    closed: Any,
    probes: Sequence[Probe],
    edits: Sequence[Edit] = (),
    *,
    steps: int | Mapping[Path, int] | None = None,
    keep_remat: bool = True,
) -> Callable[[Sequence[Any], Mapping[str, Any]], Replayed]:
    """A function that runs `closed` and gives its outputs, the probes' values, and how it ran.

    What a probe gives depends on its scope:

    - the root: the value;
    - a `scan` body: one entry for each iteration in front, in the order of what is scanned over,
      also if the loop runs backward;
    - a `while` body: as many entries as the loop is bounded to, zero past the last iteration;
      without a bound a single entry, of the last iteration;
    - a branch: the value, zero if another branch was taken;
    - a shard: one entry for each shard in front, in the order of the mesh's manual axes.

    Nested scopes nest these axes, the outermost in front. Inputs of edits have the same axes for
    `scan` bodies and shards; `while` bodies and branches get them whole.

    Args:
        closed: A closed jaxpr, as `jax.make_jaxpr` gives it.
        probes: What shall leave the program.
        edits: What shall be replaced in it.
        steps: How many iterations of a `while` loop to keep: of all loops, or by the path of the
            loop's body. For other loops the bound is read off a condition that counts up from a
            number to a number.
        keep_remat: Whether `jax.checkpoint` stays where it holds a probe or an edit. Without it
            gradients take more memory and less time.

    Returns:
        A function of the program's flat inputs and of the edits' inputs by key, pure and
        traceable.

    Raises:
        CaptureError: A key is used twice, a bound is below one, an address is not one of the
            program or lies in the condition of a loop, or the addresses of a probe lie in
            different scopes.
    """
    check_addresses(closed, probes, edits)
    read = dict.fromkeys(address for probe in probes for address in probe.addresses)
    entered = _entered([*read, *(edit.address for edit in edits)])
    loops = [path for path in entered if equation_at(closed, path).primitive.name == "while"]
    program = ProbedProgram(
        probes=_grouped(probes, lambda probe: scope_of(probe.addresses[0][0])),
        edits=_grouped(edits, lambda edit: edit.address),
        wanted={address: number for number, address in enumerate(read)},
        entered=entered,
        bounds={path: _bound(closed, path, steps) for path in loops},
        keep_remat=keep_remat,
    )
    bounded = {scope_name((*path, "body")): bound for path, bound in program.bounds.items()}

    def run(flat_inputs: Sequence[Any], edit_inputs: Mapping[str, Any]) -> Replayed:
        _require_inputs(len(flat_inputs), len(open_jaxpr(closed).invars))
        _require_edit_inputs(edit_inputs, {edit.key for edit in edits})
        operands = [jnp.asarray(value) for value in flat_inputs]
        outputs, taken = program.scope(closed, operands, (), edit_inputs)
        return outputs, taken.values, Aux(taken.iterations, taken.branches, dict(bounded))

    return run


def _require_inputs(given: int, needed: int) -> None:
    if given != needed:
        raise CaptureError(
            f"The program was given {given} inputs, but it takes {needed}. Pass the leaves of the "
            "arguments that it was traced with, in their order."
        )


def _require_edit_inputs(given: Iterable[str], needed: Iterable[str]) -> None:
    if set(given) != set(needed):
        raise CaptureError(
            f"The edits were given inputs for {listed(given)}, but they are called "
            f"{listed(needed)}. Pass one input for each edit, by its key."
        )


def _entered(addresses: Iterable[Address]) -> frozenset[Path]:
    """Paths of the equations around the addresses."""
    return frozenset(
        path[:end]
        for path, _ in addresses
        for end in range(1, len(path))
        if isinstance(path[end - 1], int)
    )


def _bound(closed: Any, path: Path, steps: int | Mapping[Path, int] | None) -> int | None:
    bound = steps.get((*path, "body")) if isinstance(steps, Mapping) else steps
    if bound is None:
        return largest_count(closed, path)
    if bound < 1:
        raise CaptureError(
            f"The loop `{scope_name((*path, 'body'))}` was bounded to {bound} steps. Keep one step "
            "at least, or give no bound to keep the last one."
        )
    return bound


def _grouped(members: Iterable[Any], by: Callable[[Any], Any]) -> dict[Any, list[Any]]:
    groups: dict[Any, list[Any]] = {}
    for member in members:
        groups.setdefault(by(member), []).append(member)
    return groups
