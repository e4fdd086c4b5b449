"""Whole numbers that a loop counts, iteration by iteration, where the program's text tells them."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from attnreport.capture.program.graph import Node, Scope, Value

# Integers, an axis for the iterations in front; None where the text does not tell.
Counted = np.ndarray | None


def counted(value: Value, loop: Scope, length: int) -> Counted:
    """What a value inside of a loop is in each iteration, in the order of what the loop puts out.

    Args:
        value: The value, a single number.
        loop: The body of the loop.
        length: How often it runs.

    Returns:
        `[iterations]`; None if it is not computed from the loop's counter and numbers in the
        program alone.
    """
    found = _Counting(loop, length).of(value)
    return None if found is None or found.size != length else found.reshape(length)


class _Counting:
    def __init__(self, loop: Scope, length: int):
        self._loop, self._length = loop, length
        self._known: dict[Value, Counted] = {}

    def of(self, value: Value) -> Counted:
        if value not in self._known:
            self._known[value] = None  # a value that is computed from itself is not counted
            self._known[value] = self._counted(value)
        return self._known[value]

    def _counted(self, value: Value) -> Counted:
        if value.literal is not None or value.constant is not None:
            number = np.asarray(value.constant if value.literal is None else value.literal)
            whole = number.size == 1 and number.dtype.kind in "biu"
            return np.full(self._length, number.reshape(())) if whole else None
        if value.scope is self._loop and value.outer is not None:
            return self._given(value, value.outer)
        if value.outer is not None and value.link == "same":
            return self.of(value.outer)
        node = value.node
        rule = None if node is None else _RULES.get(node.primitive)
        if node is None or rule is None or not value.is_scalar:
            return None
        operands = [self.of(each) for each in node.inputs]
        known = [each for each in operands if each is not None]
        return rule(*known) if len(known) == len(operands) else None

    def _given(self, value: Value, outer: Value) -> Counted:
        if value.link == "same":
            return self.of(outer)
        if value.link == "scanned":
            return _listed(outer)
        start, step = self.of(outer), self._step(value)
        if start is None or step is None:
            return None
        passed = np.arange(self._length)
        node = self._loop.node
        if node is not None and node.params.get("reverse"):
            passed = passed[::-1]
        return start + step * passed

    def _step(self, carried: Value) -> Counted:
        """What an iteration adds to a number that it hands on."""
        inputs = [each for each in self._loop.inputs if each.link == "carry"]
        after = self._loop.outputs[inputs.index(carried)]
        if after.node is None or after.node.primitive not in ("add", "sub"):
            return None
        one, other = after.node.inputs
        if other is carried and after.node.primitive == "add":
            one, other = other, one
        step = self.of(other) if one is carried and _is_fixed(other, self._loop) else None
        return step if step is None or after.node.primitive == "add" else -step


def _is_fixed(value: Value, loop: Scope) -> bool:
    """Whether a number stands in the program's text, or comes into the loop unchanged."""
    return value.literal is not None or (value.scope is loop and value.link == "same")


def _listed(value: Value) -> Counted:
    """The entries of a list of whole numbers, such as `jnp.arange(8)[::-1]`."""
    if len(value.shape) != 1:
        return None
    if value.constant is not None:
        numbers = np.asarray(value.constant)
        return numbers if numbers.dtype.kind in "iu" else None
    node = value.node
    if node is None:
        return None if value.outer is None or value.link != "same" else _listed(value.outer)
    if node.primitive == "iota":
        return np.arange(value.shape[0])
    if node.primitive in ("rev", "convert_element_type") and not value.is_float:
        before = _listed(node.inputs[0])
        return before[::-1] if node.primitive == "rev" and before is not None else before
    if node.primitive in ("add", "sub", "mul"):
        return _shifted(node, value.shape[0])
    return None


def _shifted(node: Node, length: int) -> Counted:
    """A list to which one number is added, or which is multiplied by it."""
    operands = []
    for each in node.inputs:
        while each.node is not None and each.node.primitive == "broadcast_in_dim":
            (each,) = each.node.inputs
        single = each.literal is not None and np.size(each.literal) == 1
        operands.append(np.full(length, each.literal) if single else _listed(each))
    known = [each for each in operands if each is not None]
    return _RULES[node.primitive](*known) if len(known) == 2 else None


def _quotient(a: Any, b: Any) -> Any:
    """Division of whole numbers as JAX does it, towards zero."""
    return np.where(b == 0, -1, np.trunc(a / np.where(b == 0, 1, b))).astype(a.dtype)


def _select(which: Any, *cases: Any) -> Any:
    return np.choose(which.astype(int), cases)


def _same(array: Any) -> Any:
    return array


_RULES: Mapping[str, Callable[..., Any]] = {
    **dict.fromkeys(
        "broadcast_in_dim convert_element_type copy pcast pvary reshape squeeze".split(), _same
    ),
    "add": np.add,
    "and": np.bitwise_and,
    "clamp": lambda low, x, high: np.minimum(np.maximum(x, low), high),
    "div": _quotient,
    "eq": np.equal,
    "ge": np.greater_equal,
    "gt": np.greater,
    "le": np.less_equal,
    "lt": np.less,
    "max": np.maximum,
    "min": np.minimum,
    "mul": np.multiply,
    "ne": np.not_equal,
    "neg": np.negative,
    "not": np.invert,
    "or": np.bitwise_or,
    "rem": np.fmod,
    "select_n": _select,
    "sign": np.sign,
    "sub": np.subtract,
}
