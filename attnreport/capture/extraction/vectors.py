"""Queries and keys as their scores multiply them, in the order of the weights."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import jax.numpy as jnp

from attnreport.capture.dimensions.dimensions import Dimensions
from attnreport.capture.dimensions.factors import Factor, canonical, stems_from
from attnreport.capture.program.graph import Value
from attnreport.capture.program.jaxprs import Address
from attnreport.capture.roles.sites import Site, address_of

SIDES = {"queries": "query", "keys": "key"}


@dataclasses.dataclass(frozen=True)
class Vectors:
    """How to get the vectors of one side of a score, `[batch, head, position, feature]`.

    Attributes:
        address: The operand of the score.
        shape: Their shape.
        dtype: Their number format.
        sizes: The operand's axes in their finest dimensions.
        order: The operand's dimension for each of `places`, or None where it has none.
        places: Sizes of the dimensions of batch, head, position and feature, in order.
    """

    address: Address
    shape: tuple[int, ...]
    dtype: Any
    sizes: tuple[int, ...]
    order: tuple[int | None, ...]
    places: tuple[int, ...]

    def compute(self, _: Any, operand: Any) -> Any:
        """The vectors; an operand without a dimension, such as keys that heads share, repeats."""
        there = [place for place in self.order if place is not None]
        moved = jnp.transpose(jnp.reshape(operand, self.sizes), there)
        missing = [axis for axis, place in enumerate(self.order) if place is None]
        return jnp.broadcast_to(jnp.expand_dims(moved, missing), self.places).reshape(self.shape)


def vectors_of(dimensions: Dimensions, site: Site, name: str) -> Vectors | str:
    """The vectors of one side, or why they cannot be had.

    Args:
        dimensions: Those of the program.
        site: The attention.
        name: `queries` or `keys`.
    """
    scores, noun = site.scores, SIDES[name]
    value = scores.query if noun == "query" else scores.key
    if scores.form != "dot" or scores.product is None or value is None:
        return f"There are no {name}: the scores are no products of queries and keys."
    if value.address is None or value.scope is not site.weights.scope:
        return f"The {name} are computed outside of the loop or branch of the weights."
    if site.assemble is not None or any(loop.role != "layer" for loop in site.loops):
        return f"The {name} are not put together over the steps or blocks of a loop."
    side = scores.product.operands.index(value)
    summed = [canonical(factor) for factor in scores.product.summed[side]]
    found = _placed(dimensions, site, value, summed, noun)
    if found is None:
        return f"It cannot be told what the axes of the {name} are."
    return found


def _placed(
    dimensions: Dimensions, site: Site, value: Value, summed: Sequence[Factor], noun: str
) -> Vectors | None:
    """The vectors, if each dimension of the operand is one of the weights or summed over."""
    roles = site.roles.of
    own = [canonical(factor) for axis in dimensions.of(value) for factor in axis]
    weights = [canonical(factor) for axis in dimensions.of(site.weights) for factor in axis]
    if sorted(site.layout.order) != list(range(len(weights))):
        return None
    ordered = [weights[place] for place in site.layout.order]
    places = {factor: _meant(factor, ordered, summed) for factor in own}
    if None in places.values() or len(set(places.values())) < len(own):
        return None
    groups = {
        role: [factor for factor in ordered if roles[factor] == role] for role in ("batch", "head")
    }
    groups["position"] = [factor for factor in ordered if roles[factor] == noun]
    groups["feature"] = [factor for factor in own if factor in summed]
    wanted = [factor for group in groups.values() for factor in group]
    holder = {meant: place for place, meant in enumerate(places.values())}
    order = tuple(holder.get(factor) for factor in wanted)
    # Of positions and features nothing may be missing, or the operand is no row for each of them.
    whole = len(groups["position"]) + len(groups["feature"])
    if None in order[len(order) - whole :] or len(holder) != sum(p is not None for p in order):
        return None
    return Vectors(
        address=address_of(value),
        shape=tuple(math.prod(factor.size for factor in group) for group in groups.values()),
        dtype=value.dtype,
        sizes=tuple(factor.size for factor in own),
        order=order,
        places=tuple(factor.size for factor in wanted),
    )


def _meant(factor: Factor, ordered: Sequence[Factor], summed: Sequence[Factor]) -> Factor | None:
    """The dimension of the weights that one of an operand is, or itself if it is summed over."""
    if factor in summed or factor in ordered:
        return factor
    copies = [each for each in ordered if stems_from(each, [factor])]
    return copies[0] if len(copies) == 1 and copies[0].size == factor.size else None
