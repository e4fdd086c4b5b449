"""Tells the masks of each example apart in what a caller gives."""

from typing import Any

import numpy as np
from jaxtyping import Bool

from attnreport._errors import InvalidAttentionError
from attnreport.recording.arrays import as_boolean


def masks_per_example(
    mask: Any, shape: tuple[int, int, int, int], field: str = "mask"
) -> list[Bool[np.ndarray, "..."] | None]:
    """A mask `[query, key]` or `[head, query, key]` per example; None where there is none.

    Axes of length 1 stand for all examples, heads, queries or keys, as in the masks that go into
    a model.

    Args:
        mask: `[query, key]`, `[head, query, key]`, `[batch, query, key]` or
            `[batch, head, query, key]`.
        shape: Shape of the weights, `[batch, head, query, key]`.
        field: What it is, for the error messages.

    Raises:
        InvalidAttentionError: It fits the weights in none of these ways, or in two.
    """
    batch, heads, queries, keys = shape
    if mask is None:
        return [None] * batch
    array = as_boolean(mask, field)
    if array.ndim == 3 and array.shape[0] != 1:
        if array.shape[0] == batch == heads:
            raise InvalidAttentionError(
                f"A {field} of shape {array.shape} could be [head, query, key] or [batch, query, "
                f"key], for there are {batch} of both. Give it as [batch, head, query, key]; "
                "head may have length 1."
            )
        if array.shape[0] == batch:
            array = array[:, np.newaxis]
    fits = array.ndim in (2, 3, 4) and all(
        found in (1, wanted)
        for found, wanted in zip(array.shape[::-1], (keys, queries, heads, batch), strict=False)
    )
    if not fits:
        raise InvalidAttentionError(
            f"A {field} has shape {array.shape}, but the weights have shape {shape} = batch, head, "
            f"query, key. Give it as [query, key] = {shape[2:]}, optionally with heads or examples "
            "in front."
        )
    whole = np.broadcast_to(array, (*array.shape[:-2], queries, keys))
    if whole.ndim == 4:
        return [
            _without_single_head(each) for each in np.broadcast_to(whole, (batch, *whole.shape[1:]))
        ]
    return [_without_single_head(whole)] * batch


def _without_single_head(mask: Bool[np.ndarray, "..."]) -> Bool[np.ndarray, "..."]:
    return mask[0] if mask.ndim == 3 and mask.shape[0] == 1 else mask
