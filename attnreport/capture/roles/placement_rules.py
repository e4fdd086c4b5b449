"""What becomes of divided axes in an operation, for each that keeps them apart."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attnreport.capture.program.graph import Node
from attnreport.capture.roles.held import SINGLE, Held, State, Turning, moved


def _joined(states: Iterator[tuple[int, Held | Turning]]) -> State:
    """Divided axes of several operands as those of one result; None if they contradict."""
    found: dict[int, Held | Turning] = {}
    for place, held in states:
        if found.setdefault(place, held) != held:
            return None
    return found


def absorbed(node: Node, state: State) -> State:
    """One operand had squeezed the single position of each device that another one still has."""
    if not isinstance(state, dict) or SINGLE not in state:
        return state
    shape = node.outputs[0].shape
    kept = any(shape[p] == 1 and state[p] == state[SINGLE] for p in _placed(state))
    return {p: held for p, held in state.items() if p != SINGLE or not kept}


def _placed(state: Mapping[int, Held | Turning]) -> list[int]:
    return [place for place in state if place != SINGLE]


def entrywise(node: Node, given: Sequence[State]) -> State:
    """Of operands of one shape, the divided axes of all; unknown if they contradict."""
    return _joined((p, h) for each in given if isinstance(each, dict) for p, h in each.items())


def _along(*names: str) -> Any:
    """The rule of what is done along some axes, which tells nothing if they are divided."""

    def rule(node: Node, given: Sequence[State]) -> State:
        places = [node.params[name] for name in names if name in node.params]
        axes = {axis for each in places for axis in (each if isinstance(each, tuple) else (each,))}
        state = entrywise(node, given)
        return None if state is None or axes & set(state) else state

    return rule


def _reduced(node: Node, given: Sequence[State]) -> State:
    axes = node.params["axes"]
    state = entrywise(node, given)
    if not isinstance(state, dict) or set(axes) & set(state):
        return None
    return moved(state, lambda place: place - sum(axis < place for axis in axes))


def _transposed(node: Node, given: Sequence[State]) -> State:
    order = list(node.params["permutation"])
    (state,) = given
    return moved(state, order.index) if isinstance(state, dict) else None


def _broadcast(node: Node, given: Sequence[State]) -> State:
    places, state = node.params["broadcast_dimensions"], given[0]
    sizes, out = node.inputs[0].shape, node.outputs[0].shape
    if not isinstance(state, dict) or any(sizes[p] != out[places[p]] for p in _placed(state)):
        return None
    return moved(state, places.__getitem__)


def _reshaped(node: Node, given: Sequence[State]) -> State:
    """Blocks stay blocks if their axis becomes the outer part of one, or falls apart itself."""
    before, after, state = node.inputs[0].shape, node.outputs[0].shape, given[0]
    if not isinstance(state, dict) or node.params.get("dimensions") is not None:
        return None
    places = {place: _begins_at(before, after, place) for place in _placed(state)}
    if None in places.values():
        return None
    return moved(state, lambda place: places[place] or 0)


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
    return moved(kept, lambda place: place - sum(axis < place for axis in gone))


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
    state = entrywise(node, [operand, update])
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
        return moved(places, free.__getitem__)
    return None


def _convolved(node: Node, given: Sequence[State]) -> State:
    numbers = node.params["dimension_numbers"]
    if given[1] != {} or not isinstance(given[0], dict) or set(given[0]) != {numbers.lhs_spec[0]}:
        return None
    return moved(given[0], lambda _: numbers.out_spec[0])


ENTRYWISE = frozenset(
    """abs add and clamp convert_element_type copy cos div eq erf exp exp2 floor ge gt
    integer_pow le log log1p logistic lt max min mul name ne neg not optimization_barrier or pmax
    pow psum psum_invariant reduce_precision rem round rsqrt select_n sign sin
    sqrt square stop_gradient sub tanh""".split()
)
RULES: dict[str, Any] = {
    **dict.fromkeys(ENTRYWISE, entrywise),
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
