"""Queries and keys of a call, and what became of their product: tried on the captured logits."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

# How far logits may be from the product times one number, as a share of the largest of either.
_TOLERANCE = {"float32": 1e-4, "float64": 1e-4}
_NARROW_TOLERANCE = 2e-2


@dataclasses.dataclass(frozen=True, eq=False)
class CallScoring:
    """What the weights of a call were computed from.

    Attributes:
        queries: `[batch, head, query, feature]`.
        keys: `[batch, head, key, feature]`.
        scale: What their product was multiplied by, up to a number for each row, which a softmax
            does not notice; None where logits are not that, or no row has two products to tell.
        bias: What was added, `[batch, head, query, key]`; None if nothing was.
        logits: The logits, where there is no scale.
    """

    queries: np.ndarray
    keys: np.ndarray
    scale: float | None
    bias: np.ndarray | None
    logits: np.ndarray | None

    def map(self, function: Callable[[np.ndarray], np.ndarray]) -> "CallScoring":
        """The same with every array changed, which all begin with the batch."""
        arrays = {
            name: None if array is None else function(array)
            for name in ("queries", "keys", "bias", "logits")
            for array in [getattr(self, name)]
        }
        return dataclasses.replace(self, **arrays)


def scoring_of(others: Mapping[str, Any], precision: str) -> CallScoring | None:
    """What a call's weights were computed from; None without its queries, keys or logits.

    Vectors that are not finite explain nothing, so they count as missing.

    Args:
        others: `queries`, `keys`, `logits`, `mask` and `bias` of one layer, as far as they are
            known, in the order of the weights.
        precision: Number format of the weights.
    """
    queries, keys, logits = (others.get(name) for name in ("queries", "keys", "logits"))
    if queries is None or keys is None or logits is None:
        return None
    if keys.shape[-2] != logits.shape[-1] or queries.shape[-2] != logits.shape[-2]:
        return None
    if not all(np.isfinite(_exact(each)).all() for each in (queries, keys)):
        return None
    bias = others.get("bias")
    product = np.einsum("bhqf,bhkf->bhqk", *(_exact(each) for each in (queries, keys)))
    added = _exact(logits) - (0 if bias is None else _exact(bias))
    seen = np.isfinite(added) & np.isfinite(product)
    if others.get("mask") is not None:
        seen &= np.asarray(others["mask"], bool)
    # A softmax does not change with what a whole row has in common, such as its maximum, which
    # programs take off before the exponential.
    found, expected = _apart(product, seen), _apart(added, seen)
    square = float((found * found).sum())
    if not square:
        return CallScoring(queries, keys, None, None, logits)
    scale = float((found * expected).sum()) / square
    largest = max(np.abs(expected).max(), np.abs(scale * found).max(), 1.0)
    error = np.abs(scale * found - expected).max() / largest
    if error > _TOLERANCE.get(precision, _NARROW_TOLERANCE):
        return CallScoring(queries, keys, None, None, logits)
    return CallScoring(queries, keys, _plain(scale, queries.shape[-1]), bias, None)


def _apart(values: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """How far values are from the mean of what is seen of their row; 0 where nothing is seen."""
    known = np.where(seen, values, 0)
    means = known.sum(-1, keepdims=True) / np.maximum(seen.sum(-1, keepdims=True), 1)
    return np.where(seen, known - means, 0)


def _plain(scale: float, features: int) -> float:
    """The number that was meant, where rounding has blurred it."""
    for meant in (1.0, features**-0.5):
        if abs(scale / meant - 1) < 1e-5:
            return meant
    return scale


def _exact(array: Any) -> np.ndarray:
    return np.asarray(array).astype(np.float64)
