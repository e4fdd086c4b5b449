"""A jaxpr as one graph of values and operations, from definition to use and back.

Calls (`jit`, `remat`, custom rules) are dissolved: their equations stand in the scope of their
caller. Loops, branches and shards stay scopes of their own, whose inputs are linked to the values
outside that feed them.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import jax.numpy as jnp

from attnreport.capture.program.jaxprs import (
    Address,
    Path,
    called_jaxpr,
    constants,
    is_literal,
    open_jaxpr,
)
from attnreport.capture.program.links import Inner, Kind, Link, inner_jaxprs

Names = tuple[str, ...]


@dataclasses.dataclass(eq=False, repr=False)
class Value:
    """An array of the program.

    Attributes:
        shape: Its shape inside its scope.
        dtype: Its number format.
        scope: The scope it lives in.
        address: Where replay finds it; None for literals.
        node: The operation that makes it; None for inputs, constants and literals.
        literal: The number, if it stands in the program's text.
        constant: The array, if the program closes over it.
        label: Path of the argument it is, such as `[0]['params']['kernel']`; empty if it is none.
        outer: For an input of a loop, branch or shard: the value outside that feeds it.
        link: How `outer` feeds it: unchanged, as the carry's start, one slice an iteration, or
            one piece a device.
        uses: The operations that read it, with the operand's number.
        hangs_on: Whether it is computed from something that was asked for, such as random numbers.
    """

    shape: tuple[int, ...]
    dtype: Any
    scope: "Scope"
    address: Address | None = None
    node: "Node | None" = None
    literal: Any = None
    constant: Any = None
    label: str = ""
    outer: "Value | None" = None
    link: Link | None = None
    uses: list[tuple["Node", int]] = dataclasses.field(default_factory=list)
    hangs_on: dict[str, bool] = dataclasses.field(default_factory=dict)

    @property
    def is_float(self) -> bool:
        """Whether it holds floating-point numbers, not counts, conditions or random keys."""
        return self.dtype is not None and jnp.issubdtype(self.dtype, jnp.inexact)

    @property
    def is_scalar(self) -> bool:
        """Whether it holds a single number, whatever its rank."""
        return all(size == 1 for size in self.shape)


@dataclasses.dataclass(eq=False, repr=False)
class Node:
    """An operation of the program.

    Attributes:
        primitive: Name of the JAX primitive.
        params: Its parameters.
        inputs: Its operands.
        outputs: What it makes.
        path: Where replay finds it.
        names: The name stack of each enclosing call and of itself, outermost first.
        scope: The scope it stands in.
        order: Its place in the order of execution.
        equation: The equation of the jaxpr, for its source information.
        scopes: The loop body, branches or shard inside it.
    """

    primitive: str
    params: dict[str, Any]
    inputs: list[Value]
    outputs: list[Value]
    path: Path
    names: Names
    scope: "Scope"
    order: int
    equation: Any
    scopes: list["Scope"] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(eq=False, repr=False)
class Scope:
    """The root, a loop body or condition, a branch, or a shard.

    Attributes:
        kind: What it is.
        path: Where replay finds it.
        parent: The scope around it; None for the root.
        node: The loop, branch or shard operation it belongs to; None for the root.
        inputs: What it is given.
        outputs: What it gives back.
    """

    kind: Literal["root"] | Kind
    path: Path
    parent: "Scope | None" = None
    node: Node | None = None
    inputs: list[Value] = dataclasses.field(default_factory=list)
    outputs: list[Value] = dataclasses.field(default_factory=list)

    def enclosing(self) -> Iterator["Scope"]:
        """Itself and the scopes around it, innermost first."""
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.parent


class Graph:
    """The values and operations of a program.

    Attributes:
        closed: The program.
        root: The outermost scope.
        nodes: All operations, in the order of execution.
    """

    def __init__(self, closed: Any, labels: Sequence[str] = ()):
        """Reads a closed jaxpr.

        Args:
            closed: The program.
            labels: Path of each of its inputs.
        """
        self.closed = closed
        self.nodes: list[Node] = []
        self.root = Scope("root", ())
        self.root.inputs = [
            Value(_shape(v), _dtype(v), self.root, (("in",), number), label=label)
            for number, (v, label) in enumerate(
                zip(
                    open_jaxpr(closed).invars,
                    labels or [""] * len(open_jaxpr(closed).invars),
                    strict=True,
                )
            )
        ]
        self.root.outputs = self._read(closed, self.root.inputs, self.root, (), ())
        self._live = _live_values(self.root)

    def is_live(self, value: Value) -> bool:
        """Whether an output of the program depends on the value."""
        return value in self._live

    def _read(
        self, closed: Any, inputs: Sequence[Value], scope: Scope, path: Path, names: Names
    ) -> list[Value]:
        """Adds the equations of a jaxpr to `scope`; gives the values it returns."""
        jaxpr = open_jaxpr(closed)
        known = dict(zip(jaxpr.invars, inputs, strict=True))
        for number, (name, array) in enumerate(
            zip(jaxpr.constvars, constants(closed), strict=True)
        ):
            place = ((*path, "const"), number)
            known[name] = Value(_shape(name), _dtype(name), scope, place, constant=array)

        def read(atom: Any) -> Value:
            if is_literal(atom):
                return Value(_shape(atom), _dtype(atom), scope, literal=atom.val)
            return known[atom]

        for number, equation in enumerate(jaxpr.eqns):
            here = (*path, number)
            stack = str(equation.source_info.name_stack)
            within = (*names, stack) if stack else names
            operands = [read(atom) for atom in equation.invars]
            called = called_jaxpr(equation)
            if called is not None:
                made = self._read(called, operands, scope, (*here, "call"), within)
            else:
                made = self._add(equation, operands, scope, here, within).outputs
            known.update(zip(equation.outvars, made, strict=True))
        return [read(atom) for atom in jaxpr.outvars]

    def _add(
        self,
        equation: Any,
        operands: list[Value],
        scope: Scope,
        path: Path,
        names: Names,
    ) -> Node:
        node = Node(
            primitive=equation.primitive.name,
            params=equation.params,
            inputs=operands,
            outputs=[],
            path=path,
            names=names,
            scope=scope,
            order=len(self.nodes),
            equation=equation,
        )
        self.nodes.append(node)
        for number, operand in enumerate(operands):
            operand.uses.append((node, number))
        node.outputs = [
            Value(_shape(made), _dtype(made), scope, (path, number), node)
            for number, made in enumerate(equation.outvars)
        ]
        for inner in inner_jaxprs(equation, operands):
            node.scopes.append(self._enter(node, inner))
        return node

    def _enter(self, node: Node, inner: Inner[Value]) -> Scope:
        scope = Scope(inner.kind, (*node.path, inner.tag), node.scope, node)
        scope.inputs = [
            Value(
                _shape(variable),
                _dtype(variable),
                scope,
                ((*scope.path, "in"), number),
                outer=outer,
                link=link,
            )
            for number, (variable, outer, link) in enumerate(
                zip(open_jaxpr(inner.jaxpr).invars, inner.operands, inner.links, strict=True)
            )
        ]
        scope.outputs = self._read(inner.jaxpr, scope.inputs, scope, scope.path, node.names)
        return scope


def feeds(value: Value) -> list[Value]:
    """What a value is computed from, one step back, through the borders of scopes too."""
    if value.outer is not None:
        carried = _carried_into(value)
        return [value.outer] if carried is None else [value.outer, carried]
    if value.node is None:
        return []
    inside = inner_results(value)
    # Which branch ran, and when a loop ended, depends on the first operands too.
    return [*value.node.inputs, *inside] if not inside else [*inside, *_controls(value.node)]


def inner_results(value: Value) -> list[Value]:
    """The values inside a loop, branch or shard that an output of it comes from."""
    node = value.node
    if node is None or not node.scopes:
        return []
    number = node.outputs.index(value)
    return [
        scope.outputs[number]
        for scope in node.scopes
        if scope.kind != "cond" and number < len(scope.outputs)
    ]


def _controls(node: Node) -> list[Value]:
    if node.primitive == "cond":
        return node.inputs[:1]
    return [value for scope in node.scopes if scope.kind == "cond" for value in scope.outputs]


def _carried_into(value: Value) -> Value | None:
    """What the previous iteration of a loop left for this input of its body."""
    scope = value.scope
    if value.link != "carry" or scope.node is None:
        return None
    number = [each for each in scope.inputs if each.link == "carry"].index(value)
    return next(each for each in scope.node.scopes if each.kind != "cond").outputs[number]


def _live_values(root: Scope) -> set[Value]:
    live: set[Value] = set()
    waiting = list(root.outputs)
    while waiting:
        value = waiting.pop()
        if value in live:
            continue
        live.add(value)
        waiting.extend(feeds(value))
    return live


def _shape(atom: Any) -> tuple[int, ...]:
    return tuple(getattr(atom.aval, "shape", ()))


def _dtype(atom: Any) -> Any:
    return getattr(atom.aval, "dtype", None)
