"""What is done to the rows of a result, and so to the weights that it was made with.

The result of a contraction may be divided by the sum of the weights, multiplied by the share of a
segment of the keys, and added to the results of other segments, in any order. All factors that a
row meets on this way belong to its weights.
"""

import dataclasses
from collections.abc import Collection, Sequence
from typing import Any

import jax.numpy as jnp

from attnreport.capture.dimensions.axis_rules import contracted_axes
from attnreport.capture.dimensions.dimensions import Dimensions
from attnreport.capture.dimensions.factors import Axis, copies_in, stems_from
from attnreport.capture.forms.shares import Shares
from attnreport.capture.program.graph import Node, Value
from attnreport.capture.program.lineage import MOVES, Numbers, source
from attnreport.capture.roles.contractions import Contraction
from attnreport.capture.roles.normalizers import Normalizers, Sum, is_constant, quotients
from attnreport.capture.roles.sites import Recipe, address_of


@dataclasses.dataclass(frozen=True, eq=False)
class Scaling:
    """What rows of a result are multiplied and divided by, one value per row each.

    Attributes:
        factors: What they are multiplied by.
        divisors: What they are divided by.
        shares: How many of the factors are a segment's share of the keys.
        merged: Dimensions that number such segments, whose results are added up then.
    """

    factors: tuple[Value, ...] = ()
    divisors: tuple[Value, ...] = ()
    shares: int = 0
    merged: Axis = ()


class Scalings:
    """Follows the result of a contraction through what is done to its rows.

    Attributes:
        shares: Tells the shares of segments.
    """

    def __init__(self, dimensions: Dimensions, numbers: Numbers, normalizers: Normalizers):
        self._dimensions = dimensions
        self._numbers = numbers
        self._normalizers = normalizers
        self.shares = Shares(dimensions, numbers)

    def after(
        self,
        use: Contraction,
        sums: Sequence[Sum],
        *,
        totals: Collection[Node] = (),
        itself: bool = False,
    ) -> Scaling | None:
        """The scaling that normalizes rows, up to the last division or share that is part of it.

        Args:
            use: The contraction.
            sums: Sums of its weights over the keys, if they are not normalized yet.
            totals: What else adds up the weights, or the exponentials that they are made of.
            itself: Whether parts of the result may divide it, such as a column that adds ones.

        Returns:
            None if no share is on the way, and no division that has to do with the sums or with a
            factor met before.
        """
        best: Scaling | None = None
        divisors = [each.node.outputs[0] for each in sums] + [use.output] * itself
        adding = [each.node for each in sums] + list(totals)
        waiting = [(use.output, Scaling(), 0)]
        while waiting:
            value, scaling, depth = waiting.pop(0)
            for node, number in value.uses:
                divided = self._divided(node, value, scaling, divisors)
                following = divided or self._step(node, number, scaling, use, adding)
                if following is None:
                    continue
                if divided or _has_more(following, scaling):
                    best = following
                if depth < _DEEPEST:
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
                return dataclasses.replace(scaling, divisors=(*scaling.divisors, denominator))
        return None

    def _step(
        self,
        node: Node,
        number: int,
        scaling: Scaling,
        use: Contraction,
        totals: Collection[Node],
    ) -> Scaling | None:
        if node.primitive in MOVES or node.primitive in _KEEPING:
            return scaling
        if node.primitive in ("mul", "dot_general"):
            other = node.inputs[1 - number]
            shares = not is_constant(other) and self.shares.are_of(other, use, totals)
            if shares or (node.primitive == "mul" and not is_constant(other)):
                factors = (*scaling.factors, other)
                met = dataclasses.replace(scaling, factors=factors, shares=scaling.shares + shares)
                return self._adding_up(node, number, met, use)
        if node.primitive == "reduce_sum" and scaling.shares:
            return self._adding_up(node, number, scaling, use)
        return None

    def _adding_up(
        self, node: Node, operand: int, scaling: Scaling, use: Contraction
    ) -> Scaling | None:
        """A scaling of results that are added up; None if they are no segments of the weights."""
        axes = self._dimensions.of(node.inputs[operand])
        product = node.primitive == "dot_general"
        places = contracted_axes(node)[operand] if product else node.params.get("axes", ())
        summed = [factor for place in places for factor in axes[place]]
        merged = copies_in(self._dimensions.within(use.weights), tuple(summed))
        if len(merged) < len(summed):
            return None
        return dataclasses.replace(scaling, merged=(*scaling.merged, *merged))

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


def _has_more(scaling: Scaling, before: Scaling) -> bool:
    """Whether a scaling has one more share, or adds up segments that it did not add up before."""
    return scaling.shares > before.shares or len(scaling.merged) > len(before.merged)


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
