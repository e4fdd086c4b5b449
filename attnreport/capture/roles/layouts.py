"""Brings what a probe gives into canonical order, loops included."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from attnreport.capture.roles.loops import FOLDED, MERGED, Loop
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
    array = _in_order(array, loops)
    for place, loop in reversed(list(enumerate(loops))):
        if loop.role == "copy":
            array = jnp.take(array, 0, axis=place)
        elif loop.role in MERGED:
            axis = array.ndim - inner + CANONICAL.index(loop.role) - 1
            array = jnp.moveaxis(array, place, axis)
            shape = array.shape
            joined = shape[axis] * shape[axis + 1]
            array = array.reshape(*shape[:axis], joined, *shape[axis + 2 :])
    return array


def with_examples(tree: Any, loops: Sequence[Loop]) -> Any:
    """Arrays of which each begins with examples, where only loops over examples join an axis.

    Args:
        tree: Arrays with an axis for each loop in front, and then one for the examples.
        loops: The loops, outermost first.
    """
    copies = tuple(0 if loop.role == "copy" else slice(None) for loop in loops)
    tree = jax.tree.map(lambda array: _in_order(array, loops), tree)
    kept = [loop for loop in loops if loop.role != "copy"]
    over = [place for place, loop in enumerate(kept) if loop.role == "batch"]
    front = len(kept) - len(over)

    def joined(array: jax.Array) -> jax.Array:
        moved = jnp.moveaxis(array[copies], over, range(front, len(kept)))
        return moved.reshape(*moved.shape[:front], -1, *moved.shape[len(kept) + 1 :])

    return jax.tree.map(joined, tree) if over or len(kept) < len(loops) else tree


def _in_order(array: jax.Array, loops: Sequence[Loop]) -> jax.Array:
    """Iterations in the order of the blocks that they take."""
    for place, loop in enumerate(loops):
        if loop.role in MERGED and loop.turns.at is not None:
            array = jnp.take(array, np.asarray(loop.turns.at), axis=place)
    for device, ring in enumerate(loops):
        if ring.order is not None:
            # Inside of a device, one loop goes through the blocks of keys, in an order of its own.
            keys = max(place for place, loop in enumerate(loops) if loop.role == "key")
            others = [place for place in range(array.ndim) if place not in (device, keys)]
            table = jnp.asarray(np.expand_dims(np.asarray(ring.order), others))
            array = jnp.take_along_axis(array, table, axis=keys)
    return array


def axes_names(loops: Sequence[Loop]) -> tuple[str, ...]:
    """Names of the axes of canonical weights, with the loops that stay loops in front."""
    return (*(loop.role for loop in loops if loop.role not in FOLDED), *CANONICAL)
