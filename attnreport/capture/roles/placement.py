"""Where the numbers of each device come from: the same everywhere, or a block of an axis.

For every value that the devices of a `shard_map` compute, and one axis of their mesh, this follows
from the divided inputs on, operation by operation, which axis of the value is divided and which
block each device holds. What is not sure is unknown, and unknown stays unknown: a map that is put
together in a wrong order is worse than one for each device.
"""

import dataclasses
import functools
from collections.abc import Sequence

from attnreport.capture.dimensions.dimensions import Dimensions
from attnreport.capture.program.graph import Node, Scope, Value
from attnreport.capture.program.jaxprs import axis_names, named_axes
from attnreport.capture.program.lineage import carries_numbers
from attnreport.capture.roles.held import Held, Permutation, State, Turning, moved, permuted
from attnreport.capture.roles.placement_rules import ENTRYWISE, RULES, absorbed, entrywise


class Placement:
    """What the devices along one axis of a mesh hold.

    Attributes:
        size: How many devices there are along the axis.
        uneven: Scopes that some devices run and others do not, or not as often.
        rounds: Of what loops hand on: where it begins, and the permutations of an iteration.
    """

    def __init__(self, dimensions: Dimensions, scope: Scope, axis: str):
        """Follows what one device runs."""
        assert scope.node is not None
        self._dimensions, self._axis = dimensions, axis
        self.size: int = scope.node.params["mesh"].shape[axis]
        self.uneven: set[Scope] = set()
        self._used: set[str] = set()
        self.rounds: dict[Value, tuple[Held, tuple[Permutation, ...]]] = {}
        self._states: dict[Value, State] = {}
        specs = scope.node.params["in_specs"]
        for value, spec in zip(scope.inputs, specs, strict=True):
            self._states[value] = self._entering(axis_names(spec))
        self._run(scope)

    @property
    def adds_up(self) -> bool:
        """Whether results of devices are added up, as of heads, and not handed on, as of stages."""
        return bool(self._used & {"psum", "psum_invariant"}) and "ppermute" not in self._used

    def of(self, value: Value) -> State:
        """What devices hold of a value."""
        if value in self._states:
            return self._states[value]
        return {} if value.literal is not None or value.constant is not None else None

    def _entering(self, names: Sequence[tuple[str, ...]]) -> State:
        divided = [place for place, each in enumerate(names) if self._axis in each]
        alone = all(names[place] == (self._axis,) for place in divided)
        return dict.fromkeys(divided, tuple(range(self.size))) if alone else None

    def _run(self, scope: Scope) -> None:
        for node in self._dimensions.nodes_in(scope):
            states = self._scoped(node) if node.scopes else self._plain(node)
            self._states.update(zip(node.outputs, states, strict=True))

    def _plain(self, node: Node) -> list[State]:
        given: list[State] = [self.of(value) for value in node.inputs]
        state: State
        if node.primitive in _KEPT:
            state = given[0]
        elif self._axis in named_axes(node.params):
            state = self._collective(node, given)
        elif None in given:
            state = None
        elif all(each == {} for each in given):
            state = {}
        elif "own" in given:
            state = self._with_own(node, given)
        else:
            rule = RULES.get(node.primitive)
            state = absorbed(node, rule(node, given)) if rule is not None else None
        return [state] * len(node.outputs)

    def _with_own(self, node: Node, given: Sequence[State]) -> State:
        """Numbers that tell devices apart, such as places of tokens, and what they are used for.

        Where each device has a block, what is done to it by places is done to the whole.
        """
        others = [
            (value, state)
            for value, state in zip(node.inputs, given, strict=True)
            if state != "own"
        ]
        if all(state == {} and not carries_numbers(value) for value, state in others):
            return "own"
        if node.primitive not in ENTRYWISE:
            return None
        state = entrywise(node, [state for _, state in others])
        own = tuple(range(self.size))
        return state if isinstance(state, dict) and own in state.values() else None

    def _collective(self, node: Node, given: Sequence[State]) -> State:
        params, primitive = node.params, node.primitive
        self._used.add(primitive)
        if params.get("axis_index_groups") is not None:
            return None
        if primitive == "axis_index":
            return "own"
        if primitive in _ALIKE:
            return {}
        if primitive == "ppermute":
            return self._permuted(given[0], tuple(map(tuple, params["perm"])))
        own = tuple(range(self.size))
        if primitive == "reduce_scatter" and params["tiled"]:
            return {params["scatter_dimension"]: own}
        if primitive == "all_to_all" and params["tiled"]:
            return {params["split_axis"]: own} if given[0] == {params["concat_axis"]: own} else None
        return None

    def _permuted(self, state: State, pairs: Permutation) -> State:
        if not isinstance(state, dict) or len(pairs) < self.size:
            return None
        return {
            place: dataclasses.replace(held, turns=(*held.turns, pairs))
            if isinstance(held, Turning)
            else permuted(held, pairs)
            for place, held in state.items()
        }

    def _scoped(self, node: Node) -> list[State]:
        if node.primitive == "cond":
            return self._branches(node)
        if node.primitive in ("scan", "while"):
            return self._loop(node, node.scopes[0])
        return [None] * len(node.outputs)

    def _branches(self, node: Node) -> list[State]:
        even = self.of(node.inputs[0]) == {}
        results: list[list[State]] = []
        for scope in node.scopes:
            if not even:
                self.uneven.add(scope)
            self._states.update({v: self.of(v.outer) for v in scope.inputs if v.outer is not None})
            self._run(scope)
            results.append([self.of(value) for value in scope.outputs])
        first, *others = results
        same = [all(each[i] == state for each in others) for i, state in enumerate(first)]
        return [state if even and same[i] else None for i, state in enumerate(first)]

    def _loop(self, node: Node, body: Scope) -> list[State]:
        carried = [value for value in body.inputs if value.link == "carry"]
        for value in body.inputs:
            self._states[value] = _into(value, self.of(value.outer) if value.outer else None)
        for _ in range(len(carried) + 2):
            self._run(body)
            changed: list[tuple[Value, State]] = [
                (value, self._again(value, self.of(after)))
                for value, after in zip(carried, body.outputs, strict=False)
            ]
            changed = [(value, state) for value, state in changed if state != self.of(value)]
            if not changed:
                break
            self._states.update(changed)
        for scope in node.scopes[1:]:
            self._states.update(
                {v: self.of(c) for v, c in zip(scope.inputs[-len(carried) :], carried, strict=True)}
            )
            self._run(scope)
            if any(self.of(value) != {} for value in scope.outputs):
                self.uneven.add(body)
        states: list[State] = [_out_of(self.of(value)) for value in body.outputs]
        return [
            state if place < len(carried) else _shifted(state, 1)
            for place, state in enumerate(states)
        ]

    def _again(self, carried: Value, after: State) -> State:
        """What a loop carries, from what it carried before and what an iteration makes of it."""
        before = self.of(carried)
        if before == after or before is None:
            return before
        if not isinstance(before, dict) or not isinstance(after, dict) or len(before) != 1:
            return None
        ((place, held),) = before.items()
        if not isinstance(held, Turning):
            self.rounds[carried] = held, ()
            return {place: Turning(carried)}
        now = after.get(place)
        if set(after) == {place} and isinstance(now, Turning) and now.carried is carried:
            self.rounds[carried] = self.rounds[carried][0], now.turns
            return before
        return None


@functools.lru_cache(maxsize=16)
def placement_of(dimensions: Dimensions, scope: Scope, axis: str) -> Placement:
    """What the devices along an axis of a mesh hold of all that one of them computes."""
    return Placement(dimensions, scope, axis)


def _into(value: Value, state: State) -> State:
    """What a loop is given, as its body sees it."""
    if value.link != "scanned" or not isinstance(state, dict):
        return state
    return None if 0 in state else _shifted(state, -1)


def _out_of(state: State) -> State:
    """What leaves a loop; what still turns in it is at no place any more."""
    if isinstance(state, dict) and any(isinstance(held, Turning) for held in state.values()):
        return None
    return state


def _shifted(state: State, by: int) -> State:
    return moved(state, lambda place: place + by) if isinstance(state, dict) else state


_ALIKE = frozenset("psum psum_invariant pmax pmin all_gather".split())
_KEPT = frozenset(["pcast", "pvary"])
