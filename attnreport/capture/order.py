"""Where in a computation each of its outputs comes about: forward order, read off the jaxpr.

Intermediates come back from a compiled function sorted by name, which would put a decoder before
its encoder. The trace still knows what was computed first.
"""

from collections.abc import Iterator
from typing import Any

Position = tuple[int, ...]


def forward_positions(jaxpr: Any) -> list[Position]:
    """For each output of `jaxpr` the equation that made it; sorting by it gives forward order.

    A position has one number for each level of nested computations (`jit`, `scan`, `remat`, …).
    Casts, copies and changes of layout count as part of what made their operand.
    """
    jaxpr = getattr(jaxpr, "jaxpr", jaxpr)  # closed or not
    return [_made_at(jaxpr, var)[0] for var in jaxpr.outvars]


def _made_at(jaxpr: Any, var: Any) -> tuple[Position, int | None]:
    """Position of `var`, and which input of `jaxpr` it is a copy of, if it is one."""
    makers = {
        id(out): (number, place)
        for number, equation in enumerate(jaxpr.eqns)
        for place, out in enumerate(equation.outvars)
    }
    position: Position = ()
    while id(var) in makers:
        number, place = makers[id(var)]
        within, source = _step_back(jaxpr.eqns[number], place)
        position = (number, *within)
        if source is None:
            return position, None
        var = source
    inputs = {id(argument): number for number, argument in enumerate(jaxpr.invars)}
    return position, inputs.get(id(var))


def _step_back(equation: Any, place: int) -> tuple[Position, Any]:
    """Position inside `equation` of one of its results, and the operand it is a copy of."""
    inner = next(_inner_jaxprs(equation), None)
    if inner is None:
        one_to_one = len(equation.invars) == 1 == len(equation.outvars)
        return (), equation.invars[0] if one_to_one else None
    within, copied = _made_at(inner, inner.outvars[place])
    if copied is None:
        return within, None
    # A call passes its operands on in order, after a branch index or constants of a condition.
    return within, equation.invars[copied + len(equation.invars) - len(inner.invars)]


def _inner_jaxprs(equation: Any) -> Iterator[Any]:
    """Computations that `equation` runs and whose results are its own."""
    for value in equation.params.values():
        for candidate in value if isinstance(value, tuple | list) else (value,):
            inner = getattr(candidate, "jaxpr", candidate)
            if hasattr(inner, "eqns") and len(inner.outvars) == len(equation.outvars):
                yield inner
