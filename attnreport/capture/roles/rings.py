"""Keys that go round: each device of a ring hands its block on, until all have met all blocks."""

from typing import Any

from attnreport.capture.program.graph import Scope, Value, feeds
from attnreport.capture.program.lineage import source, users

# For each device, in which iteration it meets the block that began on each device.
Order = tuple[tuple[int, ...], ...]


def goes_round(value: Value) -> bool:
    """Whether a loop only hands on what it carries from device to device."""
    if value.link != "carry":
        return False
    current = source(feeds(value)[-1])
    while current.node is not None and current.node.primitive == "ppermute":
        current = source(current.node.inputs[0])
    return current is value


def ring_order(loop: Scope, axis: str, size: int) -> Order | None:
    """When each device meets which block of what goes round; None if that is not told.

    Args:
        loop: The loop in which it goes round.
        axis: The axis of the mesh along which the ring lies.
        size: How many devices it has.
    """
    length = None if loop.node is None else loop.node.params.get("length")
    rounds = [value for value in loop.inputs if value.is_float and goes_round(value)]
    orders = {_order(value, axis, size) for value in rounds}
    return orders.pop() if length == size and len(orders) == 1 else None


def _order(carried: Value, axis: str, size: int) -> Order | None:
    assert carried.outer is not None
    before, turns = _turns(carried.outer), _turns(feeds(carried)[-1])
    early = _is_turned_first(carried)
    if early is None or not turns or {name for name, _ in (*before, *turns)} != {axis}:
        return None
    held = list(range(size))
    for _, pairs in before:
        held = _turned(held, pairs)
    met = []
    for _ in range(size):
        after = held
        for _, pairs in turns:
            after = _turned(after, pairs)
        met.append(after if early else held)
        held = after
    devices = [[row[device] for row in met] for device in range(size)]
    if any(sorted(blocks) != list(range(size)) for blocks in devices):
        return None
    return tuple(tuple(map(blocks.index, range(size))) for blocks in devices)


def _turns(value: Value) -> list[tuple[Any, Any]]:
    """The permutations of devices that a value went through, first to last: axis and pairs."""
    found = []
    current = source(value)
    while current.node is not None and current.node.primitive == "ppermute":
        params = current.node.params
        names = params["axis_name"]
        names = (names,) if isinstance(names, str) else tuple(names)
        found.append((names[0] if len(names) == 1 else names, tuple(params["perm"])))
        current = source(current.node.inputs[0])
    return found[::-1]


def _turned(held: list[int], pairs: tuple[tuple[int, int], ...]) -> list[int]:
    """Whose block each device holds after a permutation; -1 for one that is sent none."""
    after = [-1] * len(held)
    for sender, receiver in pairs:
        after[receiver] = held[sender]
    return after


def _is_turned_first(carried: Value) -> bool | None:
    """Whether an iteration uses what it carries after handing it on; None if before and after."""
    used = {node.primitive == "ppermute" for node in users(carried)}
    return used.pop() if len(used) == 1 else not used - {True}
