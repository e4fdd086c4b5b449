"""Gradients of a number with respect to each weight of each attention."""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from attnreport._errors import CaptureError
from attnreport.capture.choice.options import Options
from attnreport.capture.extraction.attention import Attention
from attnreport.capture.extraction.proofs import Product
from attnreport.capture.interventions.varying import (
    added,
    added_to_output,
    added_up,
    chosen,
    fixed_lengths,
    held_as_terms,
    product_of_terms,
)
from attnreport.capture.planning.plan import plan_of
from attnreport.capture.planning.planned import Planned
from attnreport.capture.program.origin import origin_of
from attnreport.capture.program.trace import require_values, trace
from attnreport.capture.replay.replay import Edit, Probe, replay
from attnreport.capture.roles.layouts import canonical_weights, merged
from attnreport.capture.roles.sites import address_of
from attnreport.capture.transformation import collected


def attention_gradients(
    function: Callable[..., Any], scalar: Callable[[Any], Any], **options: Any
) -> Callable[..., tuple[Any, Attention, dict[str, jax.Array]]]:
    """A function that gives output, attention, and the gradient of a number for each weight.

    The gradient is that of `scalar(output)` when the weights themselves are varied, their scores
    held fixed: d scalar / d weights, as in Chefer et al. (2021).

    Args:
        function: As in `with_attention`.
        scalar: From the output of `function` to one number.
        options: Options of `with_attention`, without a reduction.

    Returns:
        A function of the same arguments, which gives `(output, attention, gradients)`; gradients
        have the names and the canonical layout of the weights, and the layers and heads that are
        kept of them. Where a program normalizes only after the use of its weights, the gradient is
        zero for blocks of a row that it masks out whole.

    Raises:
        CaptureError: When the function is called, as in `with_attention`, for a reduction, or for
            a `while` loop, whose weights cannot be varied one by one.
    """
    wanted = Options(**options)
    if wanted.reduce is not None or "weights" not in wanted.want:
        raise CaptureError(
            "Gradients are those of each weight, so the weights are needed as they are. Leave out "
            "`reduce=`, and name `weights` in `want=`."
        )

    def differentiated(*args: Any, **kwargs: Any) -> tuple[Any, Attention, dict[str, jax.Array]]:
        traced = trace(function, args, kwargs)
        require_values(traced)
        plan = plan_of(traced, wanted, origin_of(function, args, kwargs)["model"])
        plan.require_within_budget()
        varied = {each.name: [varied_of(part) for part in each.segments] for each in plan.kept}
        every = [part for parts in varied.values() for part in parts]
        probes = [*plan.probes(), *(probe for part in every for probe in part.probes)]
        run = replay(traced.closed, probes, [part.edit for part in every], steps=plan.bounds)

        def value(zeros: Mapping[str, Any]) -> tuple[Any, Any]:
            outputs, values, aux = run(traced.leaves, zeros)
            output = jax.tree.unflatten(traced.structure, outputs)
            return scalar(output), (output, values, aux)

        def gradients(zeros: Mapping[str, Any]) -> Any:
            found, (output, values, aux) = jax.grad(value, has_aux=True)(zeros)
            attention = collected(plan, values, aux)
            kept = {
                name: _side_by_side(parts, found, values, attention[name].weights)
                for name, parts in varied.items()
            }
            return output, attention, kept

        return jax.jit(gradients)({part.edit.key: part.zeros() for part in every})

    return differentiated


def _side_by_side(
    parts: "Sequence[Varied]", found: Mapping[str, Any], values: Any, weights: jax.Array
) -> jax.Array:
    """The gradients for weights, whose keys may lie in several segments."""
    keys = [part.planned.site.layout.shape[3] for part in parts]
    pieces = jnp.split(weights, np.cumsum(keys)[:-1], axis=-1) if len(parts) > 1 else [weights]
    gradients = [
        part.gradient(found[part.edit.key], values, own)
        for part, own in zip(parts, pieces, strict=True)
    ]
    return jnp.concatenate(gradients, axis=-1) if len(gradients) > 1 else gradients[0]


def varied_of(planned: Planned) -> "Varied":
    """How the weights of an attention are varied.

    Raises:
        CaptureError: They cannot be.
    """
    fixed_lengths(planned)
    if held_as_terms(planned):
        return VariedOutput(planned, added_to_output(planned), product_of_terms(planned))
    return VariedWeights(planned, added(planned))


