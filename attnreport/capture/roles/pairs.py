"""Where those who ask meet the keys: an operation of whose operands one has each.

Values may depend on who asks, as those of edges do, and then have the queries' places as they have
the batch. But queries and keys meet somewhere, in a product, in a sum, or side by side as features,
and before that one operand had the queries and the other the keys. Both had the batch.

Places are followed from operation to operation, and not by the identity of dimensions: queries and
keys of one sequence stem from one dimension.
"""

import dataclasses
from collections.abc import Iterator, Sequence

from attnreport.capture.dimensions.axes import Axes
from attnreport.capture.dimensions.axis_rules import AXIS_RULES, elementwise
from attnreport.capture.dimensions.dimensions import Dimensions
from attnreport.capture.dimensions.factors import Axis, Factor, ancestry, canonical, whole
from attnreport.capture.program.graph import Node, Value
from attnreport.capture.program.lineage import carries_numbers, moved_from, source
from attnreport.capture.roles.scores import is_parameter, rank


@dataclasses.dataclass(frozen=True)
class _Traced:
    """A value on the way back from scores, with the axes that keys and those who may ask have.

    Attributes:
        value: The value.
        keys: Its axes with keys.
        asking: Its axes with each of the dimensions that may be queries.
        collected: Whether keys were collected from it, so that it holds tokens.
    """

    value: Value
    keys: frozenset[int]
    asking: tuple[frozenset[int], ...]
    collected: bool = False


def paired_with(dimensions: Dimensions, logits: Value, keys: Axis, candidates: Axis) -> Axis:
    """Those of some dimensions of scores that met the keys there; empty if none did.

    Args:
        dimensions: Those of the program.
        logits: The scores.
        keys: The dimensions of the keys.
        candidates: Dimensions of the scores that may be queries.
    """
    start = _Traced(
        logits,
        _places(dimensions, logits, keys),
        tuple(_places(dimensions, logits, (each,)) for each in candidates),
    )
    numbers = range(len(candidates))
    ask: set[int] = set()
    answer: set[int] = set()
    for parts in _operands(start):
        met = [i for i in numbers if _meet(parts, i)]
        if met:
            return tuple(candidates[i] for i in met)
        ask |= {i for i in numbers if _any_without_keys(parts, i)}
        # A table of positions that is given has no batch either.
        tokens = [each for each in parts if each.collected or not is_parameter(each.value)]
        answer |= {i for i in numbers if _any_keys_without(tokens, i)}
    # Where keys depend on who asks, they meet in one place and part in another; the batch does not.
    apart = ask & answer
    return tuple(candidates[i] for i in sorted(apart)) if len(apart) < len(candidates) else ()


def _operands(start: _Traced) -> Iterator[list[_Traced]]:
    """The operands of what computed scores, and of what computed those of them with keys."""
    seen = {start.value}
    waiting = [start]
    for _ in range(_FAR):
        if not waiting:
            return
        parts = [_unmoved(each) for each in _before(waiting.pop(0))]
        yield [each for each in parts if not _is_table(each, parts)]
        waiting.extend(each for each in parts if each.keys and each.value not in seen)
        seen.update(each.value for each in parts)


def _places(dimensions: Dimensions, value: Value, factors: Axis) -> frozenset[int]:
    ids = {id(canonical(factor)) for factor in factors}
    axes = dimensions.of(value)
    return frozenset(i for i, axis in enumerate(axes) if any(id(each) in ids for each in axis))


def _meet(parts: Sequence[_Traced], number: int) -> bool:
    """Whether one operand has keys, and another one has what may ask and no keys."""
    return _any_keys_without(parts, number) and _any_without_keys(parts, number)


def _any_keys_without(parts: Sequence[_Traced], number: int) -> bool:
    return any(each.keys and not each.asking[number] for each in parts)


def _any_without_keys(parts: Sequence[_Traced], number: int) -> bool:
    return any(each.asking[number] and not each.keys for each in parts)


