"""Which numbers a value can be at most and at least, from the operations alone.

Attention weights are never negative, and gates lie between 0 and 1 however they were squashed:
by a sigmoid, `clip(x / 6 + 0.5, 0, 1)`, `1 / (1 + exp(-x))` or `(tanh(x) + 1) / 2`. Interval
arithmetic (Moore 1966) sees that without knowing any of these forms.
"""

import math
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

from attnreport.capture.program.graph import Value, inner_results
from attnreport.capture.program.lineage import moved_from

Bounds = tuple[float, float]

ANYTHING: Bounds = (-math.inf, math.inf)
_POSITIVE: Bounds = (0.0, math.inf)
_UNIT: Bounds = (0.0, 1.0)
_LARGEST_CONSTANT = 1 << 16


class Intervals:
    """Bounds of the values of a graph, each worked out when it is first asked for."""

    def __init__(self) -> None:
        self._known: dict[Value, Bounds] = {}

    def of(self, value: Value) -> Bounds:
        """The least and the greatest number that the value can hold, infinite if unknown."""
        waiting = [value]
        while waiting:
            current = waiting[-1]
            if current in self._known:
                waiting.pop()
                continue
            missing = [each for each in _operands(current) if each not in self._known]
            if missing:
                waiting.extend(missing)
                continue
            self._known[current] = self._bounds(current)
            waiting.pop()
        return self._known[value]

    def is_nonnegative(self, value: Value) -> bool:
        """Whether no number of the value can be below 0."""
        return self.of(value)[0] >= 0

    def is_share(self, value: Value) -> bool:
        """Whether all numbers of the value lie between 0 and 1."""
        low, high = self.of(value)
        return low >= 0 and high <= 1

    def _bounds(self, value: Value) -> Bounds:
        node = value.node
        if node is None:
            return _given(value, self._known)
        operands = [self._known[each] for each in _operands(value)]
        if node.scopes or moved_from(value) is not None or node.primitive in _SAME:
            return _union(operands) if operands else ANYTHING
        rule = _RULES.get(node.primitive)
        return _tidy(rule(operands)) if rule else _special(value, operands)


def _operands(value: Value) -> list[Value]:
    if value.outer is not None:
        # A carry depends on itself: nothing is known of it.
        return [] if value.link == "carry" else [value.outer]
    if value.node is None:
        return []
    if value.node.scopes:
        return [] if value.node.primitive == "while" else inner_results(value)
    before = moved_from(value)
    return [before] if before is not None else value.node.inputs


def _given(value: Value, known: dict[Value, Bounds]) -> Bounds:
    """Bounds of something that no operation of this scope makes."""
    if value.outer is not None:
        return ANYTHING if value.link == "carry" else known[value.outer]
    number = value.constant if value.literal is None else value.literal
    countable = not jnp.issubdtype(value.dtype, jax.dtypes.extended)
    if number is not None and countable and 0 < np.size(number) <= _LARGEST_CONSTANT:
        array = np.asarray(number)
        if array.dtype.kind in "biuf" and not np.isnan(array).any():
            return float(array.min()), float(array.max())
    return _by_format(value)


def _special(value: Value, operands: Sequence[Bounds]) -> Bounds:
    node = value.node
    assert node is not None
    if node.primitive == "integer_pow":
        return _power(operands[0], node.params["y"])
    if node.primitive == "select_n":
        return _union(operands[1:])
    if node.primitive == "clamp":
        (low, _), (x_low, x_high), (_, high) = operands
        return _tidy((max(low, min(x_low, high)), min(high, max(x_high, low))))
    return _by_format(value)


def _by_format(value: Value) -> Bounds:
    if value.dtype is not None and jnp.issubdtype(value.dtype, jnp.bool_):
        return _UNIT
    unsigned = value.dtype is not None and jnp.issubdtype(value.dtype, jnp.unsignedinteger)
    return _POSITIVE if unsigned else ANYTHING


def _tidy(bounds: Bounds) -> Bounds:
    """Bounds without the NaN that infinity makes in arithmetic."""
    low, high = bounds
    return (-math.inf if math.isnan(low) else low), (math.inf if math.isnan(high) else high)


