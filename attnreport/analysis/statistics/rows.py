"""Rows of attention as shares, whatever they sum to, and what chance would make of them."""

import numpy as np
from jaxtyping import Bool, Float


def row_shares(
    weights: Float[np.ndarray, "*head query key"],
    allowed: Bool[np.ndarray, "*#head query key"] | None = None,
) -> Float[np.ndarray, "*head query key"]:
    """Each row as shares from 0 to 1 of what it gives to the keys that it may look at.

    So the strengths of a gate and the rows of a router can be read like any other. What rounding
    left on a forbidden key, or below 0, is dropped. A row that gives nothing is NaN.

    Args:
        weights: Post-softmax weights or strengths. Precisions below float32 are raised to it.
        allowed: True where a query may look at a key; everywhere if left out.
    """
    found = np.maximum(weights.astype(np.result_type(weights.dtype, np.float32)), 0)
    if allowed is not None:
        found *= allowed
    sums = found.sum(axis=-1, keepdims=True)
    found /= np.where(sums > 0, sums, np.nan)
    return found


def uniform_rows(
    allowed: Bool[np.ndarray, "*head query key"],
) -> Float[np.ndarray, "*head query key"]:
    """The same share for every key that a query may look at; NaN for a query that may look nowhere.

    Any statistic of these rows is what chance gives: the value to compare the statistic with.
    """
    return row_shares(allowed.astype(np.float32))


def mean_over_rows(values: Float[np.ndarray, "*head query"]) -> Float[np.ndarray, "*head"]:
    """Mean over the rows that have a value; NaN where none has."""
    known = ~np.isnan(values)
    counts = known.sum(axis=-1)
    totals = np.where(known, values, 0).sum(axis=-1, dtype=np.float64)
    return totals / np.where(counts > 0, counts, np.nan)
