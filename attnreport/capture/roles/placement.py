"""Where the numbers of each device come from: the same everywhere, or a block of an axis.

For every value that the devices of a `shard_map` compute, and one axis of their mesh, this follows
from the divided inputs on, operation by operation, which axis of the value is divided and which
block each device holds. What is not sure is unknown, and unknown stays unknown: a map that is put
together in a wrong order is worse than one for each device.
"""

import dataclasses
import functools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal

from attnreport.capture.dimensions.dimensions import Dimensions
from attnreport.capture.program.graph import Node, Scope, Value
from attnreport.capture.program.jaxprs import axis_names, named_axes
from attnreport.capture.program.lineage import carries_numbers

# For each device, the number of the block that it holds.
Held = tuple[int, ...]
# What travels: by which permutations a device sends blocks on; for each device, where it sends to.
Permutation = tuple[tuple[int, int], ...]


@dataclasses.dataclass(frozen=True)
class Turning:
    """A block that a loop hands on from device to device.

    Attributes:
        carried: What the loop carries.
        turns: The permutations that this iteration has applied to it so far.
    """

    carried: Value
    turns: tuple[Permutation, ...] = ()


# A divided axis of which each device has a single position, and which was squeezed.
SINGLE = -1
# The divided axes of a value by their places: empty where all devices hold the same. `own`: no
# numbers of the inputs, but which device it is. None: unknown.
Blocks = Mapping[int, Held | Turning]
State = Blocks | Literal["own"] | None


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
            rule = _RULES.get(node.primitive)
            state = _absorbed(node, rule(node, given)) if rule is not None else None
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
        if node.primitive not in _ENTRYWISE:
            return None
        state = _entrywise(node, [state for _, state in others])
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


def permuted(held: Held, pairs: Permutation) -> Held:
    """The block that each device holds after each has sent its own on."""
    after = list(held)
    for sender, receiver in pairs:
        after[receiver] = held[sender]
    return tuple(after)


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
    return _moved(state, lambda place: place + by) if isinstance(state, dict) else state


def _moved(state: Mapping[int, Held | Turning], where: Callable[[int], int]) -> State:
    """The same with other places; what is at no place stays there."""
    return {SINGLE if p == SINGLE else where(p): held for p, held in state.items()}


def _joined(states: Iterator[tuple[int, Held | Turning]]) -> State:
    """Divided axes of several operands as those of one result; None if they contradict."""
    found: dict[int, Held | Turning] = {}
    for place, held in states:
        if found.setdefault(place, held) != held:
            return None
    return found


def _absorbed(node: Node, state: State) -> State:
    """One operand had squeezed the single position of each device that another one still has."""
    if not isinstance(state, dict) or SINGLE not in state:
        return state
    shape = node.outputs[0].shape
    kept = any(shape[p] == 1 and state[p] == state[SINGLE] for p in _placed(state))
    return {p: held for p, held in state.items() if p != SINGLE or not kept}


def _placed(state: Mapping[int, Held | Turning]) -> list[int]:
    return [place for place in state if place != SINGLE]


def _entrywise(node: Node, given: Sequence[State]) -> State:
    return _joined((p, h) for each in given if isinstance(each, dict) for p, h in each.items())


def _along(*names: str) -> Any:
    """The rule of what is done along some axes, which tells nothing if they are divided."""

    def rule(node: Node, given: Sequence[State]) -> State:
        places = [node.params[name] for name in names if name in node.params]
        axes = {axis for each in places for axis in (each if isinstance(each, tuple) else (each,))}
        state = _entrywise(node, given)
        return None if state is None or axes & set(state) else state

    return rule


def _reduced(node: Node, given: Sequence[State]) -> State:
    axes = node.params["axes"]
    state = _entrywise(node, given)
    if not isinstance(state, dict) or set(axes) & set(state):
        return None
    return _moved(state, lambda place: place - sum(axis < place for axis in axes))


def _transposed(node: Node, given: Sequence[State]) -> State:
    order = list(node.params["permutation"])
    (state,) = given
    return _moved(state, order.index) if isinstance(state, dict) else None


def _broadcast(node: Node, given: Sequence[State]) -> State:
    places, state = node.params["broadcast_dimensions"], given[0]
    sizes, out = node.inputs[0].shape, node.outputs[0].shape
    if not isinstance(state, dict) or any(sizes[p] != out[places[p]] for p in _placed(state)):
        return None
    return _moved(state, places.__getitem__)


def _reshaped(node: Node, given: Sequence[State]) -> State:
    """Blocks stay blocks if their axis becomes the outer part of one, or falls apart itself."""
    before, after, state = node.inputs[0].shape, node.outputs[0].shape, given[0]
    if not isinstance(state, dict) or node.params.get("dimensions") is not None:
        return None
    places = {place: _begins_at(before, after, place) for place in _placed(state)}
    if None in places.values():
        return None
    return _moved(state, lambda place: places[place] or 0)


