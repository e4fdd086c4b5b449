"""Masks: True where a query may look at a key, of a shape that fits `[batch, head, query, key]`."""

import jax.numpy as jnp
from jaxtyping import Array, Bool


def padding_mask(real: Bool[Array, "batch key"]) -> Bool[Array, "batch 1 1 key"]:
    """A mask that hides padding from every query of every head.

    Args:
        real: True where a position holds something, False where it is padding.
    """
    return real[:, None, None, :]


def causal_mask(query: int, key: int | None = None) -> Bool[Array, "1 1 query key"]:
    """A mask under which a query sees the keys up to its own position.

    Args:
        query: Number of queries.
        key: Number of keys, as many as queries if left out. With more keys than queries the
            queries are the last positions, as they are when keys of earlier steps are kept.
    """
    key = query if key is None else key
    last_seen = jnp.arange(query)[:, None] + (key - query)
    return (jnp.arange(key)[None, :] <= last_seen)[None, None]


def window_mask(length: int, *, before: int, after: int) -> Bool[Array, "1 1 query key"]:
    """A mask under which a query sees its own position and a few on either side.

    Args:
        length: Number of queries and of keys.
        before: How many positions to the left are seen, besides the query's own.
        after: How many positions to the right are seen, besides the query's own.
    """
    offset = jnp.arange(length)[None, :] - jnp.arange(length)[:, None]
    return ((offset >= -before) & (offset <= after))[None, None]


def combine_masks(*masks: Bool[Array, "..."] | None) -> Bool[Array, "..."] | None:
    """A mask that allows what every given mask allows; None when all of them are None."""
    given = [mask for mask in masks if mask is not None]
    if not given:
        return None
    combined = given[0]
    for mask in given[1:]:
        combined = jnp.logical_and(combined, mask)
    return combined
