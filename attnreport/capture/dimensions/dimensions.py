"""Which axes of which arrays are one dimension, for a whole program at once.

Every operation is read once. Where it requires axes to be equal (an addition, the batch of a
matrix product) they become one; where it only copies an axis (a broadcast, the free axes of a
matrix product) the copy is a new dimension that knows its source. Keeping copies apart is what
tells the queries of self-attention from its keys, although both come from one array.
"""

import functools
from collections.abc import Sequence

from attnreport.capture.dimensions.axes import Axes, size_of, unify_axes
from attnreport.capture.dimensions.axis_rules import AXIS_RULES, elementwise
from attnreport.capture.dimensions.factors import (
    Axis,
    Factor,
    ancestry,
    canonical,
    fresh_axis,
    keep_apart,
    whole,
)
from attnreport.capture.program.graph import Graph, Node, Scope, Value
from attnreport.capture.program.lineage import copies, is_argument, is_filled


class Dimensions:
    """The dimensions of every value of a graph."""

    def __init__(self, graph: Graph):
        """Reads all operations of `graph`, in order."""
        self._axes: dict[Value, Axes] = {}
        self._nodes: dict[Scope, list[Node]] = {}
        for node in graph.nodes:
            self._nodes.setdefault(node.scope, []).append(node)
        for value in graph.root.inputs:
            self._axes[value] = _named(value)
        self._read(graph.root)
        self._inputs, self._outputs = graph.root.inputs, graph.root.outputs

    @functools.cached_property
    def results(self) -> set[int]:
        """The identities of what the dimensions of the program's outputs are copies of."""
        factors = [factor for value in self._outputs for factor in self.within(value)]
        return {id(each) for factor in factors for each in ancestry(factor)}

    @functools.cached_property
    def leading(self) -> set[int]:
        """The identities of the first dimensions of the program's inputs, where they are whole.

        If arguments are arrays themselves, those inside of others do not count: parameters, as a
        rule.
        """
        inputs = [value for value in self._inputs if len(value.shape) > 1]
        alone = [value for value in inputs if is_argument(value)]
        axes = [self.of(value)[0] for value in alone or inputs]
        return {id(canonical(axis[0])) for axis in axes if len(axis) == 1}

    @functools.cached_property
    def examples(self) -> set[int]:
        """The identities of the first dimensions of inputs with more than two axes."""
        axes = [self.of(value)[0] for value in self._inputs if len(value.shape) > 2]
        return {id(canonical(axis[0])) for axis in axes if len(axis) == 1}

    def nodes_in(self, scope: Scope) -> list[Node]:
        """The operations of a scope, in order, without those of scopes inside of it."""
        return self._nodes.get(scope, [])

    @functools.cached_property
    def joined(self) -> dict[int, int]:
        """Dimensions in which batches of examples lie behind each other, and how many there are.

        Guidance without a classifier runs a model on its inputs twice, once with another text.
        """
        found: dict[int, int] = {}
        for node in (each for nodes in self._nodes.values() for each in nodes):
            if node.primitive == "concatenate":
                place = node.params["dimension"]
                axis = self.of(node.outputs[0])[place]
                pieces = [self.of(value)[place] for value in node.inputs]
                alike = len({size_of(piece) for piece in pieces}) == 1
                if len(axis) == 1 and len(pieces) > 1 and alike and self._are_leading(pieces):
                    found[id(canonical(axis[0]))] = len(pieces)
        return found

    def _are_leading(self, axes: Sequence[Axis]) -> bool:
        """Whether each of some axes holds the examples, all of them."""
        return all(
            len(axis) == 1
            and any(
                id(each) in self.leading and each.size == axis[0].size for each in ancestry(axis[0])
            )
            for axis in axes
        )

    def of(self, value: Value) -> Axes:
        """The axes of a value, each as its finest factors; `()` for an axis of size 1."""
        return tuple(whole(axis) for axis in self._known(value))

    def within(self, value: Value) -> Axis:
        """All dimensions of a value, axis by axis."""
        return tuple(factor for axis in self.of(value) for factor in axis)

    def ids(self, value: Value) -> set[int]:
        """The identities of all dimensions of a value."""
        return {id(factor) for factor in self.within(value)}

    def _known(self, value: Value) -> Axes:
        if value not in self._axes:
            self._axes[value] = _named(value)
        return self._axes[value]

    def _read(self, scope: Scope) -> None:
        for node in self._nodes.get(scope, ()):
            if node.scopes:
                self._cross(node)
                continue
            inputs = [self._known(value) for value in node.inputs]
            rule = AXIS_RULES.get(node.primitive, elementwise)
            made = rule(node, inputs)
            for axes in made:
                keep_apart(axes)
            self._axes.update(zip(node.outputs, made, strict=True))

    def _cross(self, node: Node) -> None:
        """Reads a loop, branch or shard, and what comes out of it."""
        for scope in node.scopes:
            for value in scope.inputs:
                self._axes[value] = _entering(value, self._known(value.outer or value))
            self._read(scope)
        body = node.scopes[0]
        for number, output in enumerate(node.outputs):
            axes = self._leaving(node, body, number, output)
            for scope in node.scopes:
                if scope.kind == "branch":
                    unify_axes(axes, self._known(scope.outputs[number]))
            self._axes[output] = axes

    def _leaving(self, node: Node, body: Scope, number: int, output: Value) -> Axes:
        result = self._known(body.outputs[number])
        if len(result) + 1 == len(output.shape):
            return ((*fresh_axis(output.shape[0]),), *result)
        carried = [value for value in body.inputs if value.link == "carry"]
        if number < len(carried):
            unify_axes(result, self._known(carried[number]))
        return tuple(
            axis if size_of(axis) == size else fresh_axis(size, axis)
            for axis, size in zip(result, output.shape, strict=True)
        )


def _named(value: Value) -> Axes:
    """Dimensions of something that no operation makes: an input, a constant, a number."""
    origin = value if value.literal is None else None
    return tuple(
        (Factor(size, origins=set() if origin is None else {origin}),) if size != 1 else ()
        for size in value.shape
    )


def _entering(value: Value, outside: Axes) -> Axes:
    inside = outside[1:] if value.link == "scanned" else outside
    if value.link == "carry" and value.outer is not None and is_filled(value.outer):
        # One array of zeros may be where several things begin.
        return tuple(fresh_axis(size) for size in value.shape)
    return tuple(
        axis if size_of(axis) == size else fresh_axis(size, axis)
        for axis, size in zip(inside, value.shape, strict=True)
    )


def repeated_along(dimensions: Dimensions, value: Value) -> set[int]:
    """Dimensions that a value has only because it was repeated along them."""
    repeated: set[int] = set()
    for each in copies(value):
        node = each.node
        if node is None or node.primitive not in ("broadcast_in_dim", "tile"):
            continue
        sizes = node.inputs[0].shape
        places = node.params.get("broadcast_dimensions", range(len(sizes)))
        kept = {
            place for place, size in zip(places, sizes, strict=True) if size == each.shape[place]
        }
        for place, axis in enumerate(dimensions.of(each)):
            if place not in kept:
                repeated |= {id(canonical(factor)) for factor in axis}
    return repeated
