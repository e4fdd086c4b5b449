"""Attention one query and one key at a time, in NumPy, for the tests of each mechanism."""

from collections.abc import Callable

import numpy as np


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def some_mask(*shape: int) -> np.ndarray:
    """A mask of random holes, whose first row hides everything."""
    mask = np.random.default_rng(5).random(shape) < 0.7
    mask[(0,) * (len(shape) - 1)] = False
    return mask


def exact(parameter) -> np.ndarray:
    return np.asarray(parameter[...], np.float64)


def slow_softmax(logits: dict[int, float]) -> dict[int, float]:
    """The weight of each key that is seen."""
    total = sum(np.exp(logit) for logit in logits.values())
    return {key: np.exp(logit) / total for key, logit in logits.items()}


def slow_attention(
    logit: Callable[[int, int, int], float], value: np.ndarray, mask: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Contexts and weights.

    Args:
        logit: The score that query `q` of example `b` gives to key `k`, as `logit(b, q, k)`.
        value: What is averaged, `[batch, key, features]`.
        mask: True where a query may look, `[batch, query, key]`.
    """
    weights = np.zeros(mask.shape)
    context = np.zeros((*mask.shape[:2], value.shape[-1]))
    for b, q in np.ndindex(mask.shape[:2]):
        seen = {k: logit(b, q, k) for k in range(mask.shape[2]) if mask[b, q, k]}
        for k, weight in slow_softmax(seen).items():
            weights[b, q, k] = weight
            context[b, q] += weight * value[b, k]
    return context, weights
