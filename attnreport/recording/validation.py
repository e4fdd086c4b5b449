"""Refuses arrays that cannot be attention weights, and says where and how to mend them."""

import numpy as np
from jaxtyping import Bool, Float

from attnreport._errors import InvalidAttentionError

# Largest distance of a row's sum from 1 that rounding explains, by the format the softmax was
# computed in. A softmax in bfloat16 rounds its sum and its quotients to 8 bits.
ROW_SUM_TOLERANCE = {"float64": 1e-3, "float32": 1e-3, "float16": 5e-3, "bfloat16": 3e-2}


def require_axes_fit(shape: tuple[int, ...], queries: int, keys: int, place: str) -> None:
    """Raises unless `shape` is `[head, query, key]` with as many labels as positions.

    Raises:
        InvalidAttentionError: The rank is not 3, an axis is empty, or label counts differ.
    """
    if len(shape) != 3:
        raise InvalidAttentionError(
            f"The weights of {place!r} have shape {shape}. One attention map needs three axes: "
            "[head, query, key]."
        )
    if 0 in shape:
        raise InvalidAttentionError(
            f"The weights of {place!r} have shape {shape} = head, query, key, and an axis of "
            "length 0. Leave empty sequences out of the recording."
        )
    for axis, size, labels in (("query", shape[1], queries), ("key", shape[2], keys)):
        if size != labels:
            raise InvalidAttentionError(
                f"The {axis} axis of {place!r} has {size} positions but {labels} labels "
                f"(weights: {shape} = head, query, key). Did the tokenizer add or drop special "
                "tokens after the capture?"
            )


def checked_mask(mask: np.ndarray, shape: tuple[int, ...], field: str) -> Bool[np.ndarray, "..."]:
    """The mask as a boolean array of shape `[query, key]` or `[head, query, key]`.

    Raises:
        InvalidAttentionError: Its shape fits neither.
    """
    array = np.asarray(mask, dtype=bool)
    if array.shape not in (shape, shape[1:]):
        raise InvalidAttentionError(
            f"A {field} has shape {array.shape}, but the weights have shape {shape} = head, query, "
            f"key. A {field} has shape [query, key] = {shape[1:]}, and is True where attention "
            f"{'may' if field == 'mask' else 'should'} go."
        )
    return array


def require_finite(weights: Float[np.ndarray, "head query key"], place: str) -> None:
    """Raises if a weight is NaN or infinite, naming the first such cell.

    Raises:
        InvalidAttentionError: A weight is not a finite number.
    """
    finite = np.isfinite(weights)
    if not finite.all():
        head, query, key = (int(i) for i in np.unravel_index(finite.argmin(), weights.shape))
        raise InvalidAttentionError(
            f"{place}, head {head}, query {query}, key {key} is {weights[head, query, key]}, and "
            f"{int((~finite).sum()):,} of {weights.size:,} weights are not finite. A row whose "
            "keys are all masked gives NaN in a plain softmax; give such rows weight 0, and look "
            "for overflow if there are others."
        )


def require_in_unit_interval(
    weights: Float[np.ndarray, "head query key"], place: str, precision: str
) -> None:
    """Raises if a weight lies outside [0, 1], as logits do.

    Raises:
        InvalidAttentionError: A weight is negative or larger than one beyond rounding.
    """
    slack = ROW_SUM_TOLERANCE.get(precision, 1e-3)
    low, high = float(weights.min()), float(weights.max())
    if low < -slack or high > 1 + slack:
        cell = weights.argmin() if low < -slack else weights.argmax()
        head, query, key = (int(i) for i in np.unravel_index(cell, weights.shape))
        raise InvalidAttentionError(
            f"{place}, head {head}, query {query}, key {key} is "
            f"{float(weights[head, query, key]):.4g}. Attention weights lie between 0 and 1: pass "
            "them after the softmax or sigmoid, not the logits."
        )


def row_sum_error(
    weights: Float[np.ndarray, "head query key"], allowed: Bool[np.ndarray, "..."] | None
) -> tuple[float, tuple[int, int], float]:
    """Largest distance of a row's sum from 1, its `(head, query)`, and that sum.

    A row whose keys are all masked must sum to 0 instead.
    """
    sums = weights.sum(axis=-1, dtype=np.float64)
    expected = np.ones_like(sums)
    if allowed is not None:
        expected = np.broadcast_to(allowed.any(axis=-1), sums.shape).astype(np.float64)
    distance = np.abs(sums - expected)
    head, query = (int(i) for i in np.unravel_index(distance.argmax(), distance.shape))
    return float(distance[head, query]), (head, query), float(sums[head, query])


def require_rows_sum_to_one(
    weights: Float[np.ndarray, "head query key"],
    place: str,
    precision: str,
    allowed: Bool[np.ndarray, "..."] | None = None,
) -> float:
    """The largest distance of a row's sum from 1.

    Raises:
        InvalidAttentionError: It is larger than rounding in `precision` explains.
    """
    error, (head, query), total = row_sum_error(weights, allowed)
    tolerance = ROW_SUM_TOLERANCE.get(precision, 1e-3)
    if error > tolerance:
        raise InvalidAttentionError(
            f"{place}, head {head}, query {query} sums to {total:.4g} over its keys; attention "
            f"weights sum to 1 (within {tolerance:g} for {precision}). Pass post-softmax weights "
            "captured with dropout off, with the key axis last; if rows are not meant to sum to "
            "one, say `normalized=False`."
        )
    return error
