"""How widely each query spreads its attention."""

import numpy as np
from jaxtyping import Bool, Float

# Blocks of about this many weights keep the two working arrays in a core's cache, which is
# three times as fast as going over a head of 512 x 512 at once.
_BLOCK = 1 << 15

# Stands in for zero, so that a logarithm exists; it adds less than 1e-35 bits to an entropy.
_TINY = np.float32(np.finfo(np.float32).tiny)


def entropy(
    weights: Float[np.ndarray, "head query key"],
    allowed: Bool[np.ndarray, "#head query key"] | None = None,
) -> Float[np.ndarray, "head query"]:
    r"""Shannon entropy of each row, in bits.

    0 means that the query looks at exactly one key; $\log_2 n$ means that it looks at $n$ keys
    equally. Rows are rescaled to sum to one first, so the strengths of a gate have an entropy
    too. A row that may look nowhere, or whose weights are all 0, has none: NaN.

    $$ H = -\sum_k p_k \log_2 p_k, \qquad p_k = w_k / \sum_j w_j, \qquad 0 \log_2 0 = 0 $$

    Source: Shannon, A Mathematical Theory of Communication (1948), section 6.

    Args:
        weights: Post-softmax weights.
        allowed: True where a query may look at a key; everywhere if left out.
    """
    rows = np.stack([row_entropy(head, head.sum(axis=-1)) for head in weights])
    if allowed is not None:
        rows[~np.broadcast_to(allowed.any(axis=-1), rows.shape)] = np.nan
    return rows


def normalized_entropy(
    weights: Float[np.ndarray, "head query key"],
    allowed: Bool[np.ndarray, "#head query key"] | None = None,
) -> Float[np.ndarray, "head query"]:
    r"""Entropy of each row as a share of the highest that its mask permits, from 0 to 1.

    1 means that all keys the query may look at get the same. A query with one such key, as the
    first under a causal mask, has no choice and so no value: NaN, like a row that looks nowhere.

    $$ H_q / \log_2 n_q, \qquad n_q = |\{k : q \text{ may look at } k\}| $$

    Source: Shannon, A Mathematical Theory of Communication (1948), section 7, as the relative
    entropy of a source.

    Args:
        weights: Post-softmax weights.
        allowed: True where a query may look at a key; everywhere if left out.
    """
    permitted = np.ones((1, *weights.shape[1:]), dtype=bool) if allowed is None else allowed
    most = np.log2(np.maximum(permitted.sum(axis=-1), 1).astype(np.float32))
    bits = entropy(weights * permitted, permitted)
    return np.minimum(bits / np.where(most > 0, most, np.nan), 1)


def row_entropy(
    weights: Float[np.ndarray, "query key"], sums: Float[np.ndarray, " query"]
) -> Float[np.ndarray, " query"]:
    """Entropy in bits of each row of one head, whose row sums are known; NaN where they are 0."""
    queries, keys = weights.shape
    step = max(1, _BLOCK // keys)
    buffers = np.empty((2, min(step, queries), keys), dtype=np.float32)
    plain = np.empty(queries, dtype=np.float32)
    for start in range(0, queries, step):
        block = weights[start : start + step]
        positive, logarithm = buffers[:, : len(block)]
        np.maximum(block, _TINY, out=positive)
        np.log2(positive, out=logarithm)
        plain[start : start + step] = np.vecdot(positive, logarithm)
    totals = np.where(sums > 0, sums, np.nan).astype(np.float32)
    # With s the row's sum, the entropy of w / s is log2 s - (sum of w log2 w) / s. Rounding can
    # leave it a hair outside its bounds.
    return np.clip(np.log2(totals) - plain / totals, 0, np.log2(np.float32(keys)))
