"""Which dimensions are heads where the projection of queries does not tell, or tells too much."""

from collections.abc import Iterator

from attnreport.capture.dimensions.dimensions import Dimensions
from attnreport.capture.dimensions.factors import Axis, Factor, ancestry, canonical, stems_from
from attnreport.capture.dimensions.products import projecting
from attnreport.capture.program.graph import Value
from attnreport.capture.program.lineage import MOVES, is_given
from attnreport.capture.roles.contractions import Contraction
from attnreport.capture.roles.scores import Scores, is_parameter


def grouped_heads(dimensions: Dimensions, scores: Scores, over: Axis, shared: set[int]) -> Axis:
    """Heads of grouped queries that are given as they are, in the queries' order.

    The axis of the given queries falls apart into one part that keys and values share and one that
    only queries have; the keys have the shared part as an axis of its own. A window of positions
    looks alike in the queries, but there the keys lie beside the shared part.
    """
    if scores.query is None or scores.key is None:
        return ()
    alone = [axis[0] for axis in _given_axes(dimensions, scores.key) if len(axis) == 1]
    for axis in _given_axes(dimensions, scores.query):
        known = [stems_from(each, alone) and _is_among(each, shared) for each in axis]
        own = [factor for factor, is_known in zip(axis, known, strict=True) if not is_known]
        if any(known) and own and not any(_is_among(each, shared) for each in own):
            return () if any(stems_from(key, axis) for key in over) else axis
    return ()


def models_of(dimensions: Dimensions, weights: Value, use: Contraction, heads: Axis) -> Axis:
    """Those of the heads that number models, trained or run side by side by `vmap`.

    The matrix or sum that puts heads together again sums over them; models stay apart there.
    """
    found = _recombined(dimensions, use.output)
    if found is None:
        return ()
    summed, kept = found
    mine = [factor for factor in dimensions.within(weights) if stems_from(factor, heads)]
    if not any(_is_one_of(factor, summed) for factor in mine):
        return ()
    apart = [factor for factor in mine if _is_one_of(factor, kept)]
    return tuple(each for each in heads if any(stems_from(factor, (each,)) for factor in apart))


def head_by_place(axes: tuple[Axis, ...], taken: set[int]) -> Axis:
    """The last axis of weights that is neither query nor key, if there is another before it.

    Args:
        axes: The weights' axes; an axis of length one is empty.
        taken: The queries and keys.
    """
    free = [axis for axis in axes if not any(id(canonical(each)) in taken for each in axis)]
    return free[-1] if len(free) > 1 else ()


def _given_axes(dimensions: Dimensions, value: Value) -> Iterator[Axis]:
    """The axes, in their finest dimensions, of the arrays that a value's dimensions come from."""
    seen: set[int] = set()
    for factor in dimensions.within(value):
        for ancestor in ancestry(factor):
            for origin in ancestor.origins:
                if isinstance(origin, Value) and id(origin) not in seen and is_given(origin):
                    seen.add(id(origin))
                    yield from dimensions.of(origin)


def _is_among(factor: Factor, ids: set[int]) -> bool:
    return id(canonical(factor)) in ids


def _is_one_of(factor: Factor, others: Axis) -> bool:
    return any(stems_from(each, (factor,)) or stems_from(factor, (each,)) for each in others)


def _recombined(dimensions: Dimensions, output: Value) -> tuple[Axis, Axis] | None:
    """What the next product of a result with a parameter, or the next sum, adds up and keeps."""
    waiting = [output]
    for _ in range(_FAR):
        if not waiting:
            return None
        value = waiting.pop(0)
        for node, _ in value.uses:
            product = projecting(dimensions, node)
            if product is not None:
                side = int(is_parameter(product.operands[0]))
                learned = is_parameter(product.operands[1 - side])
                return (product.summed[side], product.shared[side]) if learned else None
            if node.primitive == "reduce_sum":
                axes = dimensions.of(value)
                summed = tuple(f for place in node.params["axes"] for f in axes[place])
                return summed, dimensions.within(node.outputs[0])
            if node.primitive in MOVES or node.primitive in _ENTRYWISE:
                waiting.extend(node.outputs)
    return None


_FAR = 60
_ENTRYWISE = frozenset("add add_any sub mul div concatenate slice select_n".split())
