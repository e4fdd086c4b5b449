"""Refuses arrays that cannot be attention weights, and says where and how to mend them."""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from attnreport._errors import InvalidAttentionError
from attnreport.recording.arrays import as_boolean

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
            f"The weights of {place} have shape {shape}. One attention map needs three axes: "
            "[head, query, key]."
        )
    if 0 in shape:
        raise InvalidAttentionError(
            f"The weights of {place} have shape {shape} = head, query, key, and an axis of "
            "length 0. Leave empty sequences out of the recording."
        )
    for axis, size, labels in (("query", shape[1], queries), ("key", shape[2], keys)):
        if size != labels:
            raise InvalidAttentionError(
                f"The {axis} axis of {place} has {size} positions but {labels} labels (weights: "
                f"{shape} = head, query, key). Give one label per position; did the tokenizer "
                "add or drop special tokens after the capture?"
            )


def checked_layer(layer: Any, place: str) -> int:
    """The number of a layer.

    Raises:
        InvalidAttentionError: It is no whole number, or below 0.
    """
    whole = isinstance(layer, int | np.integer) and not isinstance(layer, bool)
    if not whole or layer < 0:
        raise InvalidAttentionError(
            f"The layer of {place} is {layer!r}. Give a whole number counted from 0, or None for "
            "the map's place in its group."
        )
    return int(layer)


def checked_step(step: Any, queries: int, place: str) -> int:
    """The number of the row that wrote the first token.

    Raises:
        InvalidAttentionError: It is no whole number, or not that of a row.
    """
    whole = isinstance(step, int | np.integer) and not isinstance(step, bool)
    if not whole or not 0 <= step < queries:
        raise InvalidAttentionError(
            f"The first step of {place} is {step!r}. Give the number of the row that wrote the "
            f"first token, from 0 to {queries - 1}, or None."
        )
    return int(step)


def checked_mask(mask: Any, shape: tuple[int, ...], field: str) -> Bool[np.ndarray, "..."]:
    """The mask as a boolean array of shape `[query, key]` or `[head, query, key]`.

    Raises:
        InvalidAttentionError: Its shape fits neither, or it holds something other than booleans.
    """
    array = as_boolean(mask, field)
    if array.shape not in (shape, shape[1:]):
        raise InvalidAttentionError(
            f"A {field} has shape {array.shape}, but the weights have shape {shape} = head, query, "
            f"key. Give it as [query, key] = {shape[1:]} or [head, query, key] = {shape}, True "
            "where a query may look at a key."
        )
    return array


def checked_reference(reference: Any, shape: tuple[int, ...]) -> Bool[np.ndarray, "query key"]:
    """The reference alignment as a boolean array of shape `[query, key]`.

    Raises:
        InvalidAttentionError: It has another shape, or holds something other than booleans.
    """
    array = as_boolean(reference, "reference")
    if array.shape != shape[1:]:
        raise InvalidAttentionError(
            f"A reference has shape {array.shape}, but the weights have shape {shape} = head, "
            f"query, key. Give it as [query, key] = {shape[1:]}, True where query and key belong "
            "together."
        )
    return array


def require_logits_fit(logits: tuple[int, ...], weights: tuple[int, ...], place: str) -> None:
    """Raises unless logits and weights have the same shape.

    Raises:
        InvalidAttentionError: The shapes differ.
    """
    if logits != weights:
        raise InvalidAttentionError(
            f"The logits of {place} have shape {logits} and its weights {weights}. Give the score "
            "before the softmax of each weight, in the same layout."
        )


def require_logits(logits: Float[np.ndarray, "head query key"], place: str) -> None:
    """Raises unless every logit is a number or minus infinity, as masked keys have.

    Raises:
        InvalidAttentionError: A logit is NaN or plus infinity.
    """
    for index, head in enumerate(logits):
        if not head.max() < np.inf:  # NaN compares false, so it is caught too
            query, key = _first(~(head < np.inf))
            raise InvalidAttentionError(
                f"The logit of {place}, head {index}, query {query}, key {key} is "
                f"{head[query, key]}. Logits are numbers, or -inf where a key is masked; look for "
                "overflow in the model."
            )


