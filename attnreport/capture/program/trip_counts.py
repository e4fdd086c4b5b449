"""How often a `while` loop can run at most, where its text alone says so."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from attnreport.capture.program.addresses import equation_at, jaxpr_at
from attnreport.capture.program.jaxprs import Path, called_jaxpr, is_literal, open_jaxpr

# An integer, ("input", number) for an input of the jaxpr, or the name of a primitive and what it
# is applied to; None for everything that does not matter here.
Expression = int | tuple | None


def largest_count(closed: Any, path: Path) -> int | None:
    """The most iterations that the `while` loop at `path` can run; None if that is not certain.

    It is certain if the loop goes on only while a counter is below a number, and the counter starts
    at a number and grows by one. Other conditions may end the loop earlier.
    """
    equation = equation_at(closed, path)
    outside, fixed = equation.params["cond_nconsts"], equation.params["body_nconsts"]
    carry = outside + fixed
    updates = _results(equation.params["body_jaxpr"])
    counts = []
    for counter, limit in _upper_limits(_results(equation.params["cond_jaxpr"])[0]):
        number = counter - outside  # in the carry
        start = _literal_operand(closed, path, carry + number) if number >= 0 else None
        if start is not None and updates[number] in _one_more(("input", fixed + number)):
            counts.append(max(limit - start, 1))  # a buffer holds one entry at least
    return min(counts, default=None)


def _one_more(expression: Expression) -> list[Expression]:
    return [("add", expression, 1), ("add", 1, expression)]


def _upper_limits(condition: Expression) -> list[tuple[int, int]]:
    """Numbers of inputs, each with the integer that it must stay below for `condition` to hold."""
    match condition:
        case ("and", left, right):
            return [*_upper_limits(left), *_upper_limits(right)]
        case ("lt", ("input", int(counter)), int(limit)):
            return [(counter, limit)]
        case ("gt", int(limit), ("input", int(counter))):
            return [(counter, limit)]
        case ("le", ("input", int(counter)), int(limit)):
            return [(counter, limit + 1)]
        case ("ge", int(limit), ("input", int(counter))):
            return [(counter, limit + 1)]
    return []


def _results(closed: Any, operands: Sequence[Expression] | None = None) -> list[Expression]:
    """What a jaxpr returns, as expressions of its operands; calls are read as their bodies."""
    jaxpr = open_jaxpr(closed)
    if operands is None:
        operands = [("input", number) for number in range(len(jaxpr.invars))]
    known = dict(zip(jaxpr.invars, operands, strict=True))

    def read(atom: Any) -> Expression:
        return _integer(atom.val) if is_literal(atom) else known.get(atom)

    for equation in jaxpr.eqns:
        arguments = [read(atom) for atom in equation.invars]
        called = called_jaxpr(equation)
        if called is not None:
            made = _results(called, arguments)
        elif _changes_nothing(equation):
            made = arguments
        elif len(equation.outvars) == 1:
            made = [(equation.primitive.name, *arguments)]
        else:
            made = [None] * len(equation.outvars)
        known.update(zip(equation.outvars, made, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _changes_nothing(equation: Any) -> bool:
    """Whether its result is its operand: a cast to the same type, or a mark of `shard_map`'s."""
    if equation.primitive.name in ("pvary", "pcast"):
        return True
    kinds = {getattr(atom.aval, "dtype", None) for atom in (*equation.invars, *equation.outvars)}
    return equation.primitive.name == "convert_element_type" and len(kinds) == 1


def _literal_operand(closed: Any, path: Path, number: int) -> int | None:
    """Operand `number` of an equation as an integer, if it is one, also outside of calls."""
    atom = equation_at(closed, path).invars[number]
    while not is_literal(atom):
        inputs = open_jaxpr(jaxpr_at(closed, path[:-1])).invars
        if path[-2:-1] != ("call",) or atom not in inputs:
            return None
        path = path[:-2]
        atom = equation_at(closed, path).invars[inputs.index(atom)]
    return _integer(atom.val)


def _integer(value: Any) -> int | None:
    array = np.asarray(value)
    return int(array) if array.ndim == 0 and np.issubdtype(array.dtype, np.integer) else None