def _begins_at(before: Sequence[int], after: Sequence[int], place: int) -> int | None:
    """The axis of the new shape that begins where an axis of the old one does."""
    outer = math.prod(before[:place])
    starts = [q for q in range(len(after)) if math.prod(after[:q]) == outer]
    if before[place] > 1:
        return next((q for q in starts if after[q] > 1), None)
    old = [p for p in range(len(before)) if math.prod(before[:p]) == outer and before[p] == 1]
    new = [q for q in starts if after[q] == 1]
    if len(old) == len(new):
        return new[old.index(place)]
    # A single one that is merged into the axis behind it.
    return next((q for q in starts if after[q] > 1), None) if not new else None


def _squeezed(node: Node, given: Sequence[State]) -> State:
    gone, state = node.params["dimensions"], given[0]
    if not isinstance(state, dict) or (set(gone) & set(state) and SINGLE in state):
        return None
    kept = {SINGLE if place in gone else place: held for place, held in state.items()}
    return _moved(kept, lambda place: place - sum(axis < place for axis in gone))


def _product(node: Node, given: Sequence[State]) -> State:
    """Sums over a divided axis are partial; other axes stay divided."""
    contracted, batch = node.params["dimension_numbers"]
    found: list[tuple[int, Held | Turning]] = []
    start = len(batch[0])
    for side in (0, 1):
        state, rank = given[side], len(node.inputs[side].shape)
        if not isinstance(state, dict) or set(contracted[side]) & set(state):
            return None
        free = [p for p in range(rank) if p not in contracted[side] and p not in batch[side]]
        places = {p: i for i, p in enumerate(batch[side])}
        places |= {p: start + i for i, p in enumerate(free)} | {SINGLE: SINGLE}
        found += [(places[p], held) for p, held in state.items()]
        start += len(free)
    return _joined(iter(found))


def _cut(node: Node, given: Sequence[State]) -> State:
    """A part of an array, cut at the same places on all devices: divided axes have to be whole."""
    state, *indices = given
    sizes, out = node.inputs[0].shape, node.outputs[0].shape
    if not isinstance(state, dict) or any(each != {} for each in indices):
        return None
    return state if all(sizes[place] == out[place] for place in _placed(state)) else None


def _written(node: Node, given: Sequence[State]) -> State:
    operand, update, *indices = given
    if any(each != {} for each in indices):
        return None
    state = _entrywise(node, [operand, update])
    sizes = node.inputs[0].shape, node.inputs[1].shape
    whole = isinstance(state, dict) and all(
        sizes[0][place] == sizes[1][place] for place in _placed(state)
    )
    return state if whole else None


def _looked_up(node: Node, given: Sequence[State]) -> State:
    """Entries of one table for divided indices, or whole windows of a divided array."""
    numbers = node.params["dimension_numbers"]
    table, places = given[0], given[1]
    rank = len(node.outputs[0].shape)
    if table == {} and isinstance(places, dict) and not numbers.operand_batching_dims:
        free = [axis for axis in range(rank) if axis not in numbers.offset_dims]
        return _moved(places, free.__getitem__)
    return None


def _convolved(node: Node, given: Sequence[State]) -> State:
    numbers = node.params["dimension_numbers"]
    if given[1] != {} or not isinstance(given[0], dict) or set(given[0]) != {numbers.lhs_spec[0]}:
        return None
    return _moved(given[0], lambda _: numbers.out_spec[0])


_ALIKE = frozenset("psum psum_invariant pmax pmin all_gather".split())
_KEPT = frozenset(["pcast", "pvary"])
_ENTRYWISE = frozenset(
    """abs add and clamp convert_element_type copy cos div eq erf exp exp2 floor ge gt
    integer_pow le log log1p logistic lt max min mul name ne neg not optimization_barrier or pmax
    pow psum psum_invariant reduce_precision rem round rsqrt select_n sign sin
    sqrt square stop_gradient sub tanh""".split()
)
_RULES: dict[str, Any] = {
    **dict.fromkeys(_ENTRYWISE, _entrywise),
    **dict.fromkeys("reduce_sum reduce_max reduce_min argmax".split(), _reduced),
    **dict.fromkeys("concatenate cumsum split".split(), _along("dimension", "axis")),
    "transpose": _transposed,
    "broadcast_in_dim": _broadcast,
    "reshape": _reshaped,
    "squeeze": _squeezed,
    "dot_general": _product,
    "slice": _cut,
    "dynamic_slice": _cut,
    "dynamic_update_slice": _written,
    "gather": _looked_up,
    "conv_general_dilated": _convolved,
}
