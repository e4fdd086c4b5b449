"""What is done to the rows of a result, and so to the weights that it was made with.

The result of a contraction may be divided by the sum of the weights, multiplied by the share of a
segment of the keys, and added to the results of other segments, in any order. All factors that a
row meets on this way belong to its weights.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from attnreport.capture.dimensions.dimensions import Dimensions
from attnreport.capture.dimensions.factors import Axis, stems_from
from attnreport.capture.program.graph import Node, Value
from attnreport.capture.program.lineage import MOVES, Numbers, source
from attnreport.capture.roles.contractions import Contraction
from attnreport.capture.roles.normalizers import Normalizers, Sum, is_constant, quotients
from attnreport.capture.roles.sites import Recipe, address_of


@dataclasses.dataclass(frozen=True, eq=False)
class Scaling:
    """What rows of a result are multiplied and divided by, one value per row each."""

    factors: tuple[Value, ...] = ()
    divisors: tuple[Value, ...] = ()


class Scalings:
    """Follows the result of a contraction through what is done to its rows."""

    def __init__(self, dimensions: Dimensions, numbers: Numbers, normalizers: Normalizers):
        self._dimensions = dimensions
        self._numbers = numbers
        self._normalizers = normalizers

    def after(self, use: Contraction, sums: list[Sum], *, itself: bool = False) -> Scaling | None:
        """The scaling that normalizes rows, up to its last division.

        Args:
            use: The contraction.
            sums: Sums of its weights over the keys, if they are not normalized yet.
            itself: Whether parts of the result may divide it, such as a column that adds ones.

        Returns:
            None if no division on the way has to do with the sums or with a factor met before.
        """
        best: Scaling | None = None
        totals = [each.node.outputs[0] for each in sums] + [use.output] * itself
        waiting = [(use.output, Scaling(), 0)]
        while waiting:
            value, scaling, depth = waiting.pop(0)
            for node, number in value.uses:
                divided = self._divided(node, value, scaling, totals)
                if divided is not None:
                    best = scaling = divided
                following = divided or self._step(node, number, scaling)
                if following is not None and depth < _DEEPEST:
                    output = node.outputs[number if len(node.outputs) > 1 else 0]
                    waiting.append((output, following, depth + 1))
        return best

    def _divided(
        self, node: Node, value: Value, scaling: Scaling, totals: list[Value]
    ) -> Scaling | None:
        for numerator, denominator in quotients(node):
            if numerator is not value:
                continue
            terms = self._terms(denominator)
            wanted = {self._numbers.of(each) for each in totals}
            wanted |= {self._numbers.of(each) for each in scaling.factors}
            if wanted & terms:
                return Scaling(scaling.factors, (*scaling.divisors, denominator))
        return None

    def _step(self, node: Node, number: int, scaling: Scaling) -> Scaling | None:
        if node.primitive in MOVES or node.primitive in _KEEPING:
            return scaling
        if node.primitive == "mul":
            other = node.inputs[1 - number]
            if not is_constant(other):
                return Scaling((*scaling.factors, other), scaling.divisors)
        return None

    def _terms(self, value: Value) -> set[int]:
        """Numbers of the terms that add up to a denominator."""
        terms: set[int] = set()
        waiting = [value]
        for _ in range(32):
            if not waiting:
                break
            current = source(waiting.pop())
            terms.add(self._numbers.of(current))
            node = current.node
            if node is not None and node.primitive in _SUMMING:
                waiting.extend(each for each in node.inputs if not is_constant(each))
        return terms

    def recipe(self, weights: Value, scaling: Scaling) -> Recipe | None:
        """How to scale the weights themselves; None if a factor has a dimension of its own."""
        values = [source(each) for each in (*scaling.factors, *scaling.divisors)]
        places = [self._places(weights, each) for each in values]
        if any(place is None for place in places):
            return None
        rank, multiplied = len(weights.shape), len(scaling.factors)

        def compute(array: Any, *scales: Any) -> Any:
            for index, (scale, place) in enumerate(zip(scales, places, strict=True)):
                scale = _placed(scale, place or [], rank)
                array = array * scale if index < multiplied else array / scale
            return array

        return Recipe((address_of(weights), *map(address_of, values)), compute)

    def _places(self, weights: Value, scale: Value) -> list[int | None] | None:
        """For each axis of a scale, the axis of the weights that it is; None for axes of size 1."""
        axes = self._dimensions.of(weights)
        places: list[int | None] = []
        for axis in self._dimensions.of(scale):
            place = self._place(axes, axis)
            if axis and place is None:
                return None
            places.append(place)
        return places

    def _place(self, axes: Sequence[Axis], axis: Axis) -> int | None:
        """The one axis that is the given one, or that it is a copy of."""
        ids = [[id(factor) for factor in each] for each in axes]
        mine = [id(factor) for factor in axis]
        if mine in ids:
            return ids.index(mine)
        sizes = [factor.size for factor in axis]
        originals = [
            place
            for place, each in enumerate(axes)
            if each
            and [factor.size for factor in each] == sizes
            and all(stems_from(*pair) for pair in zip(axis, ((f,) for f in each), strict=True))
        ]
        return originals[0] if len(originals) == 1 else None


def _placed(scale: Any, places: Sequence[int | None], rank: int) -> Any:
    """A scale with its axes at the given places among `rank` axes."""
    shape = [1] * rank
    for place, size in zip(places, jnp.shape(scale), strict=True):
        if place is not None:
            shape[place] = size
    order = sorted(range(len(places)), key=lambda axis: (places[axis] is None, places[axis] or 0))
    return jnp.reshape(jnp.transpose(scale, order), shape)


_DEEPEST = 14
# What keeps the rows of a result apart; a scale with other rows fits no weights later on.
_KEEPING = frozenset({"add", "add_any", "psum", "psum_invariant", "slice"})
_SUMMING = frozenset("slice add add_any abs max min clamp select_n psum psum_invariant mul".split())
