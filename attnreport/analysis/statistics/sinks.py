"""Keys that much of all attention flows to, whatever the query: attention sinks."""

import numpy as np
from jaxtyping import Bool, Float, Int

from attnreport.analysis.statistics.rows import row_shares

# Mean share from which a key is a sink: the authors' epsilon.
SINK = 0.3


def sink_scores(
    weights: Float[np.ndarray, "head query key"],
    allowed: Bool[np.ndarray, "#head query key"] | None = None,
) -> Float[np.ndarray, "head key"]:
    r"""Mean share that each key gets from the rows that may look at it, from 0 to 1.

    A key that no row may look at has no score: NaN. Under a causal mask the last keys are seen by
    few rows, so a high score says little of them; `sink_keys` passes over these.

    $$ \alpha_k = \frac{1}{|Q_k|} \sum_{q \in Q_k} p_{q,k}, \qquad
    Q_k = \{q : q \text{ may look at } k\} $$

    Source: Gu et al. (2025), "When Attention Sink Emerges in Language Models", whose importance
    score this is with $Q_k = \{k, \dots, T\}$; attention sinks are from Xiao et al. (2024),
    "Efficient Streaming Language Models with Attention Sinks".

    Args:
        weights: Post-softmax weights or strengths.
        allowed: True where a query may look at a key; everywhere if left out.
    """
    shares = row_shares(weights, allowed)
    rows = _seeing_rows(shares, allowed)
    totals = np.nansum(shares, axis=-2, dtype=np.float64)
    return np.clip(totals / np.where(rows > 0, rows, np.nan), 0, 1)


def sink_keys(
    weights: Float[np.ndarray, "head query key"],
    allowed: Bool[np.ndarray, "#head query key"] | None = None,
    *,
    among: Bool[np.ndarray, " key"] | None = None,
) -> Int[np.ndarray, " head"]:
    """The key with the highest sink score of each head, the first of equals; -1 if there is none.

    Only keys that at least half of the rows may look at count: of fewer rows, a high mean is no
    sign that all look there.

    Args:
        weights: Post-softmax weights or strengths.
        allowed: True where a query may look at a key; everywhere if left out.
        among: True for the keys to choose from; all if left out.
    """
    shares = row_shares(weights, allowed)
    rows = _seeing_rows(shares, allowed)
    attending = (~np.isnan(shares[..., 0])).sum(axis=-1, keepdims=True)
    usual = (rows > 0) & (2 * rows >= attending)
    if among is not None:
        usual &= among
    scores = np.where(usual, sink_scores(shares, allowed), -1)
    return np.where(usual.any(axis=-1), scores.argmax(axis=-1), -1)


def sink_rate(
    scores: Float[np.ndarray, "head key"], *, threshold: float = SINK
) -> Float[np.ndarray, " key"]:
    r"""For each key, the share of heads of which it is a sink, from 0 to 1.

    A head in which no row may look at the key does not count; where none does, NaN.

    $$ \mathrm{Sink}_k^\epsilon = \frac{1}{L} \sum_l \frac{1}{H} \sum_h
    \mathbb{1}(\alpha_k^{l,h} > \epsilon) $$

    Source: Gu et al. (2025), "When Attention Sink Emerges in Language Models", which takes
    $\epsilon = 0.3$ and the first key.

    Args:
        scores: What `sink_scores` gives, with the heads of all layers in one axis.
        threshold: The authors' $\epsilon$.
    """
    known = ~np.isnan(scores)
    heads = known.sum(axis=0)
    over = (np.where(known, scores, 0) > threshold).sum(axis=0)
    return over / np.where(heads > 0, heads, np.nan)


def _seeing_rows(
    shares: Float[np.ndarray, "head query key"],
    allowed: Bool[np.ndarray, "#head query key"] | None,
) -> Int[np.ndarray, "head key"]:
    """How many rows that look anywhere may look at each key."""
    attends = ~np.isnan(shares[..., :1])
    return np.broadcast_to(attends if allowed is None else attends & allowed, shares.shape).sum(-2)
