"""What the devices of a mesh divide among themselves: examples, heads, queries or keys."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Literal

from attnreport.capture.dimensions.dimensions import Dimensions
from attnreport.capture.dimensions.factors import Axis, canonical, stems_from
from attnreport.capture.program.graph import Scope, Value
from attnreport.capture.program.jaxprs import axis_names, divided_axes
from attnreport.capture.program.lineage import source, upstream, users
from attnreport.capture.roles.rings import Order, ring_order
from attnreport.capture.roles.roles import Role, Roles


@dataclasses.dataclass(frozen=True)
class Shards:
    """The devices along one axis of a mesh.

    Attributes:
        size: How many there are.
        role: What they divide; `shard` where that is not told, or where it is no axis of weights.
        order: When each of them meets which block of keys, if keys go round.
    """

    size: int
    role: Role | Literal["shard"]
    order: Order | None = None


def shards_of(
    dimensions: Dimensions,
    scope: Scope,
    rows: Sequence[Value],
    roles: Roles,
    over_keys: Scope | None,
) -> tuple[Shards, ...]:
    """What devices do with weights, for each axis of the mesh along which they do not do the same.

    Args:
        dimensions: Those of the program.
        scope: What each device runs.
        rows: The weights, and what their rows are divided by, if that is another value.
        roles: The roles of their dimensions.
        over_keys: The loop that goes through blocks of keys, if there is one.
    """
    assert scope.node is not None
    sizes = scope.node.params["mesh"].shape
    found = []
    for axis in divided_axes(scope.node.params):
        order = None if over_keys is None else ring_order(over_keys, axis, sizes[axis])
        pieces = list(_pieces(scope, axis))
        role = _role(dimensions, rows, roles, axis, pieces, in_ring=order is not None)
        # A single device has all there is, so it can be put to any axis.
        alone = "batch" if sizes[axis] == 1 else None
        found.append(Shards(sizes[axis], alone or role or "shard", order))
    return tuple(found)


def _pieces(scope: Scope, axis: str) -> Iterator[tuple[Value, int]]:
    """The inputs of what a device runs that are divided along an axis of the mesh, and where."""
    assert scope.node is not None
    for value, spec in zip(scope.inputs, scope.node.params["in_specs"], strict=True):
        for place, names in enumerate(axis_names(spec)):
            if names == (axis,):
                yield value, place


def _exchanged(weights: Value, axis: str) -> Iterator[tuple[Value, int]]:
    """What weights are computed from that devices divide anew by an all-to-all, and where."""
    for value in upstream(weights):
        node = value.node
        if node is not None and node.primitive == "all_to_all":
            names = node.params["axis_name"]
            if axis == names or tuple(names) == (axis,):
                yield value, node.params["split_axis"]


def _role(
    dimensions: Dimensions,
    rows: Sequence[Value],
    roles: Roles,
    axis: str,
    pieces: list[tuple[Value, int]],
    *,
    in_ring: bool,
) -> Role | None:
    """What is divided along an axis of the mesh, if it is the outermost of its role."""
    weights = rows[0]
    axes = dimensions.of(weights)
    if {id(canonical(f)) for each in axes for f in each} != set(map(id, roles.of)):
        return None
    pieces = [*pieces, *_exchanged(weights, axis)]
    divided = tuple(f for value, place in pieces for f in dimensions.of(value)[place])
    found: set[Role] = _roles_of(roles, divided) or _of_single(weights, roles, pieces)
    if "batch" in found:
        # What devices gather before they use it does not divide the weights.
        found = {"batch"}
    if in_ring:
        found.discard("key")
    role = _single(found)
    if role is None:
        return None
    if role == "key" and not any(_adds_up(each, axis) for each in rows):
        return None
    return role if _is_outermost(roles, axes, role, divided) else None


def _single(roles: set[Role]) -> Role | None:
    return next(iter(roles)) if len(roles) == 1 else None


def _roles_of(roles: Roles, divided: Axis) -> set[Role]:
    """The roles of dimensions that are pieces of divided ones."""
    return {
        role
        for factor, role in roles.of.items()
        for each in divided
        if factor.size <= each.size and stems_from(factor, [each])
    }


def _of_single(weights: Value, roles: Roles, pieces: list[tuple[Value, int]]) -> set[Role]:
    """What is divided so far that each device has a single one of it, which is no dimension.

    Matrices of projections are divided by heads; other inputs by examples, if they come first.
    """
    projections = (roles.query_projection, roles.key_projection)
    matrices = {
        value for each in projections if each is not None for value in _outward(each.weights)
    }
    used = set(upstream(weights))
    data = {value: place for value, place in pieces if value in used and not _is_gathered(value)}
    if not matrices.isdisjoint(data):
        return set() if roles.with_role("head") else {"head"}
    return {"batch"} if data and not any(data.values()) else set()


def _is_gathered(value: Value) -> bool:
    return {node.primitive for node in users(value)} == {"all_gather"}


def _outward(value: Value) -> Iterator[Value]:
    """What a value is a copy of, also outside of the loops whose iterations take a slice of it."""
    current: Value | None = value
    while current is not None:
        current = source(current)
        yield current
        current = current.outer


def _is_outermost(roles: Roles, axes: tuple[Axis, ...], role: Role, divided: Axis) -> bool:
    """Whether what is divided comes first among the dimensions of its role."""
    factors = [canonical(factor) for axis in axes for factor in axis]
    layout = roles.layout(axes)
    if role == "batch" and layout.batch[0] > 1:
        return False
    ordered = [factors[place] for place in layout.order if roles.of[factors[place]] == role]
    inner = any(stems_from(each, divided) for each in ordered[1:])
    return not inner or stems_from(ordered[0], divided)


def _adds_up(value: Value, axis: str) -> bool:
    """Whether numbers of all devices along an axis of the mesh are added up to make a value."""
    for each in upstream(value):
        if each.node is not None and each.node.primitive in ("psum", "psum_invariant"):
            names = each.node.params.get("axes", ())
            if axis in names and each.is_float:
                return True
    return False