@dataclasses.dataclass(frozen=True)
class VariedWeights:
    """Weights that a program has as they are."""

    planned: Planned
    edit: Edit
    probes: tuple[Probe, ...] = ()

    def zeros(self) -> jax.Array:
        """What is added to them."""
        site = self.planned.site
        shape = (*self.planned.stacking.lengths, *site.layout.shape)
        return jnp.zeros(shape, site.weights.dtype)

    def gradient(self, found: jax.Array, values: Any, weights: jax.Array) -> jax.Array:
        """The gradient for the weights, from that for what is added."""
        del values, weights
        return _as_captured(self.planned, found)


@dataclasses.dataclass(frozen=True)
class VariedOutput:
    """The product of terms and values, where the program normalizes after it.

    Terms are the weights times a number for each row, or for each block of a row. So, with the
    gradient for the product, that for a term is its product with the value, and that for a weight
    is as many times larger as the term is.
    """

    planned: Planned
    edit: Edit
    product: Product

    @property
    def probes(self) -> tuple[Probe, ...]:
        """Terms and values."""
        site = self.planned.site
        addresses = address_of(site.weights), address_of(site.contraction.values)

        def compute(terms: jax.Array, values: jax.Array) -> tuple[jax.Array, jax.Array]:
            return canonical_weights(terms, site.layout), values

        return (Probe(self._key, addresses, compute),)

    @property
    def _key(self) -> str:
        # No name of an attention goes on in another line.
        return f"{self.planned.name}\nterms"

    def zeros(self) -> jax.Array:
        """What is added to the product."""
        output = self.planned.site.contraction.output
        return jnp.zeros((*self.planned.stacking.lengths, *output.shape), output.dtype)

    def gradient(self, found: jax.Array, values: Any, weights: jax.Array) -> jax.Array:
        """The gradient for the weights, from that for the product."""
        planned = self.planned
        terms, multiplied = values[self._key]
        per_term = self._per_term
        for _ in planned.stacking.lengths:
            per_term = jax.vmap(per_term)
        gradient = _as_captured(planned, per_term(found, multiplied))
        terms = chosen(planned, merged(terms, planned.site.loops))
        return gradient * _ratio(terms, weights, _blocks(planned)).astype(gradient.dtype)

    def _per_term(self, result: jax.Array, values: jax.Array) -> jax.Array:
        """The gradient for the terms of one iteration, `[batch, head, query, key]`."""
        (w, w_sizes), (v, v_sizes), (r, r_sizes) = (
            self.product.weights,
            self.product.values,
            self.product.result,
        )
        alone = [size if each in v + r else 1 for each, size in zip(w, w_sizes, strict=True)]
        own = jnp.einsum(
            f"{r},{v}->{''.join(each for each in w if each in v + r)}",
            result.reshape(r_sizes).astype(jnp.float32),
            values.reshape(v_sizes).astype(jnp.float32),
        )
        return canonical_weights(
            jnp.broadcast_to(own.reshape(alone), w_sizes), self.planned.site.layout
        )


Varied = VariedWeights | VariedOutput


def _as_captured(planned: Planned, gradient: jax.Array) -> jax.Array:
    """What there is for each iteration, laid out like the weights that are captured."""
    return chosen(planned, merged(added_up(planned, gradient), planned.site.loops))


def _blocks(planned: Planned) -> int:
    """How many blocks a row has that are computed one after the other."""
    pairs = zip(planned.site.loops, planned.stacking.lengths, strict=True)
    return math.prod(length for loop, length in pairs if loop.role == "key")


def _ratio(terms: jax.Array, weights: jax.Array, blocks: int) -> jax.Array:
    """How many times as large as weights their terms are; zero where a block has none.

    It is read off the largest weight of each row of a block: small ones may be rounded to zero, and
    terms that a mask takes out later are in no weight.
    """
    apart = (*weights.shape[:-1], blocks, weights.shape[-1] // blocks)
    sizes = jnp.abs(weights.astype(jnp.float32)).reshape(apart)
    largest = sizes.argmax(-1, keepdims=True)
    most, term = (
        jnp.take_along_axis(each, largest, axis=-1)
        for each in (sizes, jnp.abs(terms.astype(jnp.float32)).reshape(apart))
    )
    ratio = jnp.where(most > 0, term / jnp.where(most > 0, most, 1), 0)
    return jnp.broadcast_to(ratio, apart).reshape(weights.shape)
