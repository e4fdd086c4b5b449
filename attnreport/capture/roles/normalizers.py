"""Values that are normalized: divided by their own sum, in any of the ways programs write that.

A value is normalized over some dimensions if it is a quotient whose denominator holds the sum of
its numerator over them, or an exponential of scores less the logarithm of the sum of their
exponentials. Nothing is assumed about what the numerator is.
"""

import dataclasses
from collections.abc import Iterator, Sequence

from attnreport.capture.dimensions.axis_rules import contracted_axes
from attnreport.capture.dimensions.dimensions import Dimensions
from attnreport.capture.dimensions.factors import Axis
from attnreport.capture.program.graph import Graph, Node, Value
from attnreport.capture.program.lineage import Numbers, moved_from, source


@dataclasses.dataclass(frozen=True, eq=False)
class Sum:
    """A sum over some dimensions of a value.

    Attributes:
        node: The operation that adds up.
        summand: What it adds up.
        over: The dimensions that it sums over.
    """

    node: Node
    summand: Value
    over: Axis


@dataclasses.dataclass(frozen=True, eq=False)
class Normalized:
    """A value whose sum over some dimensions is one, or less where its sum has other terms too.

    Attributes:
        value: The normalized value.
        over: The dimensions that it sums to one over.
        numerator: What was normalized; the scores' exponential in a softmax.
        form: How the program wrote it.
        shared: Whether the denominator has terms besides the sum, such as a sink.
        total: The operation that computes the sum.
    """

    value: Value
    over: Axis
    numerator: Value
    form: str
    shared: bool
    total: Node


@dataclasses.dataclass(frozen=True)
class Denominator:
    """The sums inside a positive expression, and whether anything else is added to them."""

    sums: tuple[Sum, ...]
    shared: bool


class Normalizers:
    """Finds sums and what is normalized by them."""

    def __init__(self, dimensions: Dimensions, numbers: Numbers):
        self._dimensions = dimensions
        self._numbers = numbers

    def all_in(self, graph: Graph) -> Iterator[Normalized]:
        """Every normalized value of the program."""
        for node in graph.nodes:
            found = self.made_by(node)
            if found is not None:
                yield found

    def made_by(self, node: Node) -> Normalized | None:
        """The normalized value that an operation makes, if it makes one."""
        if node.primitive in ("exp", "exp2"):
            return self._exponential(node)
        for numerator, denominator in quotients(node):
            terms = self.denominator(denominator)
            for each in terms.sums:
                if self.is_sum_of(each, numerator):
                    form = "softmax" if _is_exponential(numerator) else "quotient by the sum"
                    result = node.outputs[0]
                    top = source(numerator)
                    rectified = top.node is not None and top.node.primitive == "max"
                    less = rectified and not self._numbers.same(each.summand, top)
                    shared = terms.shared or less
                    return Normalized(result, each.over, top, form, shared, each.node)
        return None

    def is_sum_of(self, total: Sum, value: Value) -> bool:
        """Whether a sum adds up `value`, perhaps only where a mask allows."""
        numerator = {self._numbers.of(each) for each in unmasked(value)}
        return any(self._numbers.of(each) in numerator for each in unmasked(total.summand))

    def denominator(self, value: Value) -> Denominator:
        """The sums in a positive expression: through copies, small constants and maxima."""
        sums: list[Sum] = []
        shared = False
        waiting = [source(value)]
        for _ in range(64):
            if not waiting:
                break
            current = source(waiting.pop())
            node = current.node
            if node is None:
                shared |= current.literal is None
                continue
            total = self.sum_of(node)
            if total is not None:
                sums.append(total)
            elif node.primitive in _THROUGH:
                waiting.extend(each for each in node.inputs if each.literal is None)
                shared |= any(_adds(node, each) for each in node.inputs)
            elif node.primitive == "select_n":
                waiting.extend(each for each in node.inputs[1:] if not is_constant(each))
            else:
                shared = True
        return Denominator(tuple(sums), shared or len(sums) > 1)

    def sum_of(self, node: Node) -> Sum | None:
        """The sum that an operation computes: a reduction, or a product with a row of ones."""
        if node.primitive == "reduce_sum":
            axes = self._dimensions.of(node.inputs[0])
            over = tuple(factor for place in node.params["axes"] for factor in axes[place])
            return Sum(node, node.inputs[0], over)
        if node.primitive == "dot_general":
            for side in (0, 1):
                if _is_one(node.inputs[1 - side]):
                    axes = self._dimensions.of(node.inputs[side])
                    places = contracted_axes(node)[side]
                    over = tuple(factor for place in places for factor in axes[place])
                    return Sum(node, node.inputs[side], over)
        return None

    def _exponential(self, node: Node) -> Normalized | None:
        """`exp(scores - log(sum(exp(scores))))`, the scores shifted or not."""
        for scores, subtracted in differences(node.inputs[0]):
            for logarithm in _logarithms(subtracted):
                terms = self.denominator(logarithm.inputs[0])
                for each in terms.sums:
                    if self._is_exponential_of(each.summand, scores):
                        return Normalized(
                            node.outputs[0],
                            each.over,
                            node.outputs[0],
                            "exponential of log-softmax",
                            terms.shared,
                            each.node,
                        )
        return None

    def _is_exponential_of(self, value: Value, scores: Value) -> bool:
        for each in unmasked(value):
            node = source(each).node
            if node is None or node.primitive not in ("exp", "exp2"):
                continue
            shifted = [left for left, _ in differences(node.inputs[0])]
            if any(self._numbers.same(each, scores) for each in (node.inputs[0], *shifted)):
                return True
            if any(
                self._numbers.same(left, other)
                for left in shifted
                for other, _ in differences(scores)
            ):
                return True
        return False


