"""Masks: True where a query may look at a key, of a shape that fits `[batch, head, query, key]`."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from attnreport._errors import InvalidAttentionError


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


def window_mask(
    query: int,
    key: int | None = None,
    *,
    before: int,
    after: int,
    dilation: int = 1,
    first: int | Int[Array, ""] = 0,
) -> Bool[Array, "1 1 query key"]:
    r"""A mask under which a query sees its own position and a few on either side.

    Query $q$ sees the keys $q - bd, \dots, q - d, q, q + d, \dots, q + ad$, where $b$ is `before`,
    $a$ is `after` and $d$ is `dilation`. With $b = a$ this is the sliding window of Longformer, and
    between a sentence and its translation the monotonic local attention (local-m) of Luong et al.

    Args:
        query: Number of queries.
        key: Number of keys, as many as queries if left out. A window that lies beyond the last key
            is empty.
        before: How many positions to the left are seen, besides the query's own.
        after: How many positions to the right are seen, besides the query's own.
        dilation: Steps from one position that is seen to the next.
        first: Position of the first query among the keys. A decoder that asks one query a step
            gives the number of the step.

    Source: Beltagy, Peters and Cohan (2020), "Longformer: The Long-Document Transformer", section
    3.1; Luong, Pham and Manning (2015), section 3.2.
    """
    key = query if key is None else key
    offset = jnp.arange(key)[None, :] - (jnp.arange(query)[:, None] + first)
    near = (offset >= -before * dilation) & (offset <= after * dilation)
    return (near & (offset % dilation == 0))[None, None]


def global_mask(chosen: Bool[Array, "batch length"]) -> Bool[Array, "batch 1 length length"]:
    """A mask under which chosen positions see all others, and all others see them.

    `window_mask(length, before=2, after=2) | global_mask(chosen)` is the global and local attention
    of Longformer; `GlobalLocalAttention` has it with projections of its own for the chosen.

    Args:
        chosen: True where a position is global, such as a class token or a question.

    Source: Beltagy, Peters and Cohan (2020), "Longformer: The Long-Document Transformer", section
    3.1, "Global Attention".
    """
    return (chosen[:, :, None] | chosen[:, None, :])[:, None]


def combine_masks(*masks: Bool[Array, "..."] | None) -> Bool[Array, "..."] | None:
    """A mask that allows what every given mask allows; None when all of them are None."""
    given = [mask for mask in masks if mask is not None]
    if not given:
        return None
    combined = given[0]
    for mask in given[1:]:
        combined = jnp.logical_and(combined, mask)
    return combined


def without_head(mask: Bool[Array, "..."] | None, module: str) -> Bool[Array, "..."] | None:
    """A mask for `[batch, query, key]`, from one for `[batch, head, query, key]` with one head.

    Args:
        mask: The mask; one with fewer axes than three has no head and stays as it is.
        module: What the error calls the module that has one head.

    Raises:
        InvalidAttentionError: The mask has more than one head.
    """
    if mask is None or mask.ndim < 3:
        return mask
    if mask.shape[-3] != 1:
        raise InvalidAttentionError(
            f"A mask of shape {mask.shape} = [batch, head, query, key] has {mask.shape[-3]} heads, "
            f"but {module} has one. Give a mask of shape [batch, 1, query, key]."
        )
    return mask[..., 0, :, :]
