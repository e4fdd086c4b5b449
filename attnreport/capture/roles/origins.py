"""What queries, keys and values come from: the tokens before norms, projections and caches."""

import math
import re
from collections.abc import Callable, Iterator

from attnreport.capture.program.graph import Value, feeds
from attnreport.capture.program.lineage import MOVES, Numbers, carries_numbers, source, upstream
from attnreport.capture.roles.scores import is_parameter, rank


class Origins:
    """Goes back from values to the tokens that they were computed from."""

    def __init__(self, numbers: Numbers, is_weights: Callable[[Value], bool]):
        """Knows which values are the same computation, and which are weights."""
        self._numbers = numbers
        self._is_weights = is_weights

    def in_common(self, first: Value, second: Value) -> bool:
        """Whether two values were computed from the same tokens."""
        if self._numbers.same(first, second):
            return True
        origins = {self._numbers.of(each) for each in self.of(first)}
        return any(self._numbers.of(each) in origins for each in self.of(second))

    def of(self, value: Value) -> Iterator[Value]:
        """A value and what it was computed from token by token: through norms and projections."""

        def before(current: Value) -> Iterator[Value]:
            return (each for each in map(source, self._before(current)) if not each.is_scalar)

        return upstream(source(value), before, _FAR)

    def _before(self, value: Value) -> list[Value]:
        node = value.node
        if node is None:
            if value.outer is None:
                return []
            handed_on = value.link in ("scanned", "shard") or _goes_round(value)
            return [value.outer] if handed_on else []
        if node.primitive in ("dot_general", "conv_general_dilated"):
            data = [each for each in node.inputs if not is_parameter(each)]
            data = data or [each for each in node.inputs if _is_whole_argument(each)][:1]
            data = data or node.inputs[:1]
            return [] if any(map(self._is_weights, node.inputs)) or len(data) > 1 else data
        if node.primitive in _WRITTEN:
            # A cache of keys holds those of this step, and of the steps before.
            return [node.inputs[0], node.inputs[_WRITTEN[node.primitive]]]
        if node.primitive in _INDEXED:
            return node.inputs[:1]
        if node.primitive not in ENTRYWISE:
            return []
        largest = max(math.prod(source(each).shape) for each in node.inputs)
        return [each for each in map(source, node.inputs) if _holds_tokens(each, largest)]


def argument_of(value: Value) -> tuple[str, str]:
    """The argument that a given array is or is part of, and where in it."""
    current = source(value)
    while current.node is None and current.outer is not None:
        current = source(current.outer)
    argument = re.split(r"[.\[]", current.label, maxsplit=1)[0]
    return argument, current.label.removeprefix(argument)


def _holds_tokens(value: Value, largest: int) -> bool:
    """Whether a term holds tokens and is no bias: it is the largest, or computed for a batch.

    Waves of positions are computed, but from no numbers of the inputs.
    """
    computed = rank(value) > 2 and not is_parameter(value)
    large = computed or math.prod(value.shape) == largest
    return large and carries_numbers(value, counts=True)


def _is_whole_argument(value: Value) -> bool:
    argument, rest = argument_of(value)
    return bool(argument) and not rest


def _goes_round(value: Value) -> bool:
    """Whether a loop only hands on what it carries, from device to device or as it is."""
    if value.link != "carry":
        return False
    current = source(feeds(value)[-1])
    while current.node is not None and current.node.primitive == "ppermute":
        current = source(current.node.inputs[0])
    return current is value


_FAR = 600
_WRITTEN = {"dynamic_update_slice": 1, "scatter": 2, "scatter-add": 2}
_INDEXED = frozenset("slice dynamic_slice pad split rev ppermute".split())
ENTRYWISE = MOVES | frozenset(
    """add add_any sub mul div neg max min tanh logistic exp select_n integer_pow square sqrt
    rsqrt erf erfc abs concatenate""".split()
)
