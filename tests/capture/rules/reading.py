"""What capture says of a program before it runs: its attention, and what else was seen."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import jax

from attnreport.capture.extraction.biases import NoBias, bias_of
from attnreport.capture.extraction.stacking import unbounded
from attnreport.capture.program.graph import Graph, Value
from attnreport.capture.program.lineage import is_random
from attnreport.capture.program.trip_counts import largest_count
from attnreport.capture.recognition.names import names_of
from attnreport.capture.recognition.recognizer import Analysis
from attnreport.capture.roles.projections import Projection
from attnreport.capture.roles.sites import Recipe, Site


def reading(closed: Any, labels: Sequence[str]) -> tuple[Any, ...]:
    """What capture says of a traced program, to be compared with another reading of it.

    Args:
        closed: The program.
        labels: Where in the call each of its inputs stands.
    """
    analysis = Analysis(Graph(closed, labels))
    sites = analysis.sites()
    values = {value.address: value for value in _values(analysis.facts.graph)}
    return (
        [*zip(names_of(sites), [_described(closed, site, values) for site in sites], strict=True)],
        [(said.what, said.place, said.sentence) for said in analysis.said()],
    )


def _described(closed: Any, site: Site, values: dict[Any, Value]) -> tuple[Any, ...]:
    roles, scores = site.roles, site.scores
    bias = bias_of(scores)
    return (
        (site.kind, site.form, site.sums, site.mixed, site.layout, roles.fallbacks),
        [(each, _length(closed, each)) for each in site.loops],
        [_address(each) for each in (site.contraction.values, scores.query, scores.key)],
        (scores.form, _address(scores.logits), [_address(each) for each in scores.masks]),
        [_projection(each) for each in (roles.query_projection, roles.key_projection)],
        bias if isinstance(bias, NoBias) else _recipe(bias, values),
        (site.recipe.addresses, _recipe(site.recipe, values), site.assemble is None),
        is_random(site.weights),
    )


def _length(closed: Any, loop: Any) -> int | None:
    bounded = loop.role != "shard" and loop.length is None and not unbounded(closed, loop)
    return largest_count(closed, loop.path[:-1]) if bounded else loop.length


def _address(value: Value | None) -> str:
    return "" if value is None else str(value.address)


def _projection(each: Projection | None) -> tuple[str, str] | None:
    return None if each is None else (_address(each.weights), _address(each.data))


def _recipe(recipe: Recipe, values: dict[Any, Value]) -> str:
    """The operations of a recipe; those of kernels are traced only when a program runs."""
    if recipe.checked is not None:
        return ""
    arrays = [values[each] for each in recipe.addresses]
    shapes = [jax.ShapeDtypeStruct(each.shape, each.dtype) for each in arrays]
    return _PLACE.sub("", str(jax.make_jaxpr(recipe.compute)(*shapes)))


def _values(graph: Graph) -> Iterator[Value]:
    yield from graph.root.inputs
    for node in graph.nodes:
        yield from node.outputs
        yield from node.scope.inputs


_PLACE = re.compile(r" at 0x[0-9a-f]+")
