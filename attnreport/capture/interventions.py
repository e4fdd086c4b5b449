"""Changes attention while a program runs: gradients for each weight, heads scaled or cut."""

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
from attnreport.capture.planning.plan import plan_of
from attnreport.capture.planning.planned import Planned
from attnreport.capture.program.trace import require_values, trace
from attnreport.capture.replay.replay import Edit, replay
from attnreport.capture.roles.layouts import merged
from attnreport.capture.roles.roles import Layout
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
        kept of them.

    Raises:
        CaptureError: When the function is called, as in `with_attention`, or for a `while` loop,
            whose weights cannot be varied one by one.
    """
    chosen = Options(**options)

    def differentiated(*args: Any, **kwargs: Any) -> tuple[Any, Attention, dict[str, jax.Array]]:
        traced = trace(function, args, kwargs)
        require_values(traced)
        plan = plan_of(traced, chosen)
        plan.require_within_budget()
        edits = [_edit(each, _added(each.site.layout)) for each in plan.kept]
        run = replay(traced.closed, plan.probes(), edits, steps=plan.bounds)

        def value(zeros: Mapping[str, Any]) -> tuple[Any, Any]:
            outputs, values, aux = run(traced.leaves, zeros)
            output = jax.tree.unflatten(traced.structure, outputs)
            return scalar(output), (output, values, aux)

        zeros = {each.name: jnp.zeros(_shape(each), each.site.weights.dtype) for each in plan.kept}

        def gradients(zeros: Mapping[str, Any]) -> Any:
            found, (output, values, aux) = jax.grad(value, has_aux=True)(zeros)
            kept = {each.name: _kept(each, found[each.name]) for each in plan.kept}
            return output, collected(plan, values, aux), kept

        return jax.jit(gradients)(zeros)

    return differentiated


def with_scaled_heads(
    function: Callable[..., Any], **options: Any
) -> Callable[..., Callable[[Mapping[str, Any]], Any]]:
    """Prepares a call whose heads can be scaled: 1 keeps a head, 0 cuts it.

    Args:
        function: As in `with_attention`.
        options: Options of `with_attention` that choose attentions.

    Returns:
        A function of the arguments of `function`. It gives a function from a scale for each head,
        by the name of the attention and `[*loops, head]`, to the output; what is not named stays.
        That function can be mapped over scales with `jax.vmap`.

    Raises:
        CaptureError: When scales are given for an attention or head that there is not.
    """
    chosen = Options(**options)

    def prepared(*args: Any, **kwargs: Any) -> Callable[[Mapping[str, Any]], Any]:
        traced = trace(function, args, kwargs)
        plan = plan_of(traced, chosen)
        edits = [_edit(each, _scaled(each.site.layout)) for each in plan.kept]
        run = replay(traced.closed, [], edits, steps=plan.bounds)
        ones = {each.name: jnp.ones(head_shape(each)) for each in plan.kept}

        def output(scales: Mapping[str, Any]) -> Any:
            _require_named(scales, ones)
            given = {name: jnp.asarray(scales.get(name, one)) for name, one in ones.items()}
            outputs, _, _ = run(traced.leaves, given)
            return jax.tree.unflatten(traced.structure, outputs)

        return output

    return prepared


@dataclasses.dataclass(frozen=True)
class Ablation:
    """Outputs of a program without one of its heads.

    Attributes:
        output: The output as it is.
        heads: For each entry of `without`, the name of the attention and the index of the head,
            loops in front.
        without: The output with each head cut, in the order of `heads`, one in front of the other.
    """

    output: Any
    heads: tuple[tuple[str, tuple[int, ...]], ...]
    without: Any


def ablate_heads(function: Callable[..., Any], **options: Any) -> Callable[..., Ablation]:
    """A function that runs a call once for each of its heads, with that head cut.

    All heads run in one mapped call. Cutting a head sets its weights to zero, so that it adds
    nothing to the output of its attention.

    Args:
        function: As in `with_attention`.
        options: Options of `with_attention` that choose attentions, layers and heads.

    Raises:
        CaptureError: When the function is called, as in `with_scaled_heads`.
    """
    chosen = Options(**options)

    def ablated(*args: Any, **kwargs: Any) -> Ablation:
        plan = plan_of(trace(function, args, kwargs), chosen)
        run = with_scaled_heads(function, **options)(*args, **kwargs)
        heads = [(each.name, index) for each in plan.kept for index in _head_indices(each)]
        scales = {each.name: np.ones((len(heads), *head_shape(each)), "f") for each in plan.kept}
        for number, (name, index) in enumerate(heads):
            scales[name][(number, *index)] = 0
        return Ablation(
            jax.jit(run)({}),
            tuple(heads),
            jax.jit(jax.vmap(run))(jax.tree.map(jnp.asarray, scales)),
        )

    return ablated


def head_shape(planned: Planned) -> tuple[int, ...]:
    """`[*loops, head]` of an attention."""
    return (*_loops(planned), planned.site.layout.shape[1])


def _head_indices(planned: Planned) -> list[tuple[int, ...]]:
    """Where in `head_shape` the heads are that are kept."""
    shape = head_shape(planned)
    places = jnp.arange(math.prod(shape)).reshape(*shape[:-1], 1, shape[-1], 1, 1)
    kept = np.unique(np.asarray(_kept(planned, places)))
    return [tuple(map(int, index)) for index in zip(*np.unravel_index(kept, shape), strict=True)]


def _loops(planned: Planned) -> tuple[int, ...]:
    for loop in planned.site.loops:
        if loop.length is None:
            raise CaptureError(
                f"{planned.name} runs in a `while` loop, whose iterations run with the same "
                "changes, so its weights cannot be varied one by one. Use `jax.lax.scan` or "
                "`jax.lax.fori_loop` with a fixed length."
            )
    return planned.stacking.lengths


def _shape(planned: Planned) -> tuple[int, ...]:
    return (*_loops(planned), *planned.site.layout.shape)


def _kept(planned: Planned, array: jax.Array) -> jax.Array:
    """Of an array like canonical weights of all iterations, the layers and heads that are kept."""
    stacking, choice = planned.stacking, planned.choice
    whole = merged(array, stacking.loops)
    heads = jnp.take(whole, np.asarray(choice.all_heads), axis=-3, mode="clip")
    layers = [planned.layers.index(layer) for layer in choice.layers]
    return stacking.cut(heads, layers, stacking.front)


def _edit(planned: Planned, apply: Callable[[Any, Any], Any]) -> Edit:
    if planned.site.weights.address is None:
        raise CaptureError(
            f"{planned.name} runs in a fused kernel, in which its weights are in no array, so they "
            "cannot be varied. Run the model with an implementation in plain JAX."
        )
    return Edit(planned.name, address_of(planned.site.weights), apply)


def _added(layout: Layout) -> Callable[[Any, Any], Any]:
    def apply(weights: Any, delta: Any) -> Any:
        return weights + _own(delta, layout, weights.shape).astype(weights.dtype)

    return apply


def _scaled(layout: Layout) -> Callable[[Any, Any], Any]:
    def apply(weights: Any, scale: Any) -> Any:
        canonical = jnp.broadcast_to(scale[None, :, None, None], layout.shape)
        return weights * _own(canonical, layout, weights.shape).astype(weights.dtype)

    return apply


def _own(canonical: Any, layout: Layout, shape: Sequence[int]) -> jax.Array:
    """Canonical weights in the program's own layout."""
    sizes = [layout.sizes[place] for place in layout.order]
    back = np.argsort(np.asarray(layout.order, int))
    return jnp.reshape(canonical, sizes).transpose(tuple(map(int, back))).reshape(shape)


def _require_named(scales: Mapping[str, Any], ones: Mapping[str, jax.Array]) -> None:
    for name, scale in scales.items():
        if name not in ones:
            raise CaptureError(f"No attention is called `{name}`. There are {', '.join(ones)}.")
        if jnp.shape(scale) != ones[name].shape:
            raise CaptureError(
                f"Scales for `{name}` have the shape {jnp.shape(scale)}; give one number for each "
                f"head, {ones[name].shape}."
            )
