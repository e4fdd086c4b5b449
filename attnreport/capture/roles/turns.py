"""In which order a loop takes the blocks that it goes through."""

import dataclasses
from collections.abc import Iterator

import numpy as np

from attnreport.capture.program.counting import counted
from attnreport.capture.program.graph import Node, Scope, Value, feeds


@dataclasses.dataclass(frozen=True)
class Turns:
    """When a loop takes which block of an array.

    Attributes:
        known: Whether the program's text tells it.
        at: In which iteration it takes each block; None where it takes one after the other.
    """

    known: bool = True
    at: tuple[int, ...] | None = None


IN_ORDER, UNKNOWN = Turns(), Turns(known=False)


def turns_of(value: Value | None, loop: Scope, length: int | None) -> Turns:
    """When a loop takes which block of the array that a value inside of it is computed from.

    Args:
        value: What an iteration makes of its block, such as its keys.
        loop: The body of the loop.
        length: How often it runs; None if only running tells.
    """
    found: set[tuple[int, ...]] = set()
    for node in _cuts(value, loop) if value is not None else ():
        blocks = _blocks(node, loop, length)
        if blocks is None:
            return UNKNOWN
        found.add(blocks)
    if len(found) > 1:
        return UNKNOWN
    for blocks in found:
        order = tuple(np.argsort(blocks).tolist())
        return Turns(at=None if order == tuple(range(len(order))) else order)
    return IN_ORDER


def cuts_by_counter(node: Node, loop: Scope) -> bool:
    """Whether a part of an array that the loop does not change is taken, another one each time."""
    if node.primitive not in ("dynamic_slice", "gather"):
        return False
    return not changes(node.inputs[0]) and any(
        changes(each) for index in node.inputs[1:] for each in given_by(index, loop)
    )


def is_handed_on(value: Value, loop: Scope) -> bool:
    """Whether a value is computed from numbers that one iteration makes for the next."""
    return any(
        each.is_float and each.link == "carry" and changes(each) for each in given_by(value, loop)
    )


def changes(given: Value) -> bool:
    """Whether an input of a loop is another one in each iteration; what is no input may be too."""
    if given.link != "carry":
        return given.link != "same"
    inputs = [each for each in given.scope.inputs if each.link == "carry"]
    return given.scope.outputs[inputs.index(given)] is not given


def given_by(value: Value, loop: Scope) -> Iterator[Value]:
    """The inputs of a loop that a value inside of it is computed from."""
    seen = {value}
    waiting = [value]
    while waiting:
        current = waiting.pop()
        if current.scope is loop and current.outer is not None:
            yield current
            continue
        if not is_inside(current.scope, loop):
            continue
        following = [current.outer] if current.outer is not None else feeds(current)
        waiting.extend(each for each in following if each not in seen)
        seen.update(following)


def is_inside(scope: Scope, outer: Scope) -> bool:
    """Whether a scope is another one, or lies in it."""
    return any(each is outer for each in scope.enclosing())


def _cuts(value: Value, loop: Scope) -> Iterator[Node]:
    """Where floating-point numbers are cut out by the loop's counter for a value."""
    seen = {value}
    waiting = [value]
    while waiting:
        current = waiting.pop()
        node = current.node
        if not is_inside(current.scope, loop) or (current.scope is loop and current.outer):
            continue
        if node is not None and current.is_float and cuts_by_counter(node, loop):
            yield node
            continue
        following = [current.outer] if current.outer is not None else feeds(current)
        waiting.extend(each for each in following if each not in seen)
        seen.update(following)


def _blocks(node: Node, loop: Scope, length: int | None) -> tuple[int, ...] | None:
    """Which block is cut out in each iteration; None unless each is taken once."""
    cut = _cut(node)
    if cut is None:
        return None
    index, size, whole = cut
    length = length or whole // size
    starts = counted(index, loop, length)
    if starts is None:
        return None
    blocks = tuple((np.clip(starts, 0, whole - size) // size).tolist())
    exact = (np.asarray(blocks) * size == starts).all()
    return blocks if exact and sorted(blocks) == list(range(length)) else None


def _cut(node: Node) -> tuple[Value, int, int] | None:
    """What tells where one axis is cut, how long the piece is, and how long the axis."""
    array = node.inputs[0]
    sizes = node.params["slice_sizes"]
    if node.primitive == "dynamic_slice":
        cut = [place for place, size in enumerate(sizes) if size < array.shape[place]]
        index = node.inputs[1 + cut[0]] if len(cut) == 1 else None
    else:
        numbers = node.params["dimension_numbers"]
        cut = list(numbers.start_index_map)
        single = len(cut) == 1 and node.inputs[1].is_scalar and not numbers.operand_batching_dims
        index = node.inputs[1] if single else None
    return None if index is None else (index, sizes[cut[0]], array.shape[cut[0]])
