"""What it means that weights are computed in a loop: layers, steps, heads, blocks of queries."""

import dataclasses
from collections.abc import Sequence
from typing import Literal

from attnreport.capture.dimensions.dimensions import Dimensions
from attnreport.capture.dimensions.factors import stems_from
from attnreport.capture.program.graph import Scope, Value, feeds
from attnreport.capture.program.jaxprs import Path
from attnreport.capture.roles.projections import Projection
from attnreport.capture.roles.roles import Roles
from attnreport.capture.roles.scores import Scores
from attnreport.capture.roles.shards import Order, shards_of
from attnreport.capture.roles.turns import (
    IN_ORDER,
    UNKNOWN,
    Turns,
    cuts_by_counter,
    given_by,
    is_handed_on,
    is_inside,
    turns_of,
)

LoopRole = Literal["layer", "step", "batch", "head", "query", "key", "shard", "copy"]

# A loop over one of these is one more axis of it.
MERGED: tuple[LoopRole, ...] = ("batch", "head", "query", "key")
# These leave no axis of their own; of copies one is enough.
FOLDED: tuple[LoopRole, ...] = (*MERGED, "copy")


@dataclasses.dataclass(frozen=True)
class Loop:
    """A loop around weights.

    Attributes:
        role: What its iterations are.
        path: The path of its body; devices of a mesh have one for each axis of the mesh.
        length: How often it runs; None where only running tells.
        order: Of devices among which blocks of keys go round: in which iteration of the loop over
            keys each device meets the block that began on each.
        turns: When it takes which block of what it goes through.
    """

    role: LoopRole
    path: Path
    length: int | None
    order: Order | None = None
    turns: Turns = IN_ORDER


def loops_of(
    dimensions: Dimensions,
    weights: Value,
    scores: Scores,
    roles: Roles,
    over_keys: Scope | None = None,
    made_of: Sequence[Value] = (),
) -> tuple[Loop, ...]:
    """The loops around weights, outermost first.

    Args:
        dimensions: Those of the program.
        weights: The weights.
        scores: Where they come from.
        roles: The roles of their dimensions.
        over_keys: The loop that goes through blocks of keys, if there is one.
        made_of: What the weights are computed from, sums of rows among them.
    """
    found: list[Loop] = []
    for scope in weights.scope.enclosing():
        if scope.kind == "shard":
            rows = [weights, *(each for each in made_of if each is not weights)]
            shards = shards_of(dimensions, scope, rows, roles, over_keys)
            found += [Loop(each.role, scope.path, each.size, each.order) for each in shards[::-1]]
        elif scope.kind in ("scan", "body") and scope.node is not None:
            blocks = scope is over_keys
            role = "key" if blocks else _role(dimensions, scope, weights, scores, roles)
            length = scope.node.params.get("length")
            turns = turns_of(_taken(role, weights, scores), scope, length)
            if blocks and is_handed_on(scores.key or weights, scope):
                turns = UNKNOWN
            found.append(Loop(role, scope.path, length, turns=turns))
    # What goes round a ring of devices is told by the ring.
    ring = any(loop.order is not None for loop in found)
    return tuple(
        dataclasses.replace(loop, turns=IN_ORDER) if ring and loop.role == "key" else loop
        for loop in reversed(found)
    )


def _taken(role: LoopRole, weights: Value, scores: Scores) -> Value | None:
    """What a loop has a block of; None where its iterations are in their own order anyway."""
    if role not in MERGED:
        return None
    first, second = scores.key, scores.query
    if role == "query":
        first, second = second, first
    return first or second or weights


def _role(
    dimensions: Dimensions, scope: Scope, weights: Value, scores: Scores, roles: Roles
) -> LoopRole:
    query = _data(scope, scores.query, roles.query_projection) or weights
    key = _data(scope, scores.key, roles.key_projection) or weights
    matrix = roles.query_projection or roles.key_projection
    asks, answers = _reached(scope, query), _reached(scope, key)
    if scores.key is not None:
        answers |= _reached(scope, scores.key) & {"carry"}
    if matrix is None and {"carry", "turn"} <= asks:
        return "layer"
    if matrix is not None and "turn" in _reached(scope, matrix.weights):
        return "layer" if "carry" in asks | answers else "head"
    if "words" in asks | answers and "carry" not in asks | answers:
        # What is written so far is read anew for each further word.
        return "step"
    if "carry" in asks and "carry" in answers:
        # A decoder that keeps its keys asks one question a step; a stack of layers asks all.
        several = any(role == "query" for role in roles.of.values())
        return "layer" if several else "step"
    if "carry" in asks or "carry" in answers:
        return "step"
    several = any(role == "query" for role in roles.of.values())
    if "turn" in answers and ("turn" in asks or not several):
        if _is_over_heads(dimensions, scope, roles):
            return "head"
        # What carries numbers along goes through one batch after the other.
        carries = any(value.link == "carry" and value.is_float for value in scope.inputs)
        return "step" if carries else "batch"
    return "query" if "turn" in asks and several else "step"


def _data(scope: Scope, value: Value | None, projection: Projection | None) -> Value | None:
    """What is projected inside the loop; the query or key itself, if it was projected before."""
    if projection is None or not is_inside(projection.data.scope, scope):
        return value
    return projection.data


def _reached(scope: Scope, value: Value) -> set[str]:
    """How a value gets into a loop.

    It is carried on (`carry`), looked up for numbers that are (`words`), another one each iteration
    (`turn`), or the `same`.
    """
    ways: set[str] = set()
    seen = {value}
    waiting = [value]
    while waiting:
        current = waiting.pop()
        if current.scope is scope and current.outer is not None:
            if current.is_float:
                ways.add({"scanned": "turn", "carry": "carry"}.get(current.link or "", "same"))
            continue
        if not is_inside(current.scope, scope):
            continue
        if current.node is not None and cuts_by_counter(current.node, scope):
            # A slice at the place that the loop's counter names is another one each iteration.
            ways.add("words" if _is_looked_up(current, scope) else "turn")
            continue
        following = [current.outer] if current.outer is not None else feeds(current)
        for each in following:
            if each not in seen:
                seen.add(each)
                waiting.append(each)
    return ways


def _is_looked_up(value: Value, scope: Scope) -> bool:
    """Whether what is indexed are several rows, for whole numbers that the loop carries."""
    node = value.node
    return node is not None and any(
        each.link == "carry" and not each.is_scalar
        for index in node.inputs[1:]
        for each in given_by(index, scope)
    )


def _is_over_heads(dimensions: Dimensions, scope: Scope, roles: Roles) -> bool:
    heads = () if roles.query_projection is None else roles.query_projection.heads
    if not heads:
        return False
    for value in scope.inputs:
        if value.link == "scanned" and value.outer is not None and value.is_float:
            turn = dimensions.of(value.outer)[0]
            if any(stems_from(factor, heads) for factor in turn):
                return True
    return False
