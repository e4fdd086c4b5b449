"""What each operation makes of the axes of its operands.

A rule is given an operation and the axes of its operands, makes axes one where the operation
requires that, and returns the axes of the results. Operations without a rule work entry by entry.
"""

import math
from collections.abc import Callable, Iterator, Sequence

from attnreport.capture.factors import Axis, copied, fresh_axis, taken, unify, whole
from attnreport.capture.graph import Node

Axes = tuple[Axis, ...]


def size_of(axis: Axis) -> int:
    """Number of positions along an axis."""
    return math.prod(factor.size for factor in axis)


def unify_axes(left: Axes, right: Axes) -> None:
    """Makes the axes of two arrays one, where their sizes are the same."""
    for ours, theirs in zip(left, right, strict=False):
        if size_of(ours) == size_of(theirs):
            unify(ours, theirs)


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
    return _distinct(axes)


def _distinct(axes: Sequence[Axis]) -> Axes:
    """The axes, where one that appears twice in an array is a copy the second time."""
    seen: set[int] = set()
    distinct: list[Axis] = []
    for axis in axes:
        ids = {id(factor) for factor in whole(axis)}
        distinct.append(copied(axis) if ids & seen else axis)
        seen |= ids
    return tuple(distinct)


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
    gone = set(node.params["axes"])
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
    free = [copied(inputs[side][place]) for side in (0, 1) for place in free_axes(node, side)]
    return [_distinct([*shared, *free])]


def _resized(node: Node, inputs: Sequence[Axes]) -> list[Axes]:
    """Slices and paddings: an axis of another size is a part or an extension of the old one."""
    made: list[Axes] = []
    start = 0
    for output in node.outputs:
        axes = list(inputs[0])
        for place, (axis, size) in enumerate(zip(inputs[0], output.shape, strict=True)):
            if size_of(axis) != size:
                axes[place] = _piece(axis, size, _start(node, place, start))
        start += output.shape[node.params["axis"]] if node.primitive == "split" else 0
        made.append(tuple(axes))
    return made


def _start(node: Node, place: int, start: int) -> int | None:
    """Where a piece begins in the axis it was cut out of; None if that is not known."""
    if node.primitive == "split":
        return start
    strides = node.params.get("strides")
    if node.primitive != "slice" or (strides and strides[place] != 1):
        return None
    return node.params["start_indices"][place]


def _piece(axis: Axis, size: int, start: int | None) -> Axis:
    """A piece of an axis: whole dimensions of it where it is one entry of the outer ones."""
    inner: Axis = ()
    for factor in reversed(whole(axis)):
        inner = (factor, *inner)
        if start is not None and size_of(inner) == size and start % size == 0:
            return inner
    return fresh_axis(size, axis)


def _updated(node: Node, inputs: Sequence[Axes]) -> list[Axes]:
    """`dynamic_update_slice` and scatters: the operand with some of its entries replaced."""
    update = inputs[1] if node.primitive == "dynamic_update_slice" else ()
    for ours, theirs in zip(inputs[0], update, strict=False):
        if size_of(ours) == size_of(theirs):
            unify(ours, theirs)
    return [inputs[0] for _ in node.outputs]


def _concatenate(node: Node, inputs: Sequence[Axes]) -> list[Axes]:
    joined = node.params["dimension"]
    axes = list(inputs[0])
    cut = _cut(inputs, joined)
    for other in inputs[1:]:
        for place, axis in enumerate(other):
            if place != joined and size_of(axis) == size_of(axes[place]):
                unify(axes[place], axis)
    parts = [whole(each[joined]) for each in inputs]
    if cut and parts[0] and all(part == parts[0] for part in parts):
        axes[joined] = (*fresh_axis(len(parts), cut), *parts[0])
    else:
        axes[joined] = fresh_axis(node.outputs[0].shape[joined], *parts)
    return [tuple(axes)]


