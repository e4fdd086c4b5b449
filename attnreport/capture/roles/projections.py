"""The projections that queries, keys and values come out of."""

import dataclasses
from collections.abc import Callable

from attnreport.capture.dimensions.dimensions import Dimensions
from attnreport.capture.dimensions.factors import Axis, Factor, ancestry, canonical
from attnreport.capture.dimensions.products import Product, projecting
from attnreport.capture.program.graph import Node, Value
from attnreport.capture.program.lineage import Numbers, entries, source
from attnreport.capture.roles.scores import is_parameter, rank


@dataclasses.dataclass(frozen=True, eq=False)
class Projection:
    """The product that made queries, keys or values out of activations.

    Attributes:
        product: The product.
        side: Which of its operands the features come from: the projection's matrix.
        across: Whether that operand holds activations, whose tokens serve as features, as in
            attention between channels.
        per_head: Whether the matrix has one projection for each entry of what both operands share.
    """

    product: Product
    side: int
    across: bool = False
    per_head: bool = False

    @property
    def weights(self) -> Value:
        """The projection's matrix."""
        return self.product.operands[self.side if not self.across else 1 - self.side]

    @property
    def data(self) -> Value:
        """The activations that are projected."""
        return self.product.operands[1 - self.side if not self.across else self.side]

    @property
    def heads(self) -> Axis:
        """Dimensions of the matrix that its features came with."""
        side = 1 - self.side if self.across else self.side
        own = self.product.own[side]
        return (*own, *self.product.shared[side]) if self.per_head else own


def projection_of(
    dimensions: Dimensions, value: Value, features: Axis, is_weights: Callable[[Value], bool]
) -> Projection | None:
    """The projection that a query, key or value comes from; None if none is found.

    Args:
        dimensions: Those of the program.
        value: The query, key or value.
        features: Its dimensions that a projection would have made.
        is_weights: Whether a value is weights, whose products are no projections.
    """
    waiting = [(value, features)]
    seen = {value}
    for _ in range(_FARTHEST):
        if not waiting:
            return None
        current, wanted = waiting.pop(0)
        node = current.node
        product = None if node is None else projecting(dimensions, node)
        if node is None:
            # What a loop carries from step to step is a state or a cache, and no projection.
            same = current.outer is not None and current.link != "carry"
            before = [current.outer] if same and current.outer is not None else []
        elif product is not None and any(map(is_weights, product.operands)):
            before = [each for each in product.operands if not is_weights(each)]
        elif product is not None:
            found = _split(dimensions, product, wanted)
            if found is not None and (found.heads or not _is_rotation(found)):
                return found
            before = [] if found is None else [found.data]
            wanted = wanted if found is None else dimensions.within(found.data)
        else:
            before = [] if node.scopes else node.inputs
        for each in before:
            if each not in seen and _has_any(dimensions, each, wanted):
                seen.add(each)
                waiting.append((each, wanted))
    return None


def before_pairing(dimensions: Dimensions, value: Value) -> tuple[Value, Axis] | None:
    """What features were taken out of one by one and put together again, and which they are.

    Rotary positions do so with the two halves of a pair.
    """
    joined = _nearest(value, _JOINING)
    for part in () if joined is None else joined.inputs:
        cut = _nearest(part, _CUTTING)
        if cut is not None:
            left = dimensions.ids(cut.outputs[0])
            taken = [each for each in dimensions.within(cut.inputs[0]) if id(each) not in left]
            if taken:
                return cut.inputs[0], tuple(taken)
    return None


def _nearest(value: Value, primitives: frozenset[str]) -> Node | None:
    """The nearest of some operations that a value is computed from entry by entry, or a cache."""
    seen = {value}
    waiting = [value]
    for _ in range(_NEAR):
        if not waiting:
            return None
        current = waiting.pop(0)
        if current.node is not None and current.node.primitive in primitives:
            return current.node
        following = [each for each in (*entries(current), *_written(current)) if each not in seen]
        seen.update(following)
        waiting.extend(following)
    return None


def _written(value: Value) -> list[Value]:
    """What was written into a cache."""
    node = value.node
    return [node.inputs[1]] if node and node.primitive == "dynamic_update_slice" else []


def with_data_in_common(
    numbers: Numbers, projection: Projection | None, other: Projection | None
) -> Projection | None:
    """A projection whose data are what it has in common with another projection.

    Queries and keys of one sequence, and keys and values always, are projections of the same
    activations by different matrices. Where the common operand is the one that the features come
    from, the features are tokens.
    """
    if projection is None or other is None:
        return projection
    common = [
        any(numbers.same(mine, theirs) for theirs in other.product.operands)
        for mine in projection.product.operands
    ]
    if common[0] == common[1]:
        return projection
    matrix, data = (projection.product.operands[each] for each in _sides(projection))
    # Two sequences that share one matrix have it in common, not their activations. One of them may
    # be a single vector for each example.
    others = [each for each in other.product.operands if not numbers.same(each, matrix)]
    tied = is_parameter(matrix) and rank(matrix) < max(map(rank, [data, *others]))
    across = common[projection.side] and not tied
    return dataclasses.replace(
        projection, across=across, per_head=not across and projection.per_head
    )


def _sides(projection: Projection) -> tuple[int, int]:
    """The operand that the features come from, and the other."""
    return projection.side, 1 - projection.side


def _split(dimensions: Dimensions, product: Product, features: Axis) -> Projection | None:
    for side in (0, 1):
        if any(_related(factor, product.own[side]) for factor in features):
            matrix, data = product.operands[side], product.operands[1 - side]
            # Features that are tokens: attention between channels. What has fewer axes than the
            # data is a matrix, also where it was computed, as with low-rank adapters.
            across = is_parameter(data) and (
                _holds_tokens(dimensions, product, side)
                if is_parameter(matrix)
                else rank(matrix) >= rank(data)
            )
            return Projection(product, side, across, not across and is_parameter(matrix))
    return None


def _holds_tokens(dimensions: Dimensions, product: Product, side: int) -> bool:
    """Whether, of two given arrays, only the one with more axes has some of the results."""
    own = product.own[1 - side]
    if not own or rank(product.operands[side]) <= rank(product.operands[1 - side]):
        return False
    mine, others = (
        any(id(canonical(factor)) in dimensions.results for factor in product.own[each])
        for each in (side, 1 - side)
    )
    return mine and not others


def _is_rotation(projection: Projection) -> bool:
    """Whether a product only turns features, as rotary positions written as a matrix do."""
    return source(projection.weights).constant is not None


def _related(factor: Factor, others: Axis) -> bool:
    mine = {id(each) for each in ancestry(factor)}
    return any(id(canonical(each)) in mine for each in others)


def _has_any(dimensions: Dimensions, value: Value, factors: Axis) -> bool:
    have = dimensions.within(value)
    return any(_related(factor, have) for factor in factors)


_NEAR, _FARTHEST = 40, 200
_JOINING = frozenset(["concatenate", "stack"])
_CUTTING = frozenset("slice dynamic_slice split gather".split())
