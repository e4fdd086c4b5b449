"""Values that are collected for each query: neighbors that an index or a slice brings.

In local attention queries and values share their places, because each query has keys of its own.
Those places are queries, not a batch, although both have them: the values have them only since
their keys were collected.
"""

from attnreport.capture.dimensions.axis_rules import contracted_axes
from attnreport.capture.dimensions.dimensions import Dimensions
from attnreport.capture.program.graph import Node, Value
from attnreport.capture.program.lineage import MOVES
from attnreport.capture.roles.contractions import Contraction
from attnreport.capture.roles.scores import is_parameter


def collected_along(dimensions: Dimensions, use: Contraction) -> set[int]:
    """Dimensions that the values of a contraction have only since their keys were collected."""
    own, weighed = dimensions.ids(use.values), dimensions.ids(use.weights)
    keys = use.summed
    before = _before_collecting(dimensions, use.values, keys, own - weighed - keys, weighed)
    return own - keys - set().union(*before) if before else set()


def _before_collecting(
    dimensions: Dimensions, values: Value, keys: set[int], features: set[int], weighed: set[int]
) -> list[set[int]]:
    """Dimensions of what values were collected from: of the first arrays without their keys."""
    found: list[set[int]] = []
    seen = {values}
    waiting = [values]
    while waiting:
        current = waiting.pop()
        node = current.node
        operands = [] if node is None else _data_operands(node)
        for each in operands:
            if each in seen:
                continue
            seen.add(each)
            mine = dimensions.within(each)
            if not any(id(factor) in features for factor in mine):
                continue
            if keys & {id(factor) for factor in mine}:
                waiting.append(each)
            elif not is_parameter(each) or (
                # Given values that are looked up, and no table of words.
                node is not None
                and node.primitive == "gather"
                and weighed & {id(factor) for factor in mine}
            ):
                found.append(dimensions.ids(_uncut(each)))
    return found


def _data_operands(node: Node) -> list[Value]:
    """Operands whose numbers an operation takes, not those that say where to take them."""
    if node.primitive == "dot_general" and contracted_axes(node)[0]:
        return []
    return [] if node.scopes else [each for each in node.inputs if each.is_float]


def _uncut(value: Value) -> Value:
    """What a value was before it was cut and padded."""
    while value.node is not None and (
        value.node.primitive in _CUTS or value.node.primitive in MOVES
    ):
        value = value.node.inputs[0]
    return value


_CUTS = frozenset({"slice", "dynamic_slice", "pad", "rev"})
