"""Slow and plain NumPy that references share. Arrays of heads are `[batch head token feature]`."""

from typing import Any

import numpy as np

from tests.capture.programs.program import Notes

Array = np.ndarray


def softmax(logits: Array, axis: int = -1) -> Array:
    """Softmax; a row in which everything is masked by minus infinity is zero."""
    top = logits.max(axis=axis, keepdims=True)
    weights = np.exp(logits - np.where(np.isfinite(top), top, 0.0))
    total = weights.sum(axis=axis, keepdims=True)
    return weights / np.where(total == 0, 1.0, total)


def logits_of(q: Array, k: Array, scale: float | Array | None = None) -> Array:
    """Scaled products `[batch head query key]`; keys with fewer heads are repeated."""
    k = repeat_heads(k, q.shape[1])
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    return np.einsum("bhqd,bhkd->bhqk", q, k) * scale


def repeat_heads(x: Array, heads: int) -> Array:
    return np.repeat(x, heads // x.shape[1], axis=1)


def mix(weights: Array, v: Array) -> Array:
    return np.einsum("bhqk,bhkd->bhqd", weights, repeat_heads(v, weights.shape[1]))


def attend(
    note: Notes,
    *qkv: Array,
    kind: str = "self",
    scale: float | Array | None = None,
    bias: Array | float = 0.0,
    mask: Array | None = None,
    fill: float = -np.inf,
    cap: float | None = None,
    **labels: Any,
) -> Array:
    """Attention of `[batch head token feature]`; the order is scale, cap, bias, mask."""
    q, k, v = qkv
    logits = logits_of(q, k, scale)
    if cap is not None:
        logits = cap * np.tanh(logits / cap)
    logits = logits + bias
    if mask is not None:
        logits = np.where(mask, logits, fill)
    return mix(note(softmax(logits), kind, **labels), v)


def split(x: Array, heads: int) -> Array:
    """`[batch token heads*feature]` to `[batch head token feature]`."""
    return x.reshape(*x.shape[:2], heads, -1).transpose(0, 2, 1, 3)


def merge(x: Array) -> Array:
    """`[batch head token feature]` to `[batch token head*feature]`."""
    return x.transpose(0, 2, 1, 3).reshape(x.shape[0], x.shape[2], -1)


def project(x: Array, w: Array) -> Array:
    """`[batch token model]` by `[model head feature]` to `[batch head token feature]`."""
    return np.einsum("btm,mhd->bhtd", x, w)


def unproject(x: Array, w: Array) -> Array:
    """`[batch head token feature]` by `[head feature model]` to `[batch token model]`."""
    return np.einsum("bhtd,hdm->btm", x, w)


def layer_norm(x: Array, scale: Array | float = 1.0, bias: Array | float = 0.0, eps=1e-6) -> Array:
    mean = x.mean(-1, keepdims=True)
    return (x - mean) / np.sqrt(x.var(-1, keepdims=True) + eps) * scale + bias


def rms_norm(x: Array, scale: Array | float = 1.0, eps: float = 1e-6) -> Array:
    return x / np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + eps) * scale


def sigmoid(x: Array) -> Array:
    return 0.5 * (1.0 + np.tanh(x / 2.0))


def relu(x: Array) -> Array:
    return np.maximum(x, 0.0)


def gelu(x: Array) -> Array:
    """The tanh form, which is JAX's default."""
    return 0.5 * x * (1.0 + np.tanh(np.sqrt(2.0 / np.pi) * (x + 0.044715 * x**3)))


def causal(queries: int, keys: int | None = None) -> Array:
    """May see itself and what came before; with more keys, the queries are the last ones."""
    keys = queries if keys is None else keys
    return np.arange(queries)[:, None] + keys - queries >= np.arange(keys)[None, :]
