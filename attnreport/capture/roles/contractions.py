"""Where values are combined with weights: sums of products over a dimension."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence

from attnreport.capture.dimensions.axis_rules import batch_axes, contracted_axes, free_axes
from attnreport.capture.dimensions.dimensions import Dimensions
from attnreport.capture.dimensions.factors import (
    Axis,
    Factor,
    canonical,
    stems_from,
    whole,
)
from attnreport.capture.dimensions.products import product_of
from attnreport.capture.program.graph import Graph, Node, Value
from attnreport.capture.program.lineage import MOVES, is_drawn, source
from attnreport.capture.roles.normalizers import is_constant, is_mask


@dataclasses.dataclass(frozen=True, eq=False)
class Contraction:
    """A sum of products of weights and values.

    Attributes:
        node: The operation that sums.
        weights: The operand that is read as weights.
        values: The other operand.
        over: The dimensions that are summed over, as the weights have them.
        output: The result.
        theirs: The dimensions that are summed over, as the values have them.
    """

    node: Node
    weights: Value
    values: Value
    over: Axis
    output: Value
    theirs: Axis = ()

    @property
    def summed(self) -> set[int]:
        """The identities of all dimensions that are summed over."""
        return {id(canonical(factor)) for factor in (*self.over, *self.theirs)}


def covers(contracted: Axis, over: Axis) -> bool:
    """Whether a contraction sums over all dimensions that weights are normalized over."""
    return bool(over) and all(
        any(stems_from(factor, [each]) for factor in contracted) for each in whole(over)
    )


def contractions(graph: Graph, dimensions: Dimensions) -> Iterator[Contraction]:
    """Every sum of products, once with each operand read as the weights."""
    for node in graph.nodes:
        product = product_of(dimensions, node)
        if product is None:
            continue
        for side in (0, 1):
            weights, values = product.operands[side], product.operands[1 - side]
            over, theirs = product.summed[side], product.summed[1 - side]
            yield Contraction(node, weights, values, over, node.outputs[0], theirs)


@dataclasses.dataclass(frozen=True, eq=False)
class Step:
    """A value on the way back from a contraction.

    Attributes:
        value: The value.
        shown: What stands for it: itself, or what a mask made of it before it was used.
        mixed: Whether something besides copies, masks and dropout lies between.
        over: The dimensions that are summed over, as the value has them.
    """

    value: Value
    shown: Value
    mixed: bool
    over: Axis = ()


class Walk:
    """Steps back from a value through operations that are linear in it."""

    def __init__(self, dimensions: Dimensions, is_share: Callable[[Value], bool]):
        """Knows a program, and which of its values lie between 0 and 1."""
        self._dimensions = dimensions
        self._is_share = is_share

    def back(self, value: Value, over: Axis, stop: Callable[[Value], bool]) -> Iterator[Step]:
        """A value and what it is linear in, along dimensions that all steps keep.

        Args:
            value: Where to start.
            over: The dimensions to keep.
            stop: Where not to go on.
        """
        seen = {value}
        waiting = [(Step(value, value, False, over), 0)]
        while waiting:
            step, depth = waiting.pop(0)
            yield step
            if depth >= _DEEPEST or stop(step.value):
                continue
            for before, how, kept in self._before(step.value, step.over):
                if before in seen:
                    continue
                seen.add(before)
                masked = step.shown is not step.value or how == "mask"
                shown = step.shown if masked and how in ("mask", "move") else before
                mixed = step.mixed or how == "mix"
                waiting.append((Step(before, shown, mixed, kept), depth + 1))

    def _before(self, value: Value, over: Axis) -> Iterator[tuple[Value, str, Axis]]:
        if value.outer is not None:
            if value.link == "same":
                yield value.outer, "move", over
            return
        node = value.node
        if node is None:
            return
        if node.primitive in MOVES:
            yield node.inputs[node.outputs.index(value)], "move", over
        elif node.primitive in _PARTS:
            cut = self._by_place(value, node.inputs[0], over)
            # A key that is dropped, such as a sink, is not among those that values are taken of.
            kept = {id(canonical(factor)) for factor in cut} <= self._dimensions.ids(value)
            yield node.inputs[0], "scale" if kept else "mask", cut
        elif node.primitive in _LINEAR:
            how = "mask" if _is_masking(node) else _LINEAR[node.primitive]
            # A factor of a product may have only some of the dimensions, such as the experts.
            has = any if node.primitive == "mul" else all
            for operand in node.inputs[node.primitive == "select_n" :]:
                if operand.literal is None and self._has(operand, over, has):
                    yield operand, "mask" if self._is_damped(node, operand, over) else how, over
        elif node.primitive == "dot_general":
            yield from self._before_product(node, over)

    def _before_product(self, node: Node, over: Axis) -> Iterator[tuple[Value, str, Axis]]:
        for side in (0, 1):
            operand = node.inputs[side]
            axes = self._dimensions.of(operand)
            summed = [factor for place in contracted_axes(node)[side] for factor in axes[place]]
            kept = self._in_operand(node, side, over)
            lost = any(stems_from(factor, summed) for factor in kept)
            if not lost and self._has(operand, kept, all if summed else any):
                yield operand, "mix" if summed else "scale", kept

    def _in_operand(self, node: Node, side: int, over: Axis) -> Axis:
        """Contracted dimensions as an operand of a product has them, told by their places."""
        shared, free = batch_axes(node)[side], free_axes(node, side)
        first = len(shared) + side * len(free_axes(node, 0))
        places = {place: at for at, place in enumerate(shared)}
        places |= {place: first + at for at, place in enumerate(free)}
        mine, theirs = (self._dimensions.of(each) for each in (node.inputs[side], node.outputs[0]))
        return _matched([(mine[place], theirs[at]) for place, at in places.items()], over)

    def _by_place(self, value: Value, before: Value, over: Axis) -> Axis:
        """Contracted dimensions as an array has them that a value was cut out of."""
        if len(value.shape) != len(before.shape):
            return over
        pairs = zip(self._dimensions.of(before), self._dimensions.of(value), strict=True)
        return _matched(list(pairs), over)

    def _is_damped(self, node: Node, weights: Value, over: Axis) -> bool:
        """Whether weights are multiplied by shares of their own for each key, as by a window."""
        if node.primitive != "mul" or node.inputs[0] is node.inputs[1]:
            return False
        (other,) = (each for each in node.inputs if each is not weights)
        return self._is_share(other) and self._has(other, over) and not is_drawn(other)

    def _has(
        self, value: Value, over: Axis, how_many: Callable[[Iterable[bool]], bool] = all
    ) -> bool:
        """Whether a value has the dimensions, or what they are copies of."""
        mine = self._dimensions.within(value)
        return how_many(stems_from(factor, mine) for factor in over)


def mixed_parts(
    dimensions: Dimensions, steps: Iterable[Step], whole: Step, over: Axis
) -> list[Step]:
    """Parts of weights that are mixed with each other, such as two maps of a head.

    Args:
        dimensions: Those of the program.
        steps: The steps of a walk.
        whole: The one with the weights.
        over: The dimensions that each part has to have whole.
    """
    keys = {id(canonical(factor)) for factor in over}
    return [
        step
        for step in steps
        if whole.mixed
        and step.value.node is not None
        and step.value.node.primitive in ("slice", "dynamic_slice", "split")
        and source(step.value.node.inputs[0]) is source(whole.value)
        and keys <= dimensions.ids(step.value)
    ]


def _matched(pairs: Sequence[tuple[Axis, Axis]], over: Axis) -> Axis:
    """The factors of the first axes of pairs whose partners are contracted.

    A copy of a dimension may turn out to be the dimension that it is a copy of, where weights of a
    sequence meet the values of the same sequence. Its place tells what it was made from.
    """
    wanted = {id(canonical(factor)) for factor in over}
    found: list[Factor] = []
    for mine, theirs in pairs:
        if len(mine) == len(theirs):
            found += [a for a, b in zip(mine, theirs, strict=True) if id(canonical(b)) in wanted]
        elif any(id(canonical(each)) in wanted for each in theirs):
            found += mine
    return tuple(found) or over


def _is_masking(node: Node) -> bool:
    """Whether an operation puts zeros where a condition says so, and is not dropout."""
    if node.primitive == "mul":
        masks = [operand for operand in node.inputs if is_mask(operand)]
        return bool(masks) and not is_drawn(masks[0])
    if node.primitive != "select_n" or not any(is_constant(each) for each in node.inputs[1:]):
        return False
    return not is_drawn(node.inputs[0])


_DEEPEST = 14
# Some of the entries, or sums of them.
_PARTS = frozenset(
    "slice dynamic_slice pad gather split rev cumsum reduce_sum psum psum_invariant".split()
)
# Operations that are linear in an operand, and whether they mix several weights.
_LINEAR = {
    **dict.fromkeys("mul div select_n concatenate dynamic_update_slice".split(), "scale"),
    **dict.fromkeys("add sub add_any neg".split(), "mix"),
}
