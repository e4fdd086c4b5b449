"""Where a value comes from: through operations that only move or convert it, and by structure.

Two values have the same number if they are the same computation on the same inputs, so that a
program that writes `exp(s) / sum(exp(s))` with two `exp` is read like one that writes it with one.
"""

import collections
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from attnreport.capture.program.graph import Node, Value, feeds

# Operations whose result holds their first operand's numbers, in another layout or format.
MOVES = frozenset(
    """broadcast_in_dim convert_element_type copy copy_p copy_to device_put expand_dims
    layout_constraint mesh_cast name optimization_barrier pcast pvary
    reduce_precision reshape reshard sharding_constraint squeeze stop_gradient transpose""".split()
)


def moved_from(value: Value) -> Value | None:
    """What a value is a copy of, one step back; None if it is computed."""
    if value.outer is not None:
        return value.outer if value.link == "same" else None
    node = value.node
    if node is None:
        return None
    if node.primitive in MOVES:
        return node.inputs[node.outputs.index(value)]
    if node.primitive == "tile":
        return _repeated(node)
    return _times_ones(node) if node.primitive in ("mul", "dot_general") else None


def _repeated(node: Node) -> Value | None:
    """What `tile` repeats along axes of length one alone, as a broadcast does; else None."""
    (before,) = node.inputs
    along = zip(before.shape, node.params["reps"], strict=True)
    return before if all(size == 1 or times == 1 for size, times in along) else None


def _times_ones(node: Node) -> Value | None:
    """What a product with ones, such as a mask of heads that all stay, leaves as it is."""
    for side in (0, 1):
        other = node.inputs[1 - side]
        if node.primitive == "dot_general":
            _, batch = node.params["dimension_numbers"]
            if len(other.shape) != len(batch[1 - side]):
                continue  # it sums, or repeats what it is multiplied with
        if _is_ones(other):
            return node.inputs[side]
    return None


def _is_ones(value: Value) -> bool:
    current: Value | None = value
    while current is not None:
        number = current.literal if current.literal is not None else current.constant
        if number is not None:
            return np.size(number) <= _LARGEST_MASK and bool(np.all(np.asarray(number) == 1))
        node = current.node
        part = node is not None and node.primitive in ("slice", "dynamic_slice")
        current = node.inputs[0] if part and node is not None else moved_from(current)
    return False


def source(value: Value) -> Value:
    """The value that computed the numbers, before all copies, layouts and formats."""
    before = moved_from(value)
    while before is not None:
        value, before = before, moved_from(before)
    return value


def copies(value: Value) -> Iterator[Value]:
    """A value and what it is a copy of, step by step back to its source."""
    current: Value | None = value
    while current is not None:
        yield current
        current = moved_from(current)


class Numbers:
    """Numbers values by what they compute: equal numbers mean equal contents, up to layout."""

    def __init__(self) -> None:
        self._of: dict[Value, int] = {}
        self._known: dict[Any, int] = {}

    def same(self, a: Value, b: Value) -> bool:
        """Whether two values are copies of one computation."""
        a, b = source(a), source(b)
        return a is b or self.of(a) == self.of(b)

    def of(self, value: Value) -> int:
        """The number of what a value computes, before copies."""
        waiting = [source(value)]
        while waiting:
            current = waiting[-1]
            if current in self._of:
                waiting.pop()
                continue
            missing = [each for each in self._operands(current) if each not in self._of]
            if missing:
                waiting.extend(missing)
                continue
            key = self._key(current)
            self._of[current] = self._known.setdefault(key, len(self._known))
            waiting.pop()
        return self._of[source(value)]

    def _operands(self, value: Value) -> list[Value]:
        node = value.node
        if node is None or node.scopes:
            return []
        return [source(each) for each in node.inputs]

    def _key(self, value: Value) -> Any:
        node = value.node
        if value.literal is not None:
            return ("literal", np.asarray(value.literal).tobytes(), value.shape)
        if node is None or node.scopes:
            return id(value)
        operands = tuple(self._of[each] for each in self._operands(value))
        return (node.primitive, str(node.params), operands, node.outputs.index(value))


