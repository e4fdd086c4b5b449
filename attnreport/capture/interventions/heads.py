"""Heads that are scaled or cut while a program runs."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from attnreport._errors import CaptureError
from attnreport.capture.choice.options import Options
from attnreport.capture.interventions.varying import (
    chosen,
    for_each_iteration,
    head_shape,
    scaled,
)
from attnreport.capture.planning.plan import plan_of
from attnreport.capture.planning.planned import Planned
from attnreport.capture.program.origin import origin_of
from attnreport.capture.program.trace import trace
from attnreport.capture.replay.replay import replay


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
    wanted = Options(**options)

    def prepared(*args: Any, **kwargs: Any) -> Callable[[Mapping[str, Any]], Any]:
        traced = trace(function, args, kwargs)
        plan = plan_of(traced, wanted, origin_of(function, args, kwargs)["model"])
        edits = [scaled(part) for each in plan.kept for part in each.segments]
        run = replay(traced.closed, [], edits, steps=plan.bounds)
        ones = {each.name: jnp.ones(head_shape(each)) for each in plan.kept}

        def output(scales: Mapping[str, Any]) -> Any:
            _require_named(scales, ones)
            given = {
                part.name: for_each_iteration(
                    part, jnp.asarray(scales.get(each.name, ones[each.name]))
                )
                for each in plan.kept
                for part in each.segments
            }
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


def ablate_heads(
    function: Callable[..., Any], *, at_once: int | None = None, **options: Any
) -> Callable[..., Ablation]:
    """A function that runs a call once for each of its heads, with that head cut.

    All heads run in one compiled call. Cutting a head sets its weights to zero, so that it adds
    nothing to the output of its attention.

    Args:
        function: As in `with_attention`.
        at_once: How many heads run side by side, each of which takes the memory of a call; all if
            left out.
        options: Options of `with_attention` that choose attentions, layers and heads.

    Raises:
        CaptureError: When the function is called, as in `with_scaled_heads`.
    """
    wanted = Options(**options)

    def ablated(*args: Any, **kwargs: Any) -> Ablation:
        model = origin_of(function, args, kwargs)["model"]
        plan = plan_of(trace(function, args, kwargs), wanted, model)
        run = with_scaled_heads(function, **options)(*args, **kwargs)
        heads = [(each.name, index) for each in plan.kept for index in _head_indices(each)]
        # The whole program first, in the same call: it is compiled once, and rounds alike.
        shapes = {each.name: (len(heads) + 1, *head_shape(each)) for each in plan.kept}
        scales = {name: np.ones(shape, "f") for name, shape in shapes.items()}
        for number, (name, index) in enumerate(heads, start=1):
            scales[name][(number, *index)] = 0
        outputs = jax.jit(_mapped(run, at_once))(jax.tree.map(jnp.asarray, scales))
        whole, without = (
            jax.tree.map(part, outputs) for part in (lambda each: each[0], lambda each: each[1:])
        )
        return Ablation(whole, tuple(heads), without)

    return ablated


def _mapped(run: Callable[[Any], Any], at_once: int | None) -> Callable[[Any], Any]:
    if at_once is None:
        return jax.vmap(run)
    return lambda scales: jax.lax.map(run, scales, batch_size=at_once)


def _head_indices(planned: Planned) -> list[tuple[int, ...]]:
    """Where in `head_shape` the heads are that are kept."""
    shape = head_shape(planned)
    places = np.arange(math.prod(shape)).reshape(*shape[:-1], 1, shape[-1], 1, 1)
    kept = np.unique(np.asarray(chosen(planned, places)))
    return [tuple(map(int, index)) for index in zip(*np.unravel_index(kept, shape), strict=True)]


def _require_named(scales: Mapping[str, Any], ones: Mapping[str, jax.Array]) -> None:
    for name, scale in scales.items():
        if name not in ones:
            raise CaptureError(f"No attention is called `{name}`. There are {', '.join(ones)}.")
        if jnp.shape(scale) != ones[name].shape:
            raise CaptureError(
                f"Scales for `{name}` have the shape {jnp.shape(scale)}; give one number for each "
                f"head, {ones[name].shape}."
            )
