"""How far from itself each query looks, in self-attention."""

import numpy as np
from jaxtyping import Float

from attnreport._errors import InvalidAttentionError
from attnreport.recording import Axis, GridAxis


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


def axis_distances(axis: Axis) -> Float[np.ndarray, "query key"]:
    """The distance between any two positions of an axis: in positions, or of cells in cells.

    Between cells it is that of their centers. What stands before the cells of a grid has no place;
    it is at distance 0 from everything.
    """
    if not isinstance(axis, GridAxis):
        return position_distances(len(axis), len(axis))
    rows, columns = np.divmod(np.arange(axis.height * axis.width), axis.width)
    before = len(axis.leading)
    found = np.zeros((len(axis), len(axis)), dtype=np.float32)
    found[before:, before:] = np.hypot(
        rows[:, np.newaxis] - rows, columns[:, np.newaxis] - columns, dtype=np.float32
    )
    return found


def position_distances(queries: int, keys: int) -> Float[np.ndarray, "query key"]:
    """`|query - key|` of every cell."""
    return np.abs(
        np.arange(queries, dtype=np.float32)[:, np.newaxis] - np.arange(keys, dtype=np.float32)
    )