def require_attention(
    weights: Float[np.ndarray, "head query key"],
    place: str,
    *,
    precision: str = "float32",
    mask: Bool[np.ndarray, "..."] | None = None,
    normalized: bool = True,
    bounded: bool = True,
    advice: str = "",
    first_head: int = 0,
) -> float | None:
    """The largest distance of a row's sum from 1; None where rows need not sum to one.

    Args:
        weights: What to check.
        place: Where the weights come from, such as `layer 'encoder.0'`.
        precision: Number format that the softmax was computed in; it decides the tolerance.
        mask: True where a query may look at a key, `[query, key]` or `[head, query, key]`.
        normalized: Whether rows are meant to sum to one.
        bounded: Whether no weight may exceed 1; those of ReLU attention may.
        advice: What to do about a row that does not, if the caller knows better than this
            function.
        first_head: Number of the first of these heads, where they are some of many.

    Raises:
        InvalidAttentionError: A weight is not finite, is negative, exceeds 1 where it may not, or
            is not where the mask allows it, or a row does not sum to one. The message names the
            cell.
    """
    tolerance = ROW_SUM_TOLERANCE.get(precision, 1e-3)
    worst = 0.0
    # One head at a time stays in the processor's cache, and a copy of it is small.
    for index, head in enumerate(weights):
        values = head.astype(np.promote_types(head.dtype, np.float32), copy=False)
        where = f"{place}, head {first_head + index}"
        _require_range(values, where, tolerance, most=1.0 if bounded else np.inf)
        allowed = None if mask is None else mask if mask.ndim == 2 else mask[index]
        if allowed is not None:
            _require_inside_mask(values, allowed, where, tolerance)
        if normalized:
            error, query, total = row_sum_error(values, allowed)
            if error > tolerance:
                raise _row_error(values, where, query, total, precision, advice)
            worst = max(worst, error)
    return worst if normalized else None


def row_sum_error(
    head: Float[np.ndarray, "query key"], allowed: Bool[np.ndarray, "query key"] | None = None
) -> tuple[float, int, float]:
    """Largest distance of a row's sum from 1, the row's query, and its sum.

    A row whose keys are all masked says nothing, and softmax implementations fill it with zeros
    or with uniform weights: there a sum of 0 is as good as 1. Anywhere else 0 is an error.
    """
    sums = head.sum(axis=-1, dtype=np.float64)
    distance = np.abs(sums - 1)
    if allowed is not None:
        closed = ~allowed.any(axis=-1)
        distance[closed] = np.minimum(distance[closed], np.abs(sums[closed]))
    query = int(distance.argmax())
    return float(distance[query]), query, float(sums[query])


def _require_range(
    head: Float[np.ndarray, "query key"], where: str, tolerance: float, *, most: float
) -> None:
    low, high = float(head.min()), float(head.max())
    if -tolerance <= low and high <= most + tolerance and high < np.inf:  # false for NaN
        return
    finite = np.isfinite(head)
    if not finite.all():
        query, key = _first(~finite)
        raise InvalidAttentionError(
            f"The weight of {where}, query {query}, key {key} is {head[query, key]}, and "
            f"{int((~finite).sum()):,} of the head's {head.size:,} weights are not finite. A row "
            "whose keys are all masked gives NaN in a plain softmax: give such rows weight 0 and "
            "pass the mask, or look for overflow."
        )
    query, key = _first((head < -tolerance) | (head > most + tolerance))
    rule = "lie between 0 and 1" if most == 1 else "are not negative"
    raise InvalidAttentionError(
        f"The weight of {where}, query {query}, key {key} is {head[query, key]:.4g}. Attention "
        f"weights {rule}: pass them after the softmax or sigmoid, not the logits."
    )


def _require_inside_mask(
    head: Float[np.ndarray, "query key"],
    allowed: Bool[np.ndarray, "query key"],
    where: str,
    tolerance: float,
) -> None:
    open_rows = allowed.any(axis=-1, keepdims=True)
    leaked = np.where(open_rows & ~allowed, head, 0)
    if leaked.max() > tolerance:
        query, key = _first(leaked > tolerance)
        raise InvalidAttentionError(
            f"The weight of {where}, query {query}, key {key} is {head[query, key]:.4g}, but the "
            "mask says that this query may not look at this key. A mask is True where it may; "
            "pass `~mask` if yours is True where it may not."
        )


def _row_error(
    head: Float[np.ndarray, "query key"],
    where: str,
    query: int,
    total: float,
    precision: str,
    advice: str,
) -> InvalidAttentionError:
    tolerance = ROW_SUM_TOLERANCE.get(precision, 1e-3)
    columns = head.sum(axis=-2, dtype=np.float64)
    if not advice and np.abs(columns - 1).max() <= tolerance:
        advice = "The columns do sum to 1: put the key axis last, `weights.swapaxes(-1, -2)`."
    elif not advice and not head[query].any():
        advice = (
            "If all keys of this query are masked, pass the `mask` that says so; if rows are not "
            "meant to sum to one, say `normalized=False`."
        )
    advice = advice or (
        "Pass post-softmax weights captured with dropout off; if rows are not meant to sum to "
        "one, say `normalized=False`."
    )
    return InvalidAttentionError(
        f"The weights of {where}, query {query} sum to {total:.4g} over its keys, and must sum to "
        f"1 (within {tolerance:g} for {precision}). {advice}"
    )


def _first(found: Bool[np.ndarray, "query key"]) -> tuple[int, int]:
    query, key = np.unravel_index(int(found.argmax()), found.shape)
    return int(query), int(key)
