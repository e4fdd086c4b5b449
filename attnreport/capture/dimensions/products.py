"""Sums of products, whether a program writes a matrix product or multiplies and adds up."""

import dataclasses
from collections.abc import Sequence

from attnreport.capture.dimensions.axis_rules import batch_axes, contracted_axes, free_axes
from attnreport.capture.dimensions.dimensions import Dimensions, repeated_along
from attnreport.capture.dimensions.factors import Axis, canonical
from attnreport.capture.program.graph import Node, Value
from attnreport.capture.program.lineage import source


@dataclasses.dataclass(frozen=True, eq=False)
class Product:
    """A sum of products of two operands.

    Attributes:
        operands: Left and right.
        summed: The dimensions that are summed over, as each operand has them.
        own: The dimensions that only the left or only the right operand has, as it has them.
        made: The same dimensions as the result has them.
        shared: The dimensions of the result that both operands have, as each has them.
    """

    operands: tuple[Value, Value]
    summed: tuple[Axis, Axis]
    own: tuple[Axis, Axis]
    made: tuple[Axis, Axis]
    shared: tuple[Axis, Axis]


def product_of(dimensions: Dimensions, node: Node) -> Product | None:
    """The sum of products that an operation computes; None if it computes none."""
    if node.primitive == "dot_general" and contracted_axes(node)[0]:
        return _matrix_product(dimensions, node)
    if node.primitive == "reduce_sum":
        inner = source(node.inputs[0]).node
        if inner is not None and inner.primitive == "mul":
            return _summed_product(dimensions, node, inner)
    return None


def distance_of(dimensions: Dimensions, node: Node) -> Product | None:
    """A sum of squared or absolute differences, read as a product; None if it is none."""
    inner = source(node.inputs[0]).node if node.primitive == "reduce_sum" else None
    if inner is None or inner.primitive not in _SIZES:
        return None
    parts = {source(each) for each in inner.inputs}
    between = parts.pop().node
    if parts or between is None or between.primitive not in ("sub", "add"):
        return None
    return _summed_product(dimensions, node, between)


def projecting(dimensions: Dimensions, node: Node) -> Product | None:
    """A product, or a convolution read as one: of an array with a kernel that makes features."""
    if node.primitive != "conv_general_dilated":
        return product_of(dimensions, node)
    numbers = node.params["dimension_numbers"]
    axes = [dimensions.of(each) for each in (*node.inputs, node.outputs[0])]
    places = [spec[1] for spec in (numbers.lhs_spec, numbers.rhs_spec, numbers.out_spec)]
    kept = [i for i in range(len(axes[0])) if i != places[0]]
    return Product(
        operands=(node.inputs[0], node.inputs[1]),
        summed=(axes[0][places[0]], axes[1][places[1]]),
        own=(_flat([axes[0][i] for i in kept]), axes[1][numbers.rhs_spec[0]]),
        made=(_flat([axes[2][i] for i in numbers.out_spec if i != places[2]]), axes[2][places[2]]),
        shared=((), ()),
    )


def _matrix_product(dimensions: Dimensions, node: Node) -> Product:
    result = dimensions.of(node.outputs[0])
    axes = [dimensions.of(each) for each in node.inputs]
    start = [len(batch_axes(node)[0])]
    start.append(start[0] + len(free_axes(node, 0)))
    start.append(len(result))

    def of(places: Sequence[Sequence[int]]) -> tuple[Axis, Axis]:
        return _flat([axes[0][i] for i in places[0]]), _flat([axes[1][i] for i in places[1]])

    return Product(
        operands=(node.inputs[0], node.inputs[1]),
        summed=of(contracted_axes(node)),
        own=of([free_axes(node, 0), free_axes(node, 1)]),
        made=(_flat(result[start[0] : start[1]]), _flat(result[start[1] : start[2]])),
        shared=of(batch_axes(node)),
    )


def _summed_product(dimensions: Dimensions, node: Node, inner: Node) -> Product:
    axes = dimensions.of(node.inputs[0])
    over = _flat([axes[place] for place in node.params["axes"]])
    gone = {id(canonical(factor)) for factor in over}
    result = dimensions.of(inner.outputs[0])
    sides = [dimensions.of(each) for each in inner.inputs]
    has = [_places(dimensions, each) for each in inner.inputs]

    def kept(places: set[int], of: Sequence[Axis]) -> Axis:
        return _flat(
            [
                of[place]
                for place in sorted(places)
                if not any(id(canonical(factor)) in gone for factor in result[place])
            ]
        )

    only = (has[0] - has[1], has[1] - has[0])
    both = has[0] & has[1]
    return Product(
        operands=(inner.inputs[0], inner.inputs[1]),
        summed=(over, over),
        own=(kept(only[0], sides[0]), kept(only[1], sides[1])),
        made=(kept(only[0], result), kept(only[1], result)),
        shared=(kept(both, sides[0]), kept(both, sides[1])),
    )


def _places(dimensions: Dimensions, value: Value) -> set[int]:
    """The axes that a value has other than by being repeated along them."""
    repeated = repeated_along(dimensions, value)
    return {
        place
        for place, axis in enumerate(dimensions.of(value))
        if any(id(canonical(factor)) not in repeated for factor in axis)
    }


def _flat(axes: Sequence[Axis]) -> Axis:
    return tuple(factor for axis in axes for factor in axis)


# What is made of a difference before it is added up to a distance.
_SIZES = frozenset(["abs", "integer_pow", "mul", "square"])
