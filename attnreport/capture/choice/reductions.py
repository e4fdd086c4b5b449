"""What of the weights leaves the device: all of them, in fewer bits, or numbers about them."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from attnreport._errors import CaptureError

Reduction = Callable[[jax.Array], Any]


def reduction(name: str | None) -> Reduction:
    """The reduction of canonical weights `[batch, head, query, key]` with a name.

    Args:
        name: None keeps the weights as they are. `uint8`: steps of 1/255, at most 1/510 off;
            `bfloat16`: two to three digits; `head mean`: one map, the mean over the heads; `top-8`
            (any number): the largest weights of each row and their keys; `statistics`: a few
            numbers for each row; `pooled-64` (any number): the largest weight in each cell of a
            grid of at most so many queries and keys.

    Raises:
        CaptureError: There is no such reduction.
    """
    if name is None:
        return lambda weights: weights
    kind, _, number = name.partition("-")
    if number.isdigit() and int(number) > 0:
        if kind == "top":
            return lambda weights: top(weights, int(number))
        if kind == "pooled":
            return lambda weights: pooled(weights, int(number))
    elif name in _NAMED:
        return _NAMED[name]
    raise CaptureError(
        f"There is no reduction `{name}`. Choose one of {', '.join(_NAMED)}, top-8 or pooled-64 "
        "(with any number), or none."
    )


def mask_reduction(name: str | None) -> Reduction:
    """What a reduction does to a mask, so that it fits the weights that are left.

    The mean over the heads may look where any head may, and so may a cell of a grid where any of
    its weights may. A mask of rows that become a few numbers stays whole.

    Args:
        name: As in `reduction`.
    """
    if name == "head mean":
        return lambda mask: mask.any(1, keepdims=True)
    kind, _, number = (name or "").partition("-")
    if kind == "pooled":
        return lambda mask: pooled(mask.astype(jnp.uint8), int(number)).astype(bool)
    return lambda mask: mask


def eight_bits(weights: jax.Array) -> jax.Array:
    """Weights in steps of 1/255, for weights between 0 and 1."""
    return jnp.round(jnp.clip(weights.astype(jnp.float32), 0, 1) * 255).astype(jnp.uint8)


def head_mean(weights: jax.Array) -> jax.Array:
    """The mean over the heads, `[batch, 1, query, key]`."""
    return weights.mean(1, keepdims=True, dtype=jnp.float32)


def top(weights: jax.Array, count: int) -> dict[str, jax.Array]:
    """The `count` largest weights of each row, largest first, and which keys they belong to."""
    values, keys = jax.lax.top_k(weights, min(count, weights.shape[-1]))
    return {"weights": values, "keys": keys}


def statistics(weights: jax.Array) -> dict[str, jax.Array]:
    """For each row: entropy in bits, largest weight and its key, and weight of the first key."""
    exact = weights.astype(jnp.float32)
    logarithms = jnp.log2(jnp.where(exact > 0, exact, 1))
    return {
        "entropy": -(exact * logarithms).sum(-1),
        "largest": exact.max(-1),
        "key": exact.argmax(-1),
        "first": exact[..., 0],
    }


def pooled(weights: jax.Array, most: int) -> jax.Array:
    """The largest weight in each cell of a grid of at most `most` by `most` cells."""
    steps = tuple(-(-size // most) for size in weights.shape[-2:])
    window = (*(1 for _ in weights.shape[:-2]), *steps)
    is_float = jnp.issubdtype(weights.dtype, jnp.floating)
    lowest = jnp.array(-jnp.inf if is_float else 0, weights.dtype)
    padding = [(0, 0)] * (weights.ndim - 2) + [
        (0, -size % step) for size, step in zip(weights.shape[-2:], steps, strict=True)
    ]
    return jax.lax.reduce_window(weights, lowest, jax.lax.max, window, window, padding)


_NAMED: dict[str, Reduction] = {
    "uint8": eight_bits,
    "bfloat16": lambda weights: weights.astype(jnp.bfloat16),
    "head mean": head_mean,
    "statistics": statistics,
}
