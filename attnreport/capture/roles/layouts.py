"""Brings what a probe gives into canonical order, loops included."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp

from attnreport.capture.roles.loops import MERGED, Loop
from attnreport.capture.roles.roles import Layout

CANONICAL = ("batch", "head", "query", "key")


def canonical_weights(weights: Any, layout: Layout) -> jax.Array:
    """Weights of one iteration as `[batch, head, query, key]`."""
    apart = jnp.reshape(weights, layout.sizes)
    return jnp.transpose(apart, layout.order).reshape(layout.shape)


def merged(array: jax.Array, loops: Sequence[Loop], inner: int = 4) -> jax.Array:
    """An array with an axis for each loop in front, where some loops join an axis of their role.

    Args:
        array: One axis for each loop, then `inner` axes, the first of which are canonical.
        loops: The loops, outermost first.
        inner: How many axes an iteration has.
    """
    front = 0
    for loop in loops:
        if loop.role in MERGED:
            axis = array.ndim - inner + CANONICAL.index(loop.role) - 1
            array = jnp.moveaxis(array, front, axis)
            shape = array.shape
            joined = shape[axis] * shape[axis + 1]
            array = array.reshape(*shape[:axis], joined, *shape[axis + 2 :])
        else:
            front += 1
    return array


def axes_names(loops: Sequence[Loop]) -> tuple[str, ...]:
    """Names of the axes of canonical weights, with the loops that stay loops in front."""
    return (*(loop.role for loop in loops if loop.role not in MERGED), *CANONICAL)