def _union(bounds: Sequence[Bounds]) -> Bounds:
    return min(low for low, _ in bounds), max(high for _, high in bounds)


def _times(a: float, b: float) -> float:
    return 0.0 if a == 0 or b == 0 else a * b


def _mul(operands: Sequence[Bounds]) -> Bounds:
    (a, b), (c, d) = operands
    products = [_times(x, y) for x in (a, b) for y in (c, d)]
    return min(products), max(products)


def _div(operands: Sequence[Bounds]) -> Bounds:
    numerator, (low, high) = operands
    if low < 0 < high or low < 0 == high:
        return ANYTHING
    # 0 / 0 is a mistake of the program, not a bound.
    inverse = (1 / high if high else math.inf, 1 / low if low else math.inf)
    return _mul([numerator, inverse])


def _power(bounds: Bounds, exponent: int) -> Bounds:
    low, high = bounds
    if exponent < 0:
        return _div([(1.0, 1.0), _power(bounds, -exponent)])
    if exponent % 2 == 0:
        ends = (abs(low) ** exponent, abs(high) ** exponent)
        return (0.0 if low <= 0 <= high else min(ends)), max(ends)
    return low**exponent, high**exponent


def _exp(operands: Sequence[Bounds]) -> Bounds:
    low, high = operands[0]
    return math.exp(min(low, 700)), (math.exp(high) if high < 700 else math.inf)


def _sum(operands: Sequence[Bounds]) -> Bounds:
    low, high = operands[0]
    return (0.0 if low >= 0 else -math.inf), (0.0 if high <= 0 else math.inf)


def _dot(operands: Sequence[Bounds]) -> Bounds:
    return _sum([_mul(operands[:2])])


def _abs(operands: Sequence[Bounds]) -> Bounds:
    low, high = operands[0]
    return (0.0 if low <= 0 <= high else min(abs(low), abs(high))), max(abs(low), abs(high))


def _add(operands: Sequence[Bounds]) -> Bounds:
    return operands[0][0] + operands[1][0], operands[0][1] + operands[1][1]


def _sub(operands: Sequence[Bounds]) -> Bounds:
    return operands[0][0] - operands[1][1], operands[0][1] - operands[1][0]


def _pow(operands: Sequence[Bounds]) -> Bounds:
    return _POSITIVE if operands[0][0] >= 0 else ANYTHING


# Results that are some of the operand's numbers.
_SAME = frozenset(
    """concatenate cummax cummin pad pmax pmin reduce_max reduce_min
    reduce_window_max rev slice sort split stack tile unstack""".split()
)

_RULES: dict[str, Callable[[Sequence[Bounds]], Bounds]] = {
    "abs": _abs,
    "add": _add,
    "add_any": _add,
    "sub": _sub,
    "mul": _mul,
    "div": _div,
    "neg": lambda operands: (-operands[0][1], -operands[0][0]),
    "max": lambda operands: (
        max(operands[0][0], operands[1][0]),
        max(operands[0][1], operands[1][1]),
    ),
    "min": lambda operands: (
        min(operands[0][0], operands[1][0]),
        min(operands[0][1], operands[1][1]),
    ),
    "exp": _exp,
    "exp2": lambda operands: _POSITIVE,
    "logistic": lambda operands: _UNIT,
    "tanh": lambda operands: (-1.0, 1.0),
    "erf": lambda operands: (-1.0, 1.0),
    "sin": lambda operands: (-1.0, 1.0),
    "cos": lambda operands: (-1.0, 1.0),
    "sign": lambda operands: (-1.0, 1.0),
    "sqrt": lambda operands: _POSITIVE,
    "rsqrt": lambda operands: _POSITIVE,
    "square": lambda operands: _power(operands[0], 2),
    "pow": _pow,
    "reduce_sum": _sum,
    "cumsum": _sum,
    "psum": _sum,
    "psum_invariant": _sum,
    "reduce_window_sum": _sum,
    "dot_general": _dot,
    "scatter-add": lambda operands: _sum([_union([operands[0], operands[2]])]),
    "gather": lambda operands: operands[0],
    "dynamic_slice": lambda operands: operands[0],
    "dynamic_update_slice": lambda operands: _union(operands[:2]),
}
