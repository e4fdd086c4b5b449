"""How far from itself each query looks, in self-attention."""

import numpy as np
from jaxtyping import Float

from attnreport._errors import InvalidAttentionError


def mean_distance(
    weights: Float[np.ndarray, "head query key"],
) -> Float[np.ndarray, "head query"]:
    r"""Mean distance between each query and the keys it looks at, in positions.

    0 means that a query looks at itself only. Distance has a meaning only where queries and keys
    are the same positions, so the weights must be those of self-attention. Rows are rescaled to
    sum to one first; a row whose weights are all 0 has no distance: NaN.

    $$ D_q = \sum_k p_{q,k} \, |q - k| $$

    Source: Vig and Belinkov, Analyzing the Structure of Attention in a Transformer Language
    Model (2019), whose attention distance averages this over the rows of a corpus.

    Raises:
        InvalidAttentionError: There are not as many keys as queries.
    """
    queries, keys = weights.shape[1:]
    if queries != keys:
        raise InvalidAttentionError(
            f"The weights have {queries} queries and {keys} keys, so they are not self-attention "
            "and a distance between query and key means nothing. Give square weights."
        )
    sums = weights.sum(axis=-1)
    return np.vecdot(weights, position_distances(queries, keys)) / np.where(sums > 0, sums, np.nan)


def position_distances(queries: int, keys: int) -> Float[np.ndarray, "query key"]:
    """`|query - key|` of every cell."""
    return np.abs(
        np.arange(queries, dtype=np.float32)[:, np.newaxis] - np.arange(keys, dtype=np.float32)
    )
