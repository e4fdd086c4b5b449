"""How few keys each row needs, and how sure it is of the one it looks at most."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from attnreport._errors import InvalidAttentionError
from attnreport.analysis.statistics.rows import row_shares

# Rounding must not ask for one key more.
_ROUNDING = 1e-6


def keys_holding(
    weights: Float[np.ndarray, "*head query key"],
    allowed: Bool[np.ndarray, "*#head query key"] | None = None,
    *,
    share: float = 0.9,
) -> Float[np.ndarray, "*head query"]:
    r"""How many keys hold a share of each row, the heaviest first: its sparsity, in keys.

    1 means that one key is enough. `uniform_rows` over $n$ keys need $\lceil 0.9\,n \rceil$. A row
    that looks nowhere has no number: NaN.

    $$ \min \{ |S| : \sum_{k \in S} p_{q,k} \ge 0.9 \} $$

    Source: Ramsauer et al. (2021), "Hopfield Networks is All You Need", appendix A.5.1, which sorts
    the heads of BERT by the number of keys that sum up to 0.90.

    Args:
        weights: Post-softmax weights or strengths.
        allowed: True where a query may look at a key; everywhere if left out.
        share: What the keys must hold, above 0 and up to 1.

    Raises:
        InvalidAttentionError: The share is out of range.
    """
    if not 0 < share <= 1:
        raise InvalidAttentionError(
            f"The share that keys must hold is {share}. Give a number above 0 and up to 1."
        )
    shares = row_shares(weights, allowed)
    held = np.cumsum(np.sort(shares, axis=-1)[..., ::-1], axis=-1, dtype=np.float64)
    count = (held >= share - _ROUNDING).argmax(axis=-1) + 1
    return np.where(np.isnan(shares[..., 0]), np.nan, count)


def confidence(
    weights: Float[np.ndarray, "*head query key"],
    allowed: Bool[np.ndarray, "*#head query key"] | None = None,
    *,
    leave_out: Sequence[int] = (),
) -> Float[np.ndarray, "*head query"]:
    r"""Share of each row that its heaviest key gets, from 0 to 1; a head's is the mean over rows.

    `uniform_rows` over $n$ keys have $1/n$. A row that looks nowhere has none: NaN.

    $$ c_q = \max_{k \notin E} p_{q,k} $$

    Source: Voita et al. (2019), "Analyzing Multi-Head Self-Attention", section 4, which leaves the
    end marker out; the same mean is the focus rate of Ren et al. (2019), "FastSpeech", section
    3.3.

    Args:
        weights: Post-softmax weights or strengths.
        allowed: True where a query may look at a key; everywhere if left out.
        leave_out: Keys $E$ that do not count as the heaviest; the others keep their shares.
    """
    shares = row_shares(weights, allowed)
    shares[..., list(leave_out)] *= 0
    return shares.max(axis=-1)
