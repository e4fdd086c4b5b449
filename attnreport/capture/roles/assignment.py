"""Gives the dimensions of weights their roles.

Keys are what is summed over. Heads travel with the features that a score sums over: both come out
of the projection's matrix, while batch and time come out of the activations. Of the rest, what
the values have too is the batch, and what they do not have asks the questions.
"""

import dataclasses
from collections.abc import Callable
from typing import TypeGuard

from attnreport.capture.dimensions.dimensions import Dimensions
from attnreport.capture.dimensions.factors import (
    Axis,
    Factor,
    ancestry,
    canonical,
    origins_of,
    stems_from,
)
from attnreport.capture.program.graph import Value
from attnreport.capture.program.lineage import Numbers
from attnreport.capture.roles.contractions import Contraction
from attnreport.capture.roles.heads import grouped_heads, head_by_place, models_of
from attnreport.capture.roles.neighborhoods import collected_along
from attnreport.capture.roles.pairs import paired_with
from attnreport.capture.roles.projections import (
    Projection,
    before_pairing,
    projection_of,
    with_data_in_common,
)
from attnreport.capture.roles.roles import Role, Roles
from attnreport.capture.roles.scores import Scores, is_parameter, key_side
from attnreport.capture.roles.sharing import shared_by


class Assignment:
    """Assigns roles to the dimensions of weights."""

    def __init__(
        self, dimensions: Dimensions, numbers: Numbers, is_weights: Callable[[Value], bool]
    ):
        """Knows a program, and which of its values are weights."""
        self._dimensions = dimensions
        self._numbers = numbers
        self._is_weights = is_weights

    def roles(self, weights: Value, over: Axis, use: Contraction, scores: Scores) -> Roles:
        """The roles of the dimensions of weights.

        Args:
            weights: The weights.
            over: Their keys.
            use: Where they are contracted with values.
            scores: Where they come from.
        """
        keys = {id(canonical(factor)) for factor in over}
        shared = shared_by(self._dimensions, use)
        query, key, value = self._projections(use, scores, shared)
        heads, free_heads = _heads(over, scores, query, value)
        models = models_of(self._dimensions, weights, use, heads)
        heads = tuple(factor for factor in heads if not stems_from(factor, models))
        if query is None and not heads:
            heads = grouped_heads(self._dimensions, scores, over, shared)
            free_heads = bool(heads)
        asking = () if scores.query is None else self._dimensions.within(scores.query)
        paired_axes = () if scores.product is None else scores.product.shared[0]
        roles: dict[Factor, Role] = {}
        for factor in self._dimensions.within(weights):
            # What lies between may have copied a dimension that the result shares with the inputs.
            lineage = (factor,) if use.weights is weights else ancestry(factor)
            is_shared = any(id(each) in shared for each in lineage)
            if id(factor) in keys:
                roles[factor] = "key"
            elif heads and (is_shared or free_heads) and stems_from(factor, heads):
                roles[factor] = "head"
            elif is_shared:
                roles[factor] = "batch"
            else:
                # What neither asks nor is shared came with a mixing of heads; what queries and
                # keys share, but not values, are heads that average the same values.
                asks = stems_from(factor, asking) or any(stems_from(e, (factor,)) for e in asking)
                mixed = heads and free_heads and not asks
                paired = query is None and stems_from(factor, paired_axes)
                roles[factor] = "head" if mixed or paired else "query"
        asking = set() if "query" in roles.values() else self._asking(roles, over, use, scores)
        roles |= {f: "query" for f, role in roles.items() if role == "batch" and id(f) in asking}
        if is_parameter(use.values):
            _first_is_batch(roles)
        if "batch" not in roles.values() and not asking:
            self._leading_is_batch(roles, over)
        axes = self._dimensions.of(weights)
        if not models:
            self._channels_are_heads(roles, over)
        roles, fallbacks = _with_guessed_head(roles, axes, scores, query)
        order = heads if query is None else query.heads
        parts = self._parts(roles, models)
        copies = 1 if models or parts else self._copies(roles)
        return Roles(roles, fallbacks, query, key, order, models, parts, copies)

    def _copies(self, roles: dict[Factor, Role]) -> int:
        """How many batches of the examples were put behind each other to make the batch."""
        batch = [factor for factor, role in roles.items() if role == "batch"]
        if len(batch) != 1 or not self._dimensions.joined:
            return 1
        joined = self._dimensions.joined
        made = [each for each in ancestry(batch[0]) if each.size == batch[0].size]
        return next((joined[id(each)] for each in made if id(each) in joined), 1)

    def _leading_is_batch(self, roles: dict[Factor, Role], over: Axis) -> None:
        """Where values are the same for all examples, examples are told by the inputs' first axis.

        That axis is the batch if the input has more than tokens and features, unless keys are along
        such an axis too. Of one set of tokens that look at each other, some ask.
        """
        examples = self._dimensions.examples
        if any(id(each) in examples for key in over for each in ancestry(key)):
            return
        queries = [factor for factor, role in roles.items() if role == "query"]
        found = [f for f in queries if not examples.isdisjoint(map(id, ancestry(f)))]
        if len(found) < len(queries) or origins_of(found).isdisjoint(origins_of(over)):
            roles |= dict.fromkeys(found, "batch")

    def _channels_are_heads(self, roles: dict[Factor, Role], over: Axis) -> None:
        """What came with matrices alone is no example, and the examples are no heads.

        Weights of each channel have such a dimension, also where there are no examples at all, or
        where what is looked at, such as branches of a network, comes from nowhere.
        """
        keys = {id(each) for key in over for each in ancestry(key)}
        examples = self._dimensions.examples
        heads = [factor for factor, role in roles.items() if role == "head"]
        taken = [each for each in heads if not examples.isdisjoint(map(id, ancestry(each)))]
        if len(taken) < len(heads):
            return
        for factor in [each for each, role in roles.items() if role == "batch"]:
            lineage = {id(each) for each in ancestry(factor)}
            if lineage.isdisjoint(keys) and self._are_features(factor, lineage):
                roles[factor] = "head"
                roles |= dict.fromkeys(taken, "batch")

    def _are_features(self, factor: Factor, lineage: set[int]) -> bool:
        """Whether a dimension comes from matrices alone, and is what one of them makes."""
        axes = [self._dimensions.of(each) for each in origins_of([factor]) if _is_array(each)]
        last = [not lineage.isdisjoint(map(id, each[-1])) for each in axes]
        taken_in = [len(each) == 2 and not lineage.isdisjoint(map(id, each[0])) for each in axes]
        return any(last) and all(map(any, zip(last, taken_in, strict=True)))

    def _parts(self, roles: dict[Factor, Role], models: Axis) -> Axis:
        """Batch dimensions beside those that come from the leading axis of what goes in."""
        batch = [f for f, role in roles.items() if role == "batch" and not stems_from(f, models)]
        parts = [factor for factor in batch if not self._are_examples(factor)]
        return tuple(parts) if len(parts) < len(batch) else ()

    def of_single_examples(self, roles: Roles) -> Roles:
        """Roles in a loop or on devices that have one example each: what is left are its parts."""
        batch = roles.with_role("batch")
        if roles.models or roles.copies > 1 or any(map(self._are_examples, batch)):
            return roles
        return dataclasses.replace(roles, parts=tuple(batch))

    def _are_examples(self, factor: Factor) -> bool:
        return any(id(each) in self._dimensions.leading for each in ancestry(factor))

    def _asking(
        self, roles: dict[Factor, Role], over: Axis, use: Contraction, scores: Scores
    ) -> set[int]:
        """The identities of dimensions that ask, where values have all that weights have.

        Those that came with collected keys do. Where the keys are learned, the tokens of a sequence
        ask, so all but the first do. Else those ask that met the keys in the scores.
        """
        collected = collected_along(self._dimensions, use)
        if collected:
            return collected
        batches = tuple(factor for factor, role in roles.items() if role == "batch")
        if scores.of_parameters:
            return {id(factor) for factor in batches[1:]}
        return set(map(id, paired_with(self._dimensions, scores.logits, over, batches)))

    def _projections(
        self, use: Contraction, scores: Scores, shared: set[int]
    ) -> tuple[Projection | None, Projection | None, Projection | None]:
        """The projections of queries, keys and values."""
        apart = shared | use.summed
        values = self._dimensions.within(use.values)
        features = tuple(factor for factor in values if id(canonical(factor)) not in apart)
        query = self._projection(scores.query, scores.features)
        key = self._projection(scores.key, scores.features)
        value = self._projection(use.values, features)
        key = with_data_in_common(self._numbers, key, value)
        return with_data_in_common(self._numbers, query, key), key, value

    def _projection(self, value: Value | None, features: Axis) -> Projection | None:
        if value is None or not features:
            return None
        found = None
        if any(canonical(factor).sources for factor in features):
            found = projection_of(self._dimensions, value, features, self._is_weights)
        if found is None:
            value, features = before_pairing(self._dimensions, value) or (value, features)
            found = projection_of(self._dimensions, value, features, self._is_weights)
        return found


