"""What operations that cut arrays or put them together make of their axes.

A piece that is one entry of an outer dimension keeps the inner ones; any other piece has a
dimension of its own that remembers what it was cut out of.
"""

from collections.abc import Sequence

from attnreport.capture.dimensions.axes import Axes, Rule, distinct, size_of, unify_axes
from attnreport.capture.dimensions.factors import Axis, fresh_axis, unify, whole
from attnreport.capture.dimensions.own_places import own_places
from attnreport.capture.program.graph import Node
from attnreport.capture.program.lineage import is_filled, source


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
    made = list(inputs[0])
    for place, (ours, theirs) in enumerate(zip(inputs[0], update, strict=False)):
        if size_of(ours) == size_of(theirs):
            unify(ours, theirs)
        elif is_filled(node.inputs[0]):
            # An array that held one number has no dimensions of its own: this is padding.
            made[place] = fresh_axis(size_of(ours), theirs)
    return [tuple(made) for _ in node.outputs]


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
    elif not any(parts):
        axes[joined] = fresh_axis(len(parts), _made_up_by(node, inputs, cut))
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
    cut = _made_up_by(node, inputs, _cut(inputs, -1))
    for other in inputs[1:]:
        unify_axes(inputs[0], other)
    axes = list(inputs[0])
    place = node.params["axis"]
    axes.insert(place, fresh_axis(node.outputs[0].shape[place], cut))
    return [tuple(axes)]


def _made_up_by(node: Node, pieces: Sequence[Axes], axes: Axis) -> Axis:
    """Those of some axes that pieces cut out of them are all of, as heads are all features.

    The number of a piece tells a part of such an axis.
    """
    cuts = [source(value).node for value in node.inputs]
    arrays = {source(each.inputs[0]) for each in cuts if each and each.primitive in _CUTS}
    if len(arrays) != 1 or not all(each and each.primitive in _CUTS for each in cuts):
        return ()
    sizes = {size_of(axis) * len(pieces) for axis in pieces[0]}
    return tuple(each for each in axes if each.size in sizes)


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


def _all_to_all(node: Node, inputs: Sequence[Axes]) -> list[Axes]:
    """Devices send each other blocks of one axis, and each puts what it gets along another one."""
    place = node.params["split_axis"]
    if place != node.params["concat_axis"]:
        return _resized(node, inputs)
    # Where there were blocks for devices, there are blocks of devices now.
    axes = list(inputs[0])
    axes[place] = fresh_axis(node.outputs[0].shape[place])
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
    for ours, theirs in own_places(node):
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
    return [distinct(axes)]


PIECE_RULES: dict[str, Rule] = {
    "concatenate": _concatenate,
    "stack": _stack,
    "unstack": _unstack,
    "all_gather": _all_gather,
    "all_to_all": _all_to_all,
    "gather": _gather,
}
PIECE_RULES |= dict.fromkeys(
    """slice dynamic_slice pad split tile top_k approx_top_k reduce_scatter
    reduce_window reduce_window_sum reduce_window_max reduce_window_min""".split(),
    _resized,
)
PIECE_RULES |= dict.fromkeys(["dynamic_update_slice", "scatter", "scatter-add"], _updated)
_CUTS = frozenset(["slice", "split"])
