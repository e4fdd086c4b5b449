"""Where weights are changed in a program: in the value that holds them, or in what they made.

Weights that are normalized only after they were used are in no array that could be changed: what
the program has are terms whose sum it divides by, and a changed term changes that sum too. The
product of such terms with the values is linear in them, so it is changed instead.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from attnreport._errors import CaptureError
from attnreport.capture.extraction.proofs import Product
from attnreport.capture.planning.planned import Planned
from attnreport.capture.replay.replay import Edit
from attnreport.capture.roles.loops import FOLDED
from attnreport.capture.roles.roles import Layout
from attnreport.capture.roles.sites import address_of


def held_as_terms(planned: Planned) -> bool:
    """Whether the program has only terms of an attention, which it normalizes after their use."""
    recipe = planned.site.recipe
    return len(recipe.addresses) > 1 or planned.site.assemble is not None


def added(planned: Planned) -> Edit:
    """Adds numbers `[batch, head, query, key]` to the weights of each iteration."""
    layout = planned.site.layout

    def change(weights: Any, delta: Any) -> Any:
        return weights + in_own_layout(delta, layout, weights.shape).astype(weights.dtype)

    return _of_weights(planned, change)


def added_to_output(planned: Planned) -> Edit:
    """Adds numbers to the product of terms and values, in the program's own axes."""
    output = address_of(planned.site.contraction.output)
    return Edit(planned.name, output, lambda made, delta: made + delta.astype(made.dtype))


def scaled(planned: Planned) -> Edit:
    """Multiplies the heads of each iteration by a number each, `[head]`."""
    layout = planned.site.layout

    def factors(scale: Any) -> Any:
        return jnp.broadcast_to(scale[None, :, None, None], layout.shape)

    if held_as_terms(planned):
        product = product_of_terms(planned)

        def scaled_output(made: Any, scale: Any) -> Any:
            own = in_own_layout(factors(scale), layout, product.weights[1])
            return made * _for_result(own, product).reshape(made.shape).astype(made.dtype)

        return Edit(planned.name, address_of(planned.site.contraction.output), scaled_output)

    def change(weights: Any, scale: Any) -> Any:
        return weights * in_own_layout(factors(scale), layout, weights.shape).astype(weights.dtype)

    return _of_weights(planned, change)


def product_of_terms(planned: Planned) -> Product:
    """How terms and values are multiplied.

    Raises:
        CaptureError: It cannot be told, or it is not one product in one place.
    """
    site, product = planned.site, planned.product
    parts = (site.contraction.values, site.contraction.output)
    apart = any(each.address is None or each.scope is not site.weights.scope for each in parts)
    if product is None or apart:
        raise CaptureError(
            f"{planned.name} is normalized after its use ({site.form}), and its axes cannot be "
            "told in what it is used for, so its weights cannot be varied. Normalize it before, or "
            "leave it out with `select=`."
        )
    return product


def fixed_lengths(planned: Planned) -> tuple[int, ...]:
    """How often each loop around an attention runs.

    Raises:
        CaptureError: One is a `while` loop.
    """
    for loop in planned.site.loops:
        if loop.length is None:
            raise CaptureError(
                f"{planned.name} runs in a `while` loop, whose iterations run with the same "
                "changes, so its weights cannot be varied one by one. Use `jax.lax.scan` or "
                "`jax.lax.fori_loop` with a fixed length."
            )
    return planned.stacking.lengths


def chosen(planned: Planned, array: Any) -> Any:
    """Of `[*loops, batch, head, query, key]`, the layers and heads that are kept."""
    stacking, choice = planned.stacking, planned.choice
    heads = jnp.take(array, np.asarray(choice.all_heads), axis=-3, mode="clip")
    layers = [planned.layers.index(layer) for layer in choice.layers]
    return stacking.cut(heads, layers, stacking.front)


def head_shape(planned: Planned) -> tuple[int, ...]:
    """`[*loops, head]` of an attention: loops as in front of its weights, and all its heads.

    Raises:
        CaptureError: One of these loops is a `while` loop.
    """
    stacking = planned.stacking
    if any(loop.role not in FOLDED or loop.role == "head" for loop in _unbounded(planned)):
        fixed_lengths(planned)
    front = (stacking.lengths[place] for place in stacking.front)
    return (*front, stacking.heads(planned.site.layout.shape[1]))


def for_each_iteration(planned: Planned, scale: Any) -> Any:
    """Scales `[*loops, head]` as each iteration needs them, one axis for each loop in front.

    Loops that divide examples, queries or keys, and devices that all have the same, get the scale
    of the head in each of their iterations; `while` loops have no axis.
    """
    stacking, loops = planned.stacking, planned.site.loops
    over_heads = [place for place, loop in enumerate(loops) if loop.role == "head"]
    lengths = [stacking.lengths[place] for place in over_heads]
    order = [*stacking.front, *over_heads]
    own = planned.site.layout.shape[1]
    apart = jnp.reshape(scale, (*scale.shape[: len(stacking.front)], *lengths, own))
    for at, place in enumerate(over_heads, len(stacking.front)):
        if (turns := loops[place].turns.at) is not None:
            apart = jnp.take(apart, np.argsort(turns), axis=at)
    apart = jnp.transpose(apart, (*np.argsort(np.asarray(order, int)).tolist(), len(order)))
    unbounded = _unbounded(planned)
    counted = [place for place, loop in enumerate(loops) if loop not in unbounded]
    missing = [at for at, place in enumerate(counted) if place not in order]
    shape = (*(stacking.lengths[place] for place in counted), own)
    return jnp.broadcast_to(jnp.expand_dims(apart, missing), shape)


def added_up(planned: Planned, array: jax.Array) -> jax.Array:
    """Gradients for devices that all have the same weights, each with their sum."""
    for place, loop in enumerate(planned.site.loops):
        if loop.role == "copy":
            array = jnp.broadcast_to(array.sum(place, keepdims=True), array.shape)
    return array


def in_own_layout(canonical: Any, layout: Layout, shape: Sequence[int]) -> jax.Array:
    """Canonical weights of one iteration in the program's own layout."""
    sizes = [layout.sizes[place] for place in layout.order]
    back = np.argsort(np.asarray(layout.order, int))
    return jnp.reshape(canonical, sizes).transpose(tuple(map(int, back))).reshape(shape)


def _of_weights(planned: Planned, change: Callable[[Any, Any], Any]) -> Edit:
    if planned.site.weights.address is None:
        raise CaptureError(
            f"{planned.name} runs in a fused kernel, in which its weights are in no array, so they "
            "cannot be varied. Run the model with an implementation in plain JAX."
        )
    recipe = planned.site.recipe

    def apply(value: Any, given: Any) -> Any:
        return recipe.undo(change(recipe.compute(value), given))

    return Edit(planned.name, address_of(planned.site.weights), apply)


def _for_result(own: jax.Array, product: Product) -> jax.Array:
    """Factors for each weight, which differ from head to head, as the result has the heads."""
    (letters, _), (result, sizes) = product.weights, product.result
    kept = own[tuple(slice(None) if each in result else 0 for each in letters)]
    order = [each for each in letters if each in result]
    kept = jnp.transpose(kept, [order.index(each) for each in result if each in order])
    shape = [size if each in order else 1 for each, size in zip(result, sizes, strict=True)]
    return jnp.broadcast_to(kept.reshape(shape), sizes)


def _unbounded(planned: Planned) -> list[Any]:
    return [loop for loop in planned.site.loops if loop.length is None]
