"""What a program adds to the scores of queries and keys, worked out by its own operations.

Between the product of queries and keys and the logits a program scales, adds, masks and moves. If
all of that is linear in the product, the logits of a product of zeros are what was added, in units
of the logits. Where a mask replaces scores, the bias is that of the scores it replaces.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp

from attnreport.capture.program.graph import Node, Value
from attnreport.capture.program.lineage import MOVES
from attnreport.capture.roles.scores import Scores
from attnreport.capture.roles.sites import Recipe, address_of


@dataclasses.dataclass(frozen=True)
class NoBias:
    """Why there is no bias to take out, as a sentence."""

    reason: str


UNTOLD = "What is added to the product of queries and keys cannot be told apart from it"
NOTHING_ADDED = NoBias("Nothing is added to the product of queries and keys, so there is no bias.")


def bias_of(scores: Scores) -> Recipe | NoBias:
    """How to get what was added to the scores, in the axes of the logits.

    Args:
        scores: Where weights come from.
    """
    product = None if scores.node is None else scores.node.outputs[0]
    if product is None or product is scores.logits or scores.logits.node is None:
        return NOTHING_ADDED
    steps = _between(product, scores.logits)
    reason = "" if steps else "its logits are not made of it in one place"
    reason = reason or next((why for node in steps if (why := _nonlinear(node, steps))), "")
    if reason:
        return NoBias(f"{UNTOLD}: {reason}.")
    if not any(_adds(node, steps) for node in steps):
        return NOTHING_ADDED
    others = [
        value
        for node in steps
        for value in node.inputs
        if value.literal is None and value is not product and value.node not in steps
    ]
    given = [product, *dict.fromkeys(others)]

    def compute(*arrays: Any) -> Any:
        known = dict(zip(given, arrays, strict=True))
        # Zeros that vary over devices as the product does, whatever numbers it holds.
        known[product] = jnp.where(jnp.isfinite(arrays[0]), arrays[0], 0) * 0
        for node in steps:
            known[node.outputs[0]] = _result(node, known, steps)
        return known[scores.logits]

    return Recipe(tuple(map(address_of, given)), compute)


def _between(product: Value, logits: Value) -> dict[Node, frozenset[int]]:
    """The operations from a product to the logits in their order, and which operands hold it.

    Empty if the logits are not made of the product by operations of its own scope.
    """
    first = -1 if product.node is None else product.node.order
    holding: dict[Value, bool] = {product: True}
    found: dict[Node, frozenset[int]] = {}

    def visit(value: Value) -> bool:
        if value not in holding:
            node = value.node
            holding[value] = False
            if node is not None and node.order > first and node.scope is product.scope:
                places = frozenset(n for n, each in enumerate(node.inputs) if visit(each))
                if places:
                    holding[value] = True
                    found[node] = places
        return holding[value]

    visit(logits)
    return dict(sorted(found.items(), key=lambda item: item[0].order))


def _nonlinear(node: Node, steps: Mapping[Node, frozenset[int]]) -> str:
    """Why an operation is not linear in the product; empty if it is."""
    places = steps[node]
    one_result = len(node.outputs) == 1 and not node.scopes
    if node.primitive in ("add", "add_any", "sub", "neg") or node.primitive in MOVES:
        return "" if one_result else f"it goes through `{node.primitive}`"
    if node.primitive == "mul" and len(places) == 1:
        return ""
    if node.primitive == "div" and places == {0}:
        return ""
    if node.primitive == "select_n" and 0 not in places:
        return ""
    return f"it goes through `{node.primitive}`"


def _adds(node: Node, steps: Mapping[Node, frozenset[int]]) -> bool:
    return node.primitive in ("add", "add_any", "sub") and len(steps[node]) == 1


def _result(node: Node, known: Mapping[Value, Any], steps: Mapping[Node, frozenset[int]]) -> Any:
    """What an operation gives when the product is zero."""
    kept = steps[node]
    if node.primitive == "select_n" and len(kept) == 1:
        return known[node.inputs[next(iter(kept))]]
    operands = [
        jnp.asarray(value.literal) if value.literal is not None else known[value]
        for value in node.inputs
    ]
    primitive = node.equation.primitive
    result = primitive.bind(*operands, **primitive.get_bind_params(node.params))
    return result[0] if primitive.multiple_results else result