def _is_table(part: _Traced, parts: Sequence[_Traced]) -> bool:
    """Whether an operand holds no tokens: a matrix of parameters that no other operand is too."""
    value = part.value
    if not value.is_float or not carries_numbers(value):
        return True
    others = [source(each.value) for each in parts if each is not part]
    matrix = is_parameter(value) and rank(source(value)) < 3
    return matrix and source(value) not in others


def _unmoved(traced: _Traced) -> _Traced:
    """What was moved or repeated, with no axis that it was only repeated along."""
    before = moved_from(traced.value)
    while before is not None:
        traced = next(each for each in _before(traced) if each.value is before)
        before = moved_from(traced.value)
    return traced


def _before(traced: _Traced) -> Iterator[_Traced]:
    """The operands of what computed a value."""
    node = traced.value.node
    if node is None:
        if traced.value.outer is not None and traced.value.link == "same":
            yield dataclasses.replace(traced, value=traced.value.outer)
        return
    if node.scopes:
        return
    if node.primitive in _COLLECTING:
        yield _COLLECTING[node.primitive](node, traced)
        return
    operands, result = _local(node, node.outputs.index(traced.value))
    for value, axes in zip(node.inputs, operands, strict=True):
        yield _Traced(
            value,
            _above(axes, result, traced.keys),
            tuple(_above(axes, result, each) for each in traced.asking),
        )


def _looked_up(node: Node, traced: _Traced) -> _Traced:
    """What entries were looked up in; its entries are the keys if it was looked up for keys.

    Where to look is told for each pair of query and key, as neighbors are, and tells nothing. Pages
    of keys are looked up in a cache for each example, and not for each query.
    """
    operands, result = _local(node, 0)
    numbers = node.params["dimension_numbers"]
    by_index = not traced.keys <= set(numbers.offset_dims)
    if by_index and not traced.keys.isdisjoint(numbers.offset_dims):
        return _Traced(node.inputs[0], frozenset(), tuple(frozenset() for _ in traced.asking))
    keys = frozenset(numbers.collapsed_slice_dims) if by_index else frozenset()
    asking = tuple(_above(operands[0], result, each) for each in traced.asking)
    kept = _above(operands[0], result, traced.keys)
    return _Traced(node.inputs[0], keys | kept, asking, by_index and any(asking))


def _convolved(node: Node, traced: _Traced) -> _Traced:
    """What was convolved; its places are the keys if patches were cut out of it for keys.

    A patch becomes features of its middle, and those of a convolution are learned.
    """
    numbers = node.params["dimension_numbers"]
    (batch, _, *places), (out_batch, out_features, *out_places) = (
        numbers.lhs_spec,
        numbers.out_spec,
    )
    pairs = {out_batch: batch, **dict(zip(out_places, places, strict=True))}
    cut = out_features in traced.keys and not carries_numbers(node.inputs[1])
    if cut:
        pairs = {out_batch: batch}
    asking = tuple(frozenset(pairs[i] for i in each if i in pairs) for each in traced.asking)
    kept = frozenset(pairs[i] for i in traced.keys if i in pairs)
    return _Traced(node.inputs[0], kept | frozenset(places if cut else ()), asking, cut)


def _local(node: Node, output: int) -> tuple[list[Axes], Axes]:
    """The axes of an operation's operands and of its result, as if it were the whole program."""
    operands: list[Axes] = [
        tuple((Factor(size),) if size != 1 else () for size in value.shape) for value in node.inputs
    ]
    return operands, AXIS_RULES.get(node.primitive, elementwise)(node, operands)[output]


def _above(operand: Axes, result: Axes, places: frozenset[int]) -> frozenset[int]:
    """The axes of an operand that some axes of the result are made of."""
    made = {id(each) for i in places for f in whole(result[i]) for each in ancestry(f)}
    return frozenset(
        i for i, axis in enumerate(operand) if any(id(each) in made for each in whole(axis))
    )


_FAR = 200
_COLLECTING = {"gather": _looked_up, "conv_general_dilated": _convolved}