def upstream(
    value: Value,
    before: Callable[[Value], Iterable[Value]] = feeds,
    most: int | None = None,
) -> Iterator[Value]:
    """A value and everything it is computed from, nearest first.

    Args:
        value: The value.
        before: From a value to those one step back.
        most: How many values to give; all if left out.
    """
    seen = {value}
    waiting = collections.deque([value])
    while waiting and most != 0:
        current = waiting.popleft()
        yield current
        most = None if most is None else most - 1
        for each in before(current):
            if each not in seen:
                seen.add(each)
                waiting.append(each)


def carries_numbers(value: Value, *, counts: bool = False) -> bool:
    """Whether a value is computed from numbers of an input or parameter, not only from places.

    A table that the program closes over carries numbers where an input says which to take.

    Args:
        value: The value.
        counts: Whether whole numbers of an input are numbers too, such as labels.
    """
    seen = {value}
    waiting = [value]
    table = False
    while waiting:
        current = waiting.pop()
        if not current.is_float and not counts:
            continue
        if is_given(current):
            return True
        table |= current.is_float and current.constant is not None and not current.is_scalar
        for each in feeds(current):
            if each not in seen:
                seen.add(each)
                waiting.append(each)
    return table and not counts and carries_numbers(value, counts=True)


def entries(value: Value) -> list[Value]:
    """What a value is computed from entry by entry; nothing if it is made in another way."""
    before = moved_from(value)
    if before is not None:
        return [before]
    entrywise = value.node is not None and value.node.primitive in _ENTRYWISE
    return list(value.node.inputs) if entrywise and value.node is not None else []


def is_filled(value: Value) -> bool:
    """Whether an array holds one number everywhere, so that its dimensions mean nothing."""
    made = source(value)
    return made.literal is not None or (made.constant is not None and made.is_scalar)


def is_random(value: Value) -> bool:
    """Whether a value depends on random numbers, drawn with a key that goes into the program."""
    return _hangs_on(value, "drawn with a key", lambda each: _is_draw(each) and _has_input(each))


def is_drawn(value: Value) -> bool:
    """Whether a value depends on random numbers, even if they are the same in each run."""
    return _hangs_on(value, "drawn", _is_draw)


def _is_draw(value: Value) -> bool:
    return value.node is not None and value.node.primitive in _DRAWS


def is_given(value: Value) -> bool:
    """Whether a value goes into the program: an argument, not a number or a constant of its own."""
    made = value.node is not None or value.outer is not None
    return not made and value.literal is None and value.constant is None


def is_argument(value: Value) -> bool:
    """Whether an input of the program is an argument itself, and not a part of one."""
    return is_given(value) and not set(value.label) & {".", "["}


def _has_input(value: Value) -> bool:
    return _hangs_on(value, "given", is_given)


def _hangs_on(value: Value, what: str, is_it: Callable[[Value], bool]) -> bool:
    """Whether a value, or anything it is computed from, is something.

    What is found is kept for the values on the way, since a program asks this for each product, and
    what all of its layers are computed from is most of it.
    """
    after: dict[Value, Value | None] = {value: None}
    waiting = collections.deque([value])
    while waiting:
        current: Value | None = waiting.popleft()
        known = current.hangs_on.get(what)
        if known or (known is None and is_it(current)):
            while current is not None:
                current.hangs_on[what] = True
                current = after[current]
            return True
        if known is None:
            for each in feeds(current):
                if each not in after:
                    after[each] = current
                    waiting.append(each)
    for each in after:
        each.hangs_on[what] = False
    return False


# Of layers and heads; larger arrays are learned, and take time to look through.
_LARGEST_MASK = 4096
_DRAWS = frozenset("random_bits threefry2x32 rng_bit_generator rng_uniform random_gamma".split())
_ENTRYWISE = frozenset(
    """abs add clamp cos div erf exp exp2 expm1 integer_pow log log1p logistic max min mul neg pow
    select_n sign sin sqrt square sub tanh""".split()
)
