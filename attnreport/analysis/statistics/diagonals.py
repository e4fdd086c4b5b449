"""Whether attention follows the diagonal, and whether it moves on from row to row."""

import numpy as np
from jaxtyping import Bool, Float

from attnreport.analysis.statistics.rows import row_shares

# How far from the diagonal still counts, as a share of the whole length: the authors' g.
WIDTH = 0.2


def diagonality(
    weights: Float[np.ndarray, "*head query key"],
    allowed: Bool[np.ndarray, "*#head query key"] | None = None,
    *,
    width: float = WIDTH,
) -> Float[np.ndarray, "*head query"]:
    r"""How near the diagonal each row stays, from 0 to 1: 1 if all of it lies on the diagonal.

    Queries and keys may differ in number: both are places from 0 to 1 along their sequence, so it
    serves cross-attention too. A row that looks nowhere has none: NaN. Rows spread evenly have a
    value well above 0, which is that of `uniform_rows`.

    $$ d_q = \sum_k p_{q,k} \exp\!\Big(-\frac{(x_q - y_k)^2}{2 g^2}\Big),
    \quad x_q = \frac{q + 1/2}{Q}, \; y_k = \frac{k + 1/2}{K} $$

    Source: Tachibana et al. (2018), "Efficiently Trainable Text-to-Speech System Based on Deep
    Convolutional Networks with Guided Attention", section 4, one minus whose guided attention loss
    this is, with the middles of positions.

    Args:
        weights: Post-softmax weights or strengths.
        allowed: True where a query may look at a key; everywhere if left out.
        width: The authors' $g$.
    """
    queries, keys = weights.shape[-2:]
    apart = (np.arange(queries)[:, np.newaxis] + 0.5) / queries - (np.arange(keys) + 0.5) / keys
    near = np.exp(-(apart**2) / (2 * width**2))
    return np.clip(np.vecdot(row_shares(weights, allowed), near), 0, 1)


def monotonicity(
    weights: Float[np.ndarray, "*head query key"],
    allowed: Bool[np.ndarray, "*#head query key"] | None = None,
) -> Float[np.ndarray, "*head query"]:
    r"""The probability that each row does not look further back than the row before, from 0 to 1.

    Both rows are taken as distributions, and a key is drawn from each: 1 means that attention
    never goes back, 0 that it always does. Equal rows have a half and a little, for a step that
    stays is not one back. The first row, rows that look nowhere, and rows after these have none:
    NaN.

    $$ m_q = \sum_k p_{q,k} \sum_{j \le k} p_{q-1,j} $$

    Source: the monotonic alignment of Raffel et al. (2017), "Online and Linear-Time Attention by
    Enforcing Monotonic Alignments", section 2, in which a step never looks before the key of the
    last; the probability of that is ours.

    Args:
        weights: Post-softmax weights or strengths, of queries and keys that follow one another.
        allowed: True where a query may look at a key; everywhere if left out.
    """
    shares = row_shares(weights, allowed)
    found = np.full(shares.shape[:-1], np.nan)
    passed = np.cumsum(shares[..., :-1, :], axis=-1, dtype=np.float64)
    found[..., 1:] = np.clip(np.vecdot(shares[..., 1:, :], passed), 0, 1)
    return found
