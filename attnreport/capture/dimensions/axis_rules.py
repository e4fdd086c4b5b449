"""What each operation makes of the axes of its operands.

A rule is given an operation and the axes of its operands, makes axes one where the operation
requires that, and returns the axes of the results. Operations without a rule work entry by entry.
"""

import math
from collections.abc import Iterator, Sequence

from attnreport.capture.dimensions.axes import Axes, Rule, distinct, size_of
from attnreport.capture.dimensions.factors import Axis, copied, fresh_axis, taken, unify, whole
from attnreport.capture.dimensions.piece_rules import PIECE_RULES
from attnreport.capture.program.graph import Node


def elementwise(node: Node, inputs: Sequence[Axes]) -> list[Axes]:
    """Operands of one shape, or of size 1 where the result is larger; the same for each result."""
    return [_matched(output.shape, inputs) for output in node.outputs]


def _matched(shape: tuple[int, ...], inputs: Sequence[Axes]) -> Axes:
    full = [axes for axes in inputs if len(axes) == len(shape)]
    # Where no operand has the whole shape, each is repeated: an outer product makes copies.
    outer = not any(tuple(map(size_of, axes)) == shape for axes in full)
    axes: list[Axis] = []
    for number, size in enumerate(shape):
        equal = [each[number] for each in full if size_of(each[number]) == size != 1]
        for other in equal[1:]:
            unify(equal[0], other)
        if not equal:
            axes.append(fresh_axis(size))
        else:
            axes.append(copied(equal[0]) if outer and len(equal) < len(full) else equal[0])
    return distinct(axes)


def _barrier(node: Node, inputs: Sequence[Axes]) -> list[Axes]:
    return list(inputs)


def _broadcast(node: Node, inputs: Sequence[Axes]) -> list[Axes]:
    shape = node.outputs[0].shape
    axes: list[Axis] = [fresh_axis(size) for size in shape]
    # What is not repeated along anything is the same array with more axes.
    repeated = math.prod(shape) != math.prod(node.inputs[0].shape)
    for axis, place in zip(inputs[0], node.params["broadcast_dimensions"], strict=True):
        if size_of(axis) == shape[place]:
            axes[place] = copied(axis) if repeated else axis
    return [tuple(axes)]


def _transpose(node: Node, inputs: Sequence[Axes]) -> list[Axes]:
    return [tuple(inputs[0][place] for place in node.params["permutation"])]


def _reshape(node: Node, inputs: Sequence[Axes]) -> list[Axes]:
    if 0 in node.outputs[0].shape:  # such as padding of no width: it holds nothing
        return [tuple(map(fresh_axis, node.outputs[0].shape))]
    axes: list[Axis] = []
    for before, sizes in _groups(inputs[0], node.outputs[0].shape):
        left = [factor for axis in before for factor in whole(axis)]
        made = [taken(left, size) for size in sizes]
        # What does not divide evenly, as in the shift of relative positions, is a mixture.
        whole_axes = [axis for axis in made if axis is not None]
        axes += whole_axes if len(whole_axes) == len(made) else map(fresh_axis, sizes)
    return [tuple(axes)]


def _groups(axes: Axes, shape: Sequence[int]) -> Iterator[tuple[list[Axis], list[int]]]:
    """The fewest axes in a row that become as few axes in a row of the same size."""
    old, new = list(axes), list(shape)
    while old or new:
        before, after = old[:1], new[:1]
        del old[:1], new[:1]
        while math.prod(map(size_of, before)) != math.prod(after):
            if math.prod(map(size_of, before)) < math.prod(after):
                before.append(old.pop(0))
            else:
                after.append(new.pop(0))
        yield before, after


def _squeeze(node: Node, inputs: Sequence[Axes]) -> list[Axes]:
    gone = {place % len(inputs[0]) for place in node.params["dimensions"]}
    return [tuple(axis for place, axis in enumerate(inputs[0]) if place not in gone)]


def _expand(node: Node, inputs: Sequence[Axes]) -> list[Axes]:
    rest = iter(inputs[0])
    new = set(node.params["dimensions"])
    return [tuple(() if i in new else next(rest) for i in range(len(node.outputs[0].shape)))]


def _reduce(node: Node, inputs: Sequence[Axes]) -> list[Axes]:
    # `reduce`, with a function of the program's own, calls its axes by another name.
    gone = set(node.params.get("axes", node.params.get("dimensions", ())))
    # Several operands at once belong to `reduce`, as in a joint maximum and its place.
    kept = tuple(axis for place, axis in enumerate(inputs[0]) if place not in gone)
    return [kept for _ in node.outputs]


def contracted_axes(node: Node) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The axes that a `dot_general` sums over, of its left and its right operand."""
    (left, right), _ = node.params["dimension_numbers"]
    return tuple(left), tuple(right)


def batch_axes(node: Node) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The axes that a `dot_general` keeps apart, of its left and its right operand."""
    _, (left, right) = node.params["dimension_numbers"]
    return tuple(left), tuple(right)


def free_axes(node: Node, operand: int) -> tuple[int, ...]:
    """The axes of an operand of a `dot_general` that the other does not have."""
    used = {*contracted_axes(node)[operand], *batch_axes(node)[operand]}
    return tuple(i for i in range(len(node.inputs[operand].shape)) if i not in used)


def _dot(node: Node, inputs: Sequence[Axes]) -> list[Axes]:
    for pairs in (contracted_axes(node), batch_axes(node)):
        for left, right in zip(*pairs, strict=True):
            unify(inputs[0][left], inputs[1][right])
    shared = [inputs[0][place] for place in batch_axes(node)[0]]
    free = [[inputs[side][place] for place in free_axes(node, side)] for side in (0, 1)]
    if all(free) or any(contracted_axes(node)):
        free = [list(map(copied, axes)) for axes in free]
    # What has no axis of its own and sums over none scales the other, entry by entry.
    return [distinct([*shared, *free[0], *free[1]])]


def _convolution(node: Node, inputs: Sequence[Axes]) -> list[Axes]:
    numbers = node.params["dimension_numbers"]
    shape = node.outputs[0].shape
    axes: list[Axis] = [()] * len(shape)
    for place_in, place_out in zip(numbers.lhs_spec, numbers.out_spec, strict=True):
        axis, size = inputs[0][place_in], shape[place_out]
        axes[place_out] = axis if size_of(axis) == size else fresh_axis(size, axis)
    feature = numbers.out_spec[1]
    axes[feature] = copied(inputs[1][numbers.rhs_spec[0]])
    return [tuple(axes)]


AXIS_RULES: dict[str, Rule] = {
    **PIECE_RULES,
    "broadcast_in_dim": _broadcast,
    "transpose": _transpose,
    "reshape": _reshape,
    "squeeze": _squeeze,
    "expand_dims": _expand,
    "argmax": _reduce,
    "argmin": _reduce,
    "dot_general": _dot,
    "conv_general_dilated": _convolution,
    "optimization_barrier": _barrier,
}
AXIS_RULES |= {
    f"reduce_{name}": _reduce for name in ("sum", "max", "min", "prod", "and", "or", "xor")
} | {"reduce": _reduce}
