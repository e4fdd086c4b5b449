"""How far from itself each query looks, in self-attention."""

import numpy as np
from jaxtyping import Bool, Float

from attnreport._errors import InvalidAttentionError
from attnreport.analysis.statistics.rows import row_shares
from attnreport.recording import AttentionMap, Axis, GridAxis

# Rounding must not push the median of a row whose halves are equal on to the next distance.
_ROUNDING = 1e-6


def same_positions(attention: AttentionMap) -> bool:
    """Whether a map's queries and keys are the same positions, so that distance means something."""
    return attention.kind == "self" and len(attention.query) == len(attention.key)


def mean_distance(
    weights: Float[np.ndarray, "head query key"],
    allowed: Bool[np.ndarray, "#head query key"] | None = None,
    *,
    distances: Float[np.ndarray, "query key"] | None = None,
) -> Float[np.ndarray, "head query"]:
    r"""Mean distance between each query and the keys it looks at, in positions.

    0 means that a query looks at itself only. Distance has a meaning only where queries and keys
    are the same positions, so the weights must be those of self-attention. Rows are rescaled to
    sum to one first; a row whose weights are all 0 has no distance: NaN.

    $$ D_q = \sum_k p_{q,k} \, |q - k| $$

    Args:
        weights: Post-softmax weights.
        allowed: True where a query may look at a key; everywhere if left out.
        distances: How far each key is from each query, as from `axis_distances`; $|q - k|$ if
            left out.

    Source: Vig and Belinkov, Analyzing the Structure of Attention in a Transformer Language
    Model (2019), whose attention distance averages this over the rows of a corpus.

    Raises:
        InvalidAttentionError: There are not as many keys as queries.
    """
    far = _known_distances(weights, distances)
    return np.vecdot(row_shares(weights, allowed), far)


def median_distance(
    weights: Float[np.ndarray, "head query key"],
    allowed: Bool[np.ndarray, "#head query key"] | None = None,
    *,
    distances: Float[np.ndarray, "query key"] | None = None,
) -> Float[np.ndarray, "head query"]:
    r"""Within what distance of each query at least half of its attention stays, in positions.

    Unlike the mean, a little attention far away does not move it. A row whose weights are all 0
    has none: NaN.

    $$ \min \Big\{ d : \sum_{k : |q - k| \le d} p_{q,k} \ge \tfrac{1}{2} \Big\} $$

    Source: the weighted median, in Edgeworth, On a New Method of Reducing Observations Relating
    to Several Quantities (1888), of the distance of `mean_distance`.

    Args:
        weights: Post-softmax weights.
        allowed: True where a query may look at a key; everywhere if left out.
        distances: How far each key is from each query; $|q - k|$ if left out.

    Raises:
        InvalidAttentionError: There are not as many keys as queries.
    """
    far = _known_distances(weights, distances)
    order = np.argsort(far, axis=-1, kind="stable")
    shares = np.take_along_axis(row_shares(weights, allowed), order[np.newaxis], axis=-1)
    middle = (np.cumsum(shares, axis=-1) >= 0.5 - _ROUNDING).argmax(axis=-1)
    sorted_far = np.take_along_axis(far, order, axis=-1)
    found = sorted_far[np.arange(far.shape[0]), middle]
    return np.where(np.isnan(shares[..., 0]), np.nan, found)


def _known_distances(
    weights: Float[np.ndarray, "head query key"],
    distances: Float[np.ndarray, "query key"] | None,
) -> Float[np.ndarray, "query key"]:
    queries, keys = weights.shape[1:]
    if queries != keys:
        raise InvalidAttentionError(
            f"The weights have {queries} queries and {keys} keys, so they are not self-attention "
            "and a distance between query and key means nothing. Give square weights."
        )
    return position_distances(queries, keys) if distances is None else distances


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
