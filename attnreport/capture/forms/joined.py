"""Segments of keys that share one softmax, as one attention with the keys of all of them.

A learned prefix, a prompt that examples share or a cache has scores and values of its own beside
those of the tokens at hand. Each row is normalized once for all of them: by slices of one softmax,
by one sum, or by shares. What each segment does alone is only a part of its rows.
"""

import dataclasses
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import jax.numpy as jnp

from attnreport.capture.dimensions.dimensions import Dimensions
from attnreport.capture.dimensions.factors import Factor, ancestry, canonical
from attnreport.capture.forms.facts import Facts
from attnreport.capture.program.graph import Value
from attnreport.capture.program.lineage import source, upstream
from attnreport.capture.roles.layouts import canonical_weights
from attnreport.capture.roles.roles import Layout
from attnreport.capture.roles.sites import Recipe, Site


def joined(facts: Facts, sites: Iterable[Site]) -> list[Site]:
    """The same attentions, those that are segments of one softmax as one.

    Args:
        facts: Those of the program.
        sites: Its attentions, in the order in which they run.
    """
    groups: list[list[Site]] = []
    for site in sites:
        group = next((each for each in groups if _belong(facts, each[0], site)), None)
        if group is None:
            groups.append([site])
        else:
            group.append(site)
    return [group[0] if len(group) == 1 else _as_one(facts, group) for group in groups]


def _belong(facts: Facts, one: Site, other: Site) -> bool:
    """Whether two attentions are segments of the keys that the same rows are normalized over."""
    if not (_is_segment(one) and _is_segment(other)):
        return False
    same = one.weights.scope is other.weights.scope and one.loops == other.loops
    if not same or not _have_the_same_rows(facts.dimensions, one, other):
        return False
    cuts = _cut_of(one), _cut_of(other)
    if cuts[0] is not None and cuts[1] is not None:
        return cuts[0][0] is cuts[1][0] and cuts[0][1] != cuts[1][1]
    return _hangs_on(facts, one, other) and _hangs_on(facts, other, one)


def _is_segment(site: Site) -> bool:
    plain = site.assemble is None and site.recipe.checked is None and not site.mixed
    return plain and site.sums == "at most one" and site.scores.node is not None


def _have_the_same_rows(dimensions: Dimensions, one: Site, other: Site) -> bool:
    """Whether batch, heads and queries of two attentions are the same, in the same order.

    Blocks of queries are parts of one dimension, but not all of it.
    """
    if one.layout.shape[:3] != other.layout.shape[:3] or one.layout.batch != other.layout.batch:
        return False
    rows = [list(_rows(dimensions, each)) for each in (one, other)]
    if len(rows[0]) != len(rows[1]):
        return False
    lineages = [
        [{id(each) for each in ancestry(factor) if each.size == factor.size} for factor in factors]
        for factors in rows
    ]
    return not any(a.isdisjoint(b) for a, b in zip(*lineages, strict=True))


def _rows(dimensions: Dimensions, site: Site) -> Iterator[Factor]:
    factors = [canonical(factor) for factor in dimensions.within(site.weights)]
    ordered = (factors[place] for place in site.layout.order)
    return (factor for factor in ordered if site.roles.of[factor] != "key")


def _cut_of(site: Site) -> tuple[Value, tuple[Any, ...]] | None:
    """The whole that weights are a slice of, and where they begin in it; None if they are none."""
    node = source(site.weights).node
    if node is None or node.primitive not in ("slice", "split"):
        return None
    output = node.outputs.index(source(site.weights))
    return source(node.inputs[0]), (output, *node.params.get("start_indices", ()))


def _hangs_on(facts: Facts, one: Site, other: Site) -> bool:
    """Whether the scales of the rows of one attention are made of the scores of another.

    Rows of a layer hang on scores of the layers before it, but not the other way round.
    """
    scales = [facts.at(address) for address in one.recipe.addresses[1:]]
    wanted = other.scores.node
    return any(
        each.node is wanted
        for scale in scales
        for each in itertools.islice(upstream(source(scale)), _FAR)
    )


def _as_one(facts: Facts, sites: Sequence[Site]) -> Site:
    """One attention with the keys of several, which stand in the order of their places."""
    ordered = sorted(sites, key=lambda site: (_cut_of(site) or ("", ()))[1])
    first = ordered[0]
    keys = sum(site.layout.shape[3] for site in ordered)
    shape = (*first.layout.shape[:3], keys)
    factor = Factor(max(keys, 2))
    of = {f: role for f, role in first.roles.of.items() if role != "key"} | {factor: "key"}
    return dataclasses.replace(
        first,
        recipe=recipe_of(ordered),
        over=(factor,),
        sums="one" if _are_all(facts, ordered) else "at most one",
        roles=dataclasses.replace(first.roles, of=of),
        layout=Layout(shape, (0, 1, 2, 3), shape, first.layout.batch),
        parts=tuple(ordered),
    )


def _are_all(facts: Facts, sites: Sequence[Site]) -> bool:
    """Whether slices are all that there is of something whose rows sum to one."""
    cuts = [_cut_of(site) for site in sites]
    wholes = {cut[0] for cut in cuts if cut is not None}
    normalized = facts.normalized.get(wholes.pop()) if len(wholes) == 1 else None
    if normalized is None or normalized.shared:
        return False
    keys = sum(site.layout.shape[3] for site in sites)
    return keys == math.prod(factor.size for factor in normalized.over)


def recipe_of(parts: Sequence[Site]) -> Recipe:
    """How to get the weights of all segments side by side, in canonical order."""
    addresses = [site.recipe.addresses for site in parts]

    def compute(*values: Any) -> Any:
        given = iter(values)
        pieces = [
            canonical_weights(site.recipe.compute(*itertools.islice(given, len(each))), site.layout)
            for site, each in zip(parts, addresses, strict=True)
        ]
        return jnp.concatenate(pieces, axis=-1)

    return Recipe(tuple(itertools.chain.from_iterable(addresses)), compute)


_FAR = 400
