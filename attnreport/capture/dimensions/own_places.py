"""Indices that name each entry's own place, as `x[jnp.arange(batch)[:, None], indices]` has them.

An array that is looked up so keeps that dimension: what the result has there is what the array has.
"""

from collections.abc import Iterator

import numpy as np

from attnreport.capture.program.graph import Node, Value


def own_places(node: Node) -> Iterator[tuple[int, int]]:
    """The axes of a `gather`'s operand that are looked up at their own places.

    Args:
        node: The `gather`.

    Yields:
        The axis of the operand, and the axis of the indices along which its places are counted.
    """
    array, indices = node.inputs
    sizes = node.params["slice_sizes"]
    columns = _columns(indices)
    for column, axis in zip(columns, node.params["dimension_numbers"].start_index_map, strict=True):
        along = None if column is None or sizes[axis] > 1 else _counts_along(column)
        if along is not None and indices.shape[along] == array.shape[axis]:
            yield axis, along


def _columns(indices: Value) -> list[Value | None]:
    """The indices of each axis, as arrays of one column; None for what cannot be told apart."""
    count = indices.shape[-1]
    if count == 1:
        return [indices]
    node = indices.node
    joined = node is not None and node.primitive == "concatenate"
    if node is None or not joined or node.params["dimension"] != len(indices.shape) - 1:
        return [None] * count
    found: list[Value | None] = []
    for each in node.inputs:
        found += [each] if each.shape[-1] == 1 else [None] * each.shape[-1]
    return found


def _counts_along(value: Value) -> int | None:
    """The axis along which an array is 0, 1, 2, … and otherwise the same; None if there is none."""
    if value.constant is not None or value.literal is not None:
        return _axis_of_numbers(value)
    node = value.node
    if node is None:
        return None
    if node.primitive == "iota":
        return node.params["dimension"]
    if node.primitive in ("convert_element_type", "copy"):
        return _counts_along(node.inputs[0])
    if node.primitive == "select_n" and _is_below_zero(node.inputs[0]):
        return _counts_along(node.inputs[1])  # which counts from zero
    if node.primitive == "broadcast_in_dim":
        before = _counts_along(node.inputs[0])
        if before is None:
            return None
        after = node.params["broadcast_dimensions"][before]
        return after if node.inputs[0].shape[before] == value.shape[after] else None
    if node.primitive == "reshape":
        before = _counts_along(node.inputs[0])
        long = [place for place, size in enumerate(value.shape) if size > 1]
        alone = sum(size > 1 for size in node.inputs[0].shape) == 1
        return long[0] if before is not None and alone and len(long) == 1 else None
    return None


def _axis_of_numbers(value: Value) -> int | None:
    numbers = np.asarray(value.literal if value.constant is None else value.constant)
    long = [place for place, size in enumerate(numbers.shape) if size > 1]
    if len(long) != 1 or numbers.dtype.kind not in "iu":
        return None
    counts = np.array_equal(numbers.reshape(-1), np.arange(numbers.size))
    return long[0] if counts else None


def _is_below_zero(value: Value) -> bool:
    if value.constant is not None:
        return not np.asarray(value.constant).any()
    node = value.node
    return node is not None and node.primitive == "lt" and node.inputs[1].literal == 0
