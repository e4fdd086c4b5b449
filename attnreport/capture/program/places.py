"""Where the variables of a program stand, and which values of its graph they are.

The graph dissolves calls, so it does not know their operands and results. Here they are found, as
addresses beside the call instead of inside of it.
"""

from collections.abc import Mapping
from typing import Any

from attnreport.capture.program.addresses import equation_at, jaxpr_at
from attnreport.capture.program.graph import Graph, Value
from attnreport.capture.program.jaxprs import Address, Path, called_jaxpr, is_literal, open_jaxpr


class Places:
    """The values of a graph by where they stand in the program, through calls."""

    def __init__(self, graph: Graph):
        """Knows a program."""
        self._closed = graph.closed
        self._addresses: dict[Path, Mapping[Any, Address]] = {}
        seen = [value for node in graph.nodes for value in (*node.inputs, *node.outputs)]
        self._values = {value.address: value for value in (*graph.root.inputs, *seen)}

    def addresses(self, path: Path) -> Mapping[Any, Address]:
        """The addresses of all variables of a jaxpr, without entering any call in it."""
        if path not in self._addresses:
            closed = jaxpr_at(self._closed, path)
            jaxpr = open_jaxpr(closed)
            made = [((*path, number), each.outvars) for number, each in enumerate(jaxpr.eqns)]
            given = [((*path, "in"), jaxpr.invars), ((*path, "const"), jaxpr.constvars)]
            self._addresses[path] = {
                variable: (at, number)
                for at, variables in (*given, *made)
                for number, variable in enumerate(variables)
            }
        return self._addresses[path]

    def value(self, path: Path, atom: Any) -> Value | None:
        """The value of an operand in a jaxpr; None for a number in the program's text."""
        return None if is_literal(atom) else self.value_at(self.addresses(path)[atom])

    def value_at(self, address: Address) -> Value | None:
        """The value at an address; where a call gives it, the value inside."""
        path, number = address
        if path[-1] == "in" and path[-2:-1] == ("call",):
            outside = equation_at(self._closed, path[:-2])
            return self.value(path[:-3], outside.invars[number])
        if isinstance(path[-1], int):
            called = called_jaxpr(equation_at(self._closed, path))
            if called is not None:
                return self.value((*path, "call"), open_jaxpr(called).outvars[number])
        return self._values.get(address)