def _heads(
    over: Axis, scores: Scores, query: Projection | None, value: Projection | None
) -> tuple[Axis, bool]:
    """The dimensions of the projection that heads stem from, and whether queries may have own."""
    if scores.of_parameters and scores.product is not None:
        made = scores.product.made[key_side(scores.product, over)]
        own = tuple(factor for factor in made if not stems_from(factor, over))
        return (*own, *(() if query is None else query.heads)), False
    if query is not None and scores.of_tokens and scores.form != "additive":
        return query.heads, not query.across
    return ((), False) if value is None or value.across else (value.heads, False)


def _is_array(origin: object) -> TypeGuard[Value]:
    return isinstance(origin, Value) and len(origin.shape) > 1


def _first_is_batch(roles: dict[Factor, Role]) -> None:
    """Where values are parameters they have no batch, so the first of several queries is it."""
    queries = [factor for factor, role in roles.items() if role == "query"]
    if len(queries) > 1 and "batch" not in roles.values():
        roles[queries[0]] = "batch"


def _with_guessed_head(
    roles: dict[Factor, Role], axes: tuple[Axis, ...], scores: Scores, query: Projection | None
) -> tuple[dict[Factor, Role], tuple[str, ...]]:
    """Tells heads from batch where no projection of queries does.

    A dimension that came with a parameter is a head or channel. If none did, because queries and
    keys are given as they are, the last of several is taken for the heads.
    """
    batches = [factor for factor, role in roles.items() if role == "batch"]
    if "head" in roles.values() or not batches:
        return roles, ()
    tokens = origins_of(factor for factor, role in roles.items() if role != "batch")
    origins = {factor: origins_of([factor]) for factor in batches}
    # What the program made itself, by stacking one array for each head, comes from nowhere. Whole
    # numbers, such as lengths, count what examples have, so they tell of no head.
    mine = set().union(*origins.values())
    counts = {each for each in mine if isinstance(each, Value) and not each.is_float}
    own = [each for each in batches if not origins[each] or not origins[each] <= tokens | counts]
    if own and len(own) < len(batches):
        return {**roles, **dict.fromkeys(own, "head")}, ()
    if query is not None or not scores.of_tokens or scores.form == "additive":
        return roles, ()
    taken = {id(factor) for factor, role in roles.items() if role != "batch"}
    guessed = head_by_place(axes, taken) or batches[1:][-1:]
    if not guessed:
        return roles, ()
    return {**roles, **dict.fromkeys(map(canonical, guessed), "head")}, (
        "Queries and keys come without a projection, so which axis holds the heads was taken from "
        "its place.",
    )
