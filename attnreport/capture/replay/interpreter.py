"""Runs a jaxpr equation by equation, and lets probes and edits pass."""

import contextlib
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from attnreport._errors import CaptureError
from attnreport.capture.program.jaxprs import Address, Path, constants, is_literal, open_jaxpr
from attnreport.capture.replay.control_flow import (
    Inputs,
    Site,
    Taken,
    Values,
    run_inside,
    varying_axes,
)
from attnreport.capture.replay.probes import Edit, Probe


@dataclasses.dataclass(frozen=True)
class ProbedProgram:
    """A jaxpr, and what to take out of it and to replace in it.

    Attributes:
        probes: The probes of each scope.
        edits: The edits at each address.
        wanted: A number for each address that a probe reads; pytrees need keys that can be sorted.
        entered: Paths of the equations that hold an address.
        bounds: How many iterations to keep of each `while` loop that is entered, by its path.
        keep_remat: Whether `jax.checkpoint` stays where it is entered.
    """

    probes: Mapping[Path, Sequence[Probe]]
    edits: Mapping[Address, Sequence[Edit]]
    wanted: Mapping[Address, int]
    entered: frozenset[Path]
    bounds: Mapping[Path, int | None]
    keep_remat: bool

    def bound(self, path: Path) -> int | None:
        """How many iterations of the `while` loop at `path` are kept; None for only the last."""
        return self.bounds[path]

    def scope(
        self, closed: Any, operands: Values, path: Path, inputs: Inputs
    ) -> tuple[list[Any], Taken]:
        """Runs a jaxpr as a scope of its own, at whose end its probes are computed."""
        results, taken = self.inline(closed, operands, path, inputs)
        for probe in self.probes.get(path, ()):
            values = [taken.found[self.wanted[address]] for address in probe.addresses]
            taken.values[probe.key] = probe.compute(*values)
        taken.found.clear()
        return results, taken

    def inline(
        self, closed: Any, operands: Values, path: Path, inputs: Inputs
    ) -> tuple[list[Any], Taken]:
        """Runs a jaxpr as a part of the scope it is called from."""
        jaxpr = open_jaxpr(closed)
        taken = Taken.nothing()
        known: dict[Any, Any] = {}

        def read(atom: Any) -> Any:
            return jnp.asarray(atom.val) if is_literal(atom) else known[atom]

        def write(variables: Sequence[Any], values: Values, at: Path) -> None:
            for number, (variable, value) in enumerate(zip(variables, values, strict=True)):
                known[variable] = self._pass((at, number), value, inputs, taken)

        write(jaxpr.constvars, constants(closed), (*path, "const"))
        write(jaxpr.invars, operands, (*path, "in"))
        steps = zip(jaxpr.eqns, _expiring(jaxpr), strict=True)
        for number, (equation, expiring) in enumerate(steps):
            at = (*path, number)
            with _context(equation):
                if at in self.entered:
                    results, inner = self._enter(equation, map(read, equation.invars), at, inputs)
                    taken.add(inner)
                else:
                    results = _bind(equation, known)
            write(equation.outvars, results, at)
            for variable in expiring:
                del known[variable]
        return [read(atom) for atom in jaxpr.outvars], taken

    def _enter(
        self, equation: Any, operands: Iterable[Any], path: Path, inputs: Inputs
    ) -> tuple[list[Any], Taken]:
        within = {
            edit.key: inputs[edit.key]
            for address, edits in self.edits.items()
            if address[0][: len(path)] == path
            for edit in edits
        }
        return run_inside(Site(equation, list(operands), path, within, self))

    def _pass(self, address: Address, value: Any, inputs: Inputs, taken: Taken) -> Any:
        """The value to go on with; it is noted if a probe reads it."""
        edits = self.edits.get(address, ())
        if edits or address in self.wanted:
            value = jnp.asarray(value)  # a constant may be an array of NumPy's
        for edit in edits:
            value = _edited(edit, value, inputs[edit.key])
        if address in self.wanted:
            taken.found[self.wanted[address]] = value
        return value


def _edited(edit: Edit, value: Any, given: Any) -> Any:
    edited = jnp.asarray(edit.apply(value, given))
    apart = varying_axes(jax.typeof(edited)) - varying_axes(jax.typeof(value))
    if apart:  # what all devices of an axis have alike is changed alike
        edited = jnp.asarray(edit.apply(value, lax.pmean(given, tuple(sorted(apart)))))
    if (edited.shape, edited.dtype) != (value.shape, value.dtype):
        raise CaptureError(
            f"Edit `{edit.key}` gave {edited.dtype}{list(edited.shape)} in place of "
            f"{value.dtype}{list(value.shape)}. It must keep shape and number format: reshape what "
            "it gives, and convert it with `.astype(value.dtype)`."
        )
    return edited


def _bind(equation: Any, known: Mapping[Any, Any]) -> Sequence[Any]:
    """The results of an equation as it stands."""
    primitive = equation.primitive
    params = primitive.get_bind_params(equation.params)
    if "donated_invars" in params:  # a donated array could not leave the program any more
        params = {**params, "donated_invars": (False,) * len(equation.invars)}
    operands = (atom.val if is_literal(atom) else known[atom] for atom in equation.invars)
    results = primitive.bind(*operands, **params)
    return results if primitive.multiple_results else [results]


def _context(equation: Any) -> contextlib.ExitStack:
    """The name stack, source line and settings that an equation was traced with."""
    stack = contextlib.ExitStack()
    settings = getattr(getattr(equation, "ctx", None), "manager", None)
    if settings is not None:
        stack.enter_context(settings)
    # Names and lines make profiles and errors readable. `jax.extend` promises nothing, and the
    # replay is right without them.
    with contextlib.suppress(ImportError, AttributeError, TypeError):
        from jax.extend import source_info_util

        source = equation.source_info
        names = source_info_util.current_name_stack() + source.name_stack
        stack.enter_context(source_info_util.user_context(source.traceback, name_stack=names))
    return stack


def _expiring(jaxpr: Any) -> list[list[Any]]:
    """For each equation the variables that nothing reads after it."""
    seen = {atom for atom in jaxpr.outvars if not is_literal(atom)}
    expiring = []
    for equation in reversed(jaxpr.eqns):
        variables = {x for x in (*equation.invars, *equation.outvars) if not is_literal(x)}
        expiring.append(list(variables - seen))
        seen |= variables
    return expiring[::-1]
