"""What the devices of a mesh divide among themselves: examples, heads, queries or keys."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Literal

from attnreport.capture.dimensions.axes import Axes
from attnreport.capture.dimensions.dimensions import Dimensions
from attnreport.capture.dimensions.factors import (
    Axis,
    Factor,
    ancestry,
    canonical,
    stems_from,
    whole,
)
from attnreport.capture.program.graph import Scope, Value
from attnreport.capture.program.jaxprs import divided_axes
from attnreport.capture.roles.held import SINGLE, Held, Permutation, Turning, permuted
from attnreport.capture.roles.placement import Placement, placement_of
from attnreport.capture.roles.roles import Role, Roles

# For each device, in which iteration it meets the block of keys that began on each device.
Order = tuple[tuple[int, ...], ...]


@dataclasses.dataclass(frozen=True)
class Shards:
    """The devices along one axis of a mesh.

    Attributes:
        size: How many there are.
        role: What they divide; `copy` where all have the same weights, `shard` where that is not
            sure or is no axis of weights.
        order: When each of them meets which block of keys, if keys go round.
    """

    size: int
    role: Role | Literal["shard", "copy"]
    order: Order | None = None


def shards_of(
    dimensions: Dimensions,
    scope: Scope,
    rows: Sequence[Value],
    roles: Roles,
    over_keys: Scope | None,
) -> tuple[Shards, ...]:
    """What devices do with weights, for each axis of the mesh along which they may differ.

    Args:
        dimensions: Those of the program.
        scope: What each device runs.
        rows: The weights, and what their rows are computed from besides.
        roles: The roles of their dimensions.
        over_keys: The loop that goes through blocks of keys, if there is one.
    """
    assert scope.node is not None
    placements = [placement_of(dimensions, scope, axis) for axis in divided_axes(scope.node.params)]
    found = [_shards(dimensions, each, rows, roles, over_keys) for each in placements]
    taken = [each.role for each in found if each.role not in ("shard", "copy") and each.size > 1]
    return tuple(
        # Of two that divide one role, it is not told which is the outer one.
        dataclasses.replace(each, role="shard", order=None) if taken.count(each.role) > 1 else each
        for each in found
    )


def _shards(
    dimensions: Dimensions,
    placement: Placement,
    rows: Sequence[Value],
    roles: Roles,
    over_keys: Scope | None,
) -> Shards:
    size, apart = placement.size, Shards(placement.size, "shard")
    if size == 1:
        return Shards(size, "copy")
    around = set(rows[0].scope.enclosing())
    weights, *others = (placement.of(value) for value in rows)
    if not isinstance(weights, dict) or around & placement.uneven:
        return apart
    if not all(isinstance(each, dict) for each in others):
        return apart
    if not weights:
        return Shards(size, "copy") if all(not each for each in others) else apart
    own = [place for place, held in weights.items() if held == tuple(range(size))]
    turning = [(place, h) for place, h in weights.items() if isinstance(h, Turning)]
    if len(own) != 1 or len(own) + len(turning) < len(weights) or len(turning) > 1:
        return apart
    axes = dimensions.of(rows[0])
    role, order = _role_at(axes, roles, own[0]), None
    if turning:
        ((place, held),) = turning
        order = _order(placement, held, over_keys)
        if order is None or _role_at(axes, roles, place) != "key":
            return apart
    if role is None or (role == "key" and any(others)):
        return apart
    if role == "head" and "head" not in roles.of.values() and not placement.adds_up:
        return apart
    if role == "head" and not _in_order(axes[own[0]] if own[0] != SINGLE else (), roles.heads):
        return apart
    return Shards(size, role, order)


def _role_at(axes: Axes, roles: Roles, place: int) -> Role | None:
    """The role of an axis of weights, if it is the outermost of its role."""
    factors = [canonical(factor) for axis in axes for factor in axis]
    if {id(factor) for factor in factors} != set(map(id, roles.of)):
        return None
    layout = roles.layout(axes)
    if place == SINGLE or not axes[place]:
        # Each device has a single one, so it is no dimension here: it is what lacks one.
        every: set[Role] = {"batch", "head", "query", "key"}
        role = _only(every - set(roles.of.values()))
    else:
        role = roles.of[canonical(axes[place][0])]
        ordered = [factors[i] for i in layout.order if roles.of[factors[i]] == role]
        role = role if ordered[0] is canonical(axes[place][0]) else None
    return None if role == "batch" and layout.batch[0] > 1 else role


def _in_order(axis: Axis, heads: Axis) -> bool:
    """Whether heads on devices come one after the other as the queries number them.

    Before they are divided they may have been put in another order, such as every eighth.
    """
    return all(_leads_in_order(factor, heads) for factor in axis) if heads else True


def _leads_in_order(factor: Factor, heads: Axis) -> bool:
    places = {id(each): place for place, each in enumerate(whole(heads))}
    current = canonical(factor)
    while id(current) not in places:
        before = [each for each in map(canonical, current.sources) if stems_from(each, heads)]
        found = [[places[id(e)] for e in ancestry(each) if id(e) in places] for each in before]
        if len(before) != 1:
            # What was merged stands in its order, and no part of it is there twice.
            order = [place for each in found for place in each]
            return order == sorted(set(order)) and len(found) == len(order)
        current = before[0]
    return True


def _only(roles: set[Role]) -> Role | None:
    return next(iter(roles)) if len(roles) == 1 else None


def _order(placement: Placement, held: Turning, loop: Scope | None) -> Order | None:
    """When each device meets which block of keys; None unless it meets each once."""
    length = None if loop is None or loop.node is None else loop.node.params.get("length")
    begun, turns = placement.rounds[held.carried]
    if held.carried.scope is not loop or length != placement.size:
        return None
    met = list(_met(begun, turns, held.turns, placement.size))
    devices = [[row[device] for row in met] for device in range(placement.size)]
    if any(sorted(blocks) != list(range(placement.size)) for blocks in devices):
        return None
    return tuple(tuple(map(blocks.index, range(placement.size))) for blocks in devices)


def _met(
    begun: Held, turns: Sequence[Permutation], first: Sequence[Permutation], length: int
) -> Iterator[Held]:
    """Which block each device uses in each iteration."""
    for _ in range(length):
        used = begun
        for pairs in first:
            used = permuted(used, pairs)
        yield used
        for pairs in turns:
            begun = permuted(begun, pairs)
