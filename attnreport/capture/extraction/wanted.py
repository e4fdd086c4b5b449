"""What can be taken out beside the weights: logits, mask, bias, query, key, value, output."""

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax.numpy as jnp

from attnreport.capture.dimensions.dimensions import Dimensions
from attnreport.capture.dimensions.factors import canonical
from attnreport.capture.extraction.biases import NoBias, bias_of
from attnreport.capture.extraction.vectors import SIDES, vectors_of
from attnreport.capture.program.graph import Value
from attnreport.capture.program.jaxprs import Address
from attnreport.capture.program.lineage import source, upstream
from attnreport.capture.roles.layouts import canonical_weights
from attnreport.capture.roles.roles import Layout
from attnreport.capture.roles.sites import Site, address_of

# Masks put scores to minus infinity, or so far below all others that nothing is left of them.
MASKED = -5000.0


@dataclasses.dataclass(frozen=True)
class Part:
    """One thing that is taken out of the scope of the weights.

    Attributes:
        addresses: The values it is computed from.
        compute: From canonical weights and those values to what leaves an iteration.
        shape: Shape of that.
        dtype: Its number format.
    """

    addresses: tuple[Address, ...]
    compute: Callable[..., Any]
    shape: tuple[int, ...]
    dtype: Any


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What is taken out beside the weights of one attention.

    Attributes:
        canonical: What has the axes of the weights.
        own: What has the axes that the program gives it.
        outside: Values that are computed outside of a loop around the weights, in their own axes.
        head_axes: The axis of what is in `own` and `outside` that holds the heads, where one does.
        notes: Sentences on what was wanted and cannot be had, or not as it is wanted.
    """

    canonical: Mapping[str, Part]
    own: Mapping[str, Part]
    outside: Mapping[str, Value]
    head_axes: Mapping[str, int]
    notes: tuple[str, ...]

    def with_all_heads(self) -> Iterator[str]:
        """Names of what cannot be cut to some of the heads."""
        for name in (*self.own, *self.outside):
            if name not in self.head_axes:
                yield name


def wanted_of(dimensions: Dimensions, site: Site, names: Sequence[str]) -> Wanted:
    """What can be taken out of what is wanted.

    Args:
        dimensions: Those of the program.
        site: The attention.
        names: What is wanted; `weights` among them is not looked at.
    """
    layout = _logits_layout(dimensions, site)
    parts: dict[str, Part] = {}
    outside: dict[str, Value] = {}
    axes: dict[str, int] = {}
    notes: list[str] = []
    for name in names:
        if site.parts and name not in ("weights", "mask"):
            notes.append(f"There is no one {name}: the keys lie in {len(site.parts)} arrays.")
        elif name == "mask":
            parts[name] = _mask(site, layout)
            notes += _mask_note(site, layout)
        elif name == "bias":
            found = _bias(site, layout)
            if isinstance(found, NoBias):
                notes.append(found.reason)
            else:
                parts[name] = found
        elif name in SIDES:
            vectors = vectors_of(dimensions, site, name)
            if isinstance(vectors, str):
                notes.append(vectors)
            else:
                parts[name] = Part(
                    (vectors.address,), vectors.compute, vectors.shape, vectors.dtype
                )
                axes[name] = 1
        elif name != "weights":
            value = _value(site, name)
            note = _availability(site, name, value)
            notes += [note] if note else []
            if value is None or value.address is None or not _is_around(site, value):
                continue
            if value.scope is not site.weights.scope:
                outside[name] = value
            else:
                parts[name] = _part(value, layout if name == "logits" else None)
            axis = _head_axis(dimensions, site, value)
            axes |= {} if axis is None else {name: axis}
    in_order = {name for name in parts if name == "mask" or (layout and name in _SCORED)}
    return Wanted(
        {name: part for name, part in parts.items() if name in in_order},
        {name: part for name, part in parts.items() if name not in in_order},
        outside,
        axes,
        tuple(notes),
    )


_SCORED = ("logits", "bias")


def _value(site: Site, name: str) -> Value | None:
    scores, use = site.scores, site.contraction
    value = {
        "logits": scores.logits,
        "query": scores.query,
        "key": scores.key,
        "value": use.values,
        "output": use.output,
    }[name]
    # What a loop is given unchanged is taken once, where it comes from.
    while value is not None and value.outer is not None and value.link == "same":
        value = value.outer
    return value


def _is_around(site: Site, value: Value) -> bool:
    return any(value.scope is scope for scope in site.weights.scope.enclosing())


def _availability(site: Site, name: str, value: Value | None) -> str:
    """A sentence if a value cannot be had, or only from outside of a loop."""
    if value is None:
        return f"There is no {name}: no product of queries and keys was found before the weights."
    if value.address is None:
        return f"There is no {name} to take out: it is in no array of the program."
    if not _is_around(site, value):
        return f"The {name} cannot be taken out: it lies inside of another loop or branch."
    if value.scope is not site.weights.scope:
        return (
            f"The {name} is computed outside of the loop or branch of the weights, so it has no "
            "axis for it."
        )
    return ""


def _part(value: Value, layout: Layout | None) -> Part:
    if layout is None:
        return Part((address_of(value),), lambda _, array: array, value.shape, value.dtype)
    return Part(
        (address_of(value),),
        lambda _, array: canonical_weights(array, layout),
        layout.shape,
        value.dtype,
    )


def _bias(site: Site, layout: Layout | None) -> Part | NoBias:
    found = bias_of(site.scores)
    if isinstance(found, NoBias):
        return found
    logits = site.scores.logits
    if logits.scope is not site.weights.scope:
        return NoBias("The bias is added outside of the loop or branch of the weights.")

    def compute(_: Any, *arrays: Any) -> Any:
        bias = found.compute(*arrays)
        return bias if layout is None else canonical_weights(bias, layout)

    shape = logits.shape if layout is None else layout.shape
    return Part(found.addresses, compute, shape, logits.dtype)


def _mask(site: Site, layout: Layout | None) -> Part:
    """Where a query may look: where no mask lowered its score, or took its weight away after."""
    if layout is None or site.assemble is not None:
        return Part((), lambda weights: weights != 0, site.layout.shape, jnp.bool_)
    later, earlier = _replaces_weights(site), bool(site.scores.masks)

    def compute(weights: Any, logits: Any) -> Any:
        scores = canonical_weights(logits, layout)
        # A row whose scores are all masked may still be spread evenly by the softmax.
        allowed = scores > MASKED
        if later:
            return allowed & (weights != 0)
        if earlier:  # by a number that is not far below the others: all masked scores have it
            return allowed & ((weights != 0) | (scores > scores.min()))
        return allowed

    return Part((address_of(site.scores.logits),), compute, site.layout.shape, jnp.bool_)


def _mask_note(site: Site, layout: Layout | None) -> list[str]:
    if layout is not None and site.assemble is None:
        return []
    return ["The mask is read off the weights: where one is exactly zero, it counts as masked."]


def _logits_layout(dimensions: Dimensions, site: Site) -> Layout | None:
    """How to bring logits into canonical order; None if they have other dimensions."""
    logits = site.scores.logits
    if site.parts or logits.address is None or logits.scope is not site.weights.scope:
        return None
    axes = dimensions.of(logits)
    factors = {canonical(factor) for axis in axes for factor in axis}
    return site.roles.layout(axes) if factors == set(site.roles.of) else None


def _replaces_weights(site: Site) -> bool:
    """Whether a condition decides about single weights after the exponential."""
    logits = source(site.scores.logits)
    steps = itertools.takewhile(lambda each: each is not logits, upstream(site.weights))
    return any(
        each.node is not None and each.node.primitive == "select_n" and each.shape == logits.shape
        for each in itertools.islice(steps, 40)
    )


def _head_axis(dimensions: Dimensions, site: Site, value: Value) -> int | None:
    """The axis of a value that holds the heads as the weights number them, and nothing else."""
    heads = [factor for factor, role in site.roles.of.items() if role == "head"]
    if len(heads) != 1 or any(loop.role == "head" for loop in site.loops):
        return None
    axes = [[canonical(factor) for factor in axis] for axis in dimensions.of(value)]
    places = [place for place, factors in enumerate(axes) if factors == heads]
    return places[0] if len(places) == 1 else None
