"""The axes of an array, each a product of dimensions."""

import math
from collections.abc import Callable, Sequence

from attnreport.capture.dimensions.factors import Axis, copied, unify, whole
from attnreport.capture.program.graph import Node

Axes = tuple[Axis, ...]
Rule = Callable[[Node, Sequence[Axes]], list[Axes]]


def size_of(axis: Axis) -> int:
    """Number of positions along an axis."""
    return math.prod(factor.size for factor in axis)


def unify_axes(left: Axes, right: Axes) -> None:
    """Makes the axes of two arrays one, where their sizes are the same."""
    for ours, theirs in zip(left, right, strict=False):
        if size_of(ours) == size_of(theirs):
            unify(ours, theirs)


def distinct(axes: Sequence[Axis]) -> Axes:
    """The axes, where one that appears twice in an array is a copy the second time."""
    seen: set[int] = set()
    distinct: list[Axis] = []
    for axis in axes:
        ids = {id(factor) for factor in whole(axis)}
        distinct.append(copied(axis) if ids & seen else axis)
        seen |= ids
    return tuple(distinct)