def quotients(node: Node) -> Iterator[tuple[Value, Value]]:
    """Numerator and denominator of a division, also of a product with a reciprocal."""
    if node.primitive == "div":
        yield node.inputs[0], node.inputs[1]
    if node.primitive == "mul" or is_product(node):
        for side in (0, 1):
            for denominator in inverted(node.inputs[side]):
                yield node.inputs[1 - side], denominator


def inverted(value: Value) -> Iterator[Value]:
    """What a value is the reciprocal of, perhaps once for each sign, as gradients of logs are."""
    waiting = [value]
    for _ in range(12):
        if not waiting:
            return
        node = source(waiting.pop(0)).node
        if node is None:
            continue
        if node.primitive == "div" and _is_one(node.inputs[0]):
            yield node.inputs[1]
        elif node.primitive == "integer_pow" and node.params["y"] == -1:
            yield node.inputs[0]
        elif node.primitive in ("add_any", "neg"):
            waiting.extend(node.inputs)
        elif node.primitive == "select_n":
            waiting.extend(each for each in node.inputs[1:] if not is_constant(each))


def is_product(node: Node) -> bool:
    """Whether a `dot_general` sums over nothing: a product, entry by entry."""
    return node.primitive == "dot_general" and not contracted_axes(node)[0]


def differences(value: Value) -> Iterator[tuple[Value, Value]]:
    """What a value is a difference of: minuend and subtrahend."""
    node = source(value).node
    if node is not None and node.primitive == "sub":
        yield node.inputs[0], node.inputs[1]
    if node is not None and node.primitive == "add":
        for side in (0, 1):
            negated = source(node.inputs[side]).node
            if negated is not None and negated.primitive == "neg":
                yield node.inputs[1 - side], negated.inputs[0]


def unmasked(value: Value) -> Iterator[Value]:
    """A value, and what it was before entries were replaced by zeros."""
    current = source(value)
    for _ in range(4):
        yield current
        node = current.node
        if node is None:
            return
        if node.primitive == "select_n":
            kept = [each for each in node.inputs[1:] if not is_constant(each)]
            if len(kept) != 1:
                return
            current = source(kept[0])
        elif node.primitive == "abs":
            current = source(node.inputs[0])
        elif node.primitive == "max":
            kept = [each for each in node.inputs if not _is_zero(each)]
            if len(kept) != 1:
                return
            current = source(kept[0])
        elif node.primitive == "mul":
            kept = [each for each in node.inputs if not is_mask(each)]
            if len(kept) != 1:
                return
            current = source(kept[0])
        else:
            return


def is_constant(value: Value) -> bool:
    """Whether a value is one number that stands in the program, however it was broadcast."""
    origin = source(value)
    return origin.literal is not None or (origin.constant is not None and origin.is_scalar)


def _adds(node: Node, value: Value) -> bool:
    """Whether a number in a sum is more than what only keeps it from being zero."""
    number = source(value).literal
    return node.primitive == "add" and number is not None and bool(abs(number) > _TINY)


def is_mask(value: Value) -> bool:
    """Whether a value was converted from booleans."""
    current: Value | None = value
    while current is not None:
        if current.dtype is not None and current.dtype == bool:
            return True
        current = moved_from(current)
    return False


def _is_zero(value: Value) -> bool:
    literal = source(value).literal
    return literal is not None and literal == 0


def _is_one(value: Value) -> bool:
    literal = source(value).literal
    return literal is not None and literal == 1


def _is_exponential(value: Value) -> bool:
    return any(
        each.node is not None and each.node.primitive in ("exp", "exp2") for each in unmasked(value)
    )


def _logarithms(value: Value) -> Sequence[Node]:
    """The logarithms that are terms of a sum."""
    found: list[Node] = []
    waiting = [value]
    for _ in range(16):
        if not waiting:
            break
        node = source(waiting.pop()).node
        if node is None:
            continue
        if node.primitive == "log":
            found.append(node)
        elif node.primitive in ("add", "sub", "mul", "select_n", "max"):
            waiting.extend(node.inputs)
    return found


_TINY = 1e-3
_THROUGH = frozenset("abs add add_any max min clamp psum psum_invariant".split())