def _cut(inputs: Sequence[Axes], joined: int) -> Axis:
    """What pieces of one array were cut out of, such as heads that are put along the batch.

    Nothing if they are put behind each other along the axis that they were cut out of.
    """
    for place in range(len(inputs[0])):
        pieces = [whole(each[place]) for each in inputs]
        sources = [{source for factor in piece for source in factor.sources} for piece in pieces]
        common = set.intersection(*sources)
        if place != joined and len(inputs) > 1 and len(set(pieces)) == len(pieces) and common:
            return tuple(common)
    return ()


def _stack(node: Node, inputs: Sequence[Axes]) -> list[Axes]:
    for other in inputs[1:]:
        unify_axes(inputs[0], other)
    axes = list(inputs[0])
    place = node.params["axis"]
    axes.insert(place, fresh_axis(node.outputs[0].shape[place]))
    return [tuple(axes)]


def _unstack(node: Node, inputs: Sequence[Axes]) -> list[Axes]:
    place = node.params["axis"] % len(inputs[0])
    return [(*inputs[0][:place], *inputs[0][place + 1 :]) for _ in node.outputs]


def _all_gather(node: Node, inputs: Sequence[Axes]) -> list[Axes]:
    if node.params["tiled"]:
        return _resized(node, inputs)
    axes = list(inputs[0])
    place = node.params["all_gather_dimension"]
    axes.insert(place, fresh_axis(node.outputs[0].shape[place]))
    return [tuple(axes)]


def _gather(node: Node, inputs: Sequence[Axes]) -> list[Axes]:
    numbers = node.params["dimension_numbers"]
    gone = {*numbers.collapsed_slice_dims, *getattr(numbers, "operand_batching_dims", ())}
    windows = [
        (axis, size)
        for place, (axis, size) in enumerate(
            zip(inputs[0], node.params["slice_sizes"], strict=True)
        )
        if place not in gone
    ]
    shared = zip(
        getattr(numbers, "operand_batching_dims", ()),
        getattr(numbers, "start_indices_batching_dims", ()),
        strict=True,
    )
    for ours, theirs in shared:
        unify(inputs[0][ours], inputs[1][theirs])
    indices = iter(inputs[1][:-1])
    window = iter(windows)
    axes: list[Axis] = []
    for place, size in enumerate(node.outputs[0].shape):
        if place in numbers.offset_dims:
            axis, _ = next(window)
            axes.append(axis if size_of(axis) == size else fresh_axis(size, axis))
        else:
            axes.append(next(indices))
    return [_distinct(axes)]


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


def _unrelated(node: Node, inputs: Sequence[Axes]) -> list[Axes]:
    return [tuple(fresh_axis(size) for size in output.shape) for output in node.outputs]


Rule = Callable[[Node, Sequence[Axes]], list[Axes]]

AXIS_RULES: dict[str, Rule] = {
    "broadcast_in_dim": _broadcast,
    "transpose": _transpose,
    "reshape": _reshape,
    "squeeze": _squeeze,
    "expand_dims": _expand,
    "argmax": _reduce,
    "argmin": _reduce,
    "dot_general": _dot,
    "concatenate": _concatenate,
    "stack": _stack,
    "unstack": _unstack,
    "all_gather": _all_gather,
    "gather": _gather,
    "conv_general_dilated": _convolution,
    "iota": _unrelated,
    "optimization_barrier": _barrier,
}
AXIS_RULES |= {
    f"reduce_{name}": _reduce for name in ("sum", "max", "min", "prod", "and", "or", "xor")
} | {"reduce": _reduce}
AXIS_RULES |= dict.fromkeys(
    """slice dynamic_slice pad split tile top_k approx_top_k all_to_all reduce_scatter
    reduce_window reduce_window_sum reduce_window_max reduce_window_min""".split(),
    _resized,
)
AXIS_RULES |= dict.fromkeys(["dynamic_update_slice", "scatter", "scatter-add"], _updated)
