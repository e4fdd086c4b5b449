"""Shares of segments of the keys, whose results are merged by the logarithms of their sums.

Results of segments that were normalized by themselves are parts of one softmax over all keys if
each is multiplied by its segment's share of the sum of all: `exp(lse - logaddexp(lse, other))`,
`sigmoid(lse - other)`, a softmax over the logarithms. Such a factor belongs to the weights.
"""

from collections.abc import Callable, Collection, Iterator

from attnreport.capture.dimensions.dimensions import Dimensions
from attnreport.capture.dimensions.factors import Axis, Factor, ancestry, stems_from
from attnreport.capture.program.graph import Node, Value
from attnreport.capture.program.lineage import MOVES, Numbers, entries, source, upstream
from attnreport.capture.roles.contractions import Contraction
from attnreport.capture.roles.normalizers import quotients


class Shares:
    """Finds the shares that the result of a contraction is multiplied by."""

    def __init__(self, dimensions: Dimensions, numbers: Numbers):
        """Knows a program."""
        self._dimensions = dimensions
        self._numbers = numbers

    def are_of(self, factor: Value, use: Contraction, totals: Collection[Node]) -> bool:
        """Whether a factor of rows is made of the sums of their own weights.

        Args:
            factor: The factor.
            use: The contraction.
            totals: What adds up its weights, or the exponentials that they are made of.
        """
        wanted = {self._numbers.of(each.outputs[0]) for each in totals}
        rows = self._dimensions.within(use.weights)
        return any(
            self._numbers.of(each) in wanted
            for each in self._row_by_row(factor, rows if wanted else ())
        )

    def after(self, use: Contraction, totals: Collection[Node]) -> list[Value]:
        """All shares that a result is multiplied by before it is used, in loops too."""
        found: list[Value] = []
        seen = {use.output}
        waiting = [(use.output, 0)]
        while waiting:
            value, depth = waiting.pop(0)
            for node, number in value.uses:
                divides = any(numerator is value for numerator, _ in quotients(node))
                if node.primitive in ("mul", "dot_general") and not divides:
                    other = node.inputs[1 - number]
                    found += [other] * self.are_of(other, use, totals)
                if depth < _DEEPEST and (node.primitive in _MERGING or node.primitive in MOVES):
                    following = [each for each in node.outputs if each not in seen]
                    seen.update(following)
                    waiting.extend((each, depth + 1) for each in following)
        return found

    def carried_into(self, shares: Collection[Value], use: Contraction) -> list[Value]:
        """What a loop carries on of what shares are made of."""
        rows = self._dimensions.within(use.weights)
        reached = (each for share in shares for each in self._row_by_row(share, rows))
        return list(dict.fromkeys(each for each in reached if each.link == "carry"))

    def _row_by_row(self, factor: Value, rows: Axis) -> Iterator[Value]:
        """A factor and what it is made of, as far as it has no dimensions besides the rows'.

        A gate that is computed from the result itself has its features.
        """

        def is_of_rows(value: Value) -> bool:
            mine = self._dimensions.within(value)
            return all(stems_from(each, rows) or _is_made_here(each) for each in mine)

        return _made_of(factor, is_of_rows) if rows else iter(())


def are_segments(logits: Value) -> bool:
    """Whether scores are the logarithms of the sums of other scores' exponentials.

    What they are normalized to are the shares of segments, and no attention between these.
    """
    return any(
        each.node is not None and each.node.primitive == "log" and _is_sum(each.node.inputs[0])
        for each in _made_of(logits, lambda _: True)
    )


def _made_of(value: Value, follows: Callable[[Value], bool]) -> Iterator[Value]:
    """A value and what it is made of entry by entry or by putting arrays side by side."""

    def before(current: Value) -> Iterator[Value]:
        return filter(follows, map(source, _parts(current)))

    start = source(value)
    return upstream(start, before, _FAR) if follows(start) else iter(())


def _parts(value: Value) -> list[Value]:
    node = value.node
    if node is not None and node.primitive in _AMONG:
        return node.inputs
    if node is not None and node.primitive in _TAKING:
        return node.inputs[:1]
    return entries(value)


def _is_sum(value: Value) -> bool:
    return any(
        each.node is not None and each.node.primitive == "reduce_sum"
        for each in upstream(source(value), lambda each: map(source, entries(each)), _NEAR)
    )


def _is_made_here(factor: Factor) -> bool:
    """Whether a dimension numbers what was put side by side, such as segments."""
    return not factor.origins and len(ancestry(factor)) == 1


_DEEPEST, _NEAR, _FAR = 8, 8, 80
_TAKING = frozenset(["gather", "slice"])
_AMONG = frozenset(["concatenate", "stack"])
_MERGING = frozenset(["sub", "concatenate", "stack"])
