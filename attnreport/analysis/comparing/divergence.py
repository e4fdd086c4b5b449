"""How differently two heads, layers, inputs or models look: Jensen-Shannon distance of rows."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from attnreport._errors import InvalidAttentionError
from attnreport.analysis.statistics.rows import mean_over_rows, row_shares
from attnreport.recording import AttentionMap

# Of longer maps so many rows, evenly spread, are enough to tell all pairs of heads apart.
MOST_ROWS = 64


@dataclasses.dataclass(frozen=True)
class HeadChange:
    """How much one head changed from one recording to another.

    Attributes:
        layer: Place of its map among those given.
        head: Number of the head in its map.
        distance: Mean Jensen-Shannon distance of its rows, from 0 to 1; NaN where no row of both
            looks anywhere.
    """

    layer: int
    head: int
    distance: float


def jensen_shannon_distance(
    first: Float[np.ndarray, "*head query key"],
    second: Float[np.ndarray, "*head query key"],
    allowed: Bool[np.ndarray, "*#head query key"] | None = None,
) -> Float[np.ndarray, "*head query"]:
    r"""Jensen-Shannon distance between the rows of two sets of weights, from 0 to 1.

    0 means that the rows are the same, 1 that they look at no key in common. It is the square
    root of the divergence with logarithms to base 2, which, unlike the divergence itself, is a
    metric. A row that looks nowhere in either has none: NaN.

    $$ d(p, p')^2 = H\!\Big(\frac{p + p'}{2}\Big) - \frac{H(p) + H(p')}{2} $$

    Source: Lin (1991), "Divergence Measures Based on the Shannon Entropy", section 4; the root is
    from Endres and Schindelin (2003), "A New Metric for Probability Distributions". Clark et al.
    (2019), "What Does BERT Look At?", section 6, compare heads by the divergence.

    Args:
        first: Post-softmax weights or strengths.
        second: Others of the same queries and keys.
        allowed: True where a query may look at a key; everywhere if left out.

    Raises:
        InvalidAttentionError: They are not of the same queries and keys.
    """
    if first.shape[-2:] != second.shape[-2:]:
        raise InvalidAttentionError(
            f"Rows of {first.shape[-2]} queries and {first.shape[-1]} keys cannot be compared with "
            f"those of {second.shape[-2]} and {second.shape[-1]}. Give weights over the same "
            "positions; align the tokens of two texts first."
        )
    left, right = (row_shares(each.astype(np.float64), allowed) for each in (first, second))
    return _distance(_bits((left + right) / 2), (_bits(left) + _bits(right)) / 2)


def head_distances(
    maps: Sequence[AttentionMap], *, most_rows: int = MOST_ROWS
) -> Float[np.ndarray, "head head"]:
    """The mean distance between the rows of every two heads of a group, layer by layer.

    The heads count through the layers: those of the first map come first. Rows in which no head
    has a choice are left out; two heads that share no row that looks anywhere have NaN.

    Args:
        maps: Maps over the same queries and keys.
        most_rows: Of more rows, so many, evenly spread, are compared: for all pairs of 144 heads
            over 512 positions all of them would take half a minute.

    Raises:
        InvalidAttentionError: The maps are not over the same queries and keys.
    """
    rows = _common_rows(maps, most_rows)
    shares = [row_shares(each.array()[:, rows], each.allowed()[:, rows]) for each in maps]
    return _between(np.concatenate(shares, dtype=np.float64))


def layer_distances(
    maps: Sequence[AttentionMap], *, most_rows: int = MOST_ROWS
) -> Float[np.ndarray, "layer layer"]:
    """The mean distance between the rows of every two layers, each the mean of its heads.

    Args:
        maps: Maps over the same queries and keys, one for each layer.
        most_rows: Of more rows, so many, evenly spread, are compared.

    Raises:
        InvalidAttentionError: The maps are not over the same queries and keys.
    """
    rows = _common_rows(maps, most_rows)
    means = [
        np.nan_to_num(row_shares(each.array(), each.allowed())[:, rows]).mean(axis=0)
        for each in maps
    ]
    return _between(row_shares(np.stack(means).astype(np.float64)))


def similar_heads(
    distances: Float[np.ndarray, "head head"], head: int, count: int = 5
) -> list[tuple[int, float]]:
    """The heads that look most as one does, and how far they are from it, the nearest first.

    Of equals the first comes first; heads at no known distance are left out.

    Args:
        distances: From `head_distances`; for a text-independent answer, their mean over several
            examples.
        head: Number of the head, counted through the layers.
        count: How many at most.
    """
    own = distances[head]
    order = [int(each) for each in np.argsort(own, kind="stable") if each != head]
    return [(each, float(own[each])) for each in order if not np.isnan(own[each])][:count]


def changed_heads(
    first: Sequence[AttentionMap], second: Sequence[AttentionMap]
) -> list[HeadChange]:
    """How much each head changed between two runs over the same positions, the most changed first.

    The runs may be of two inputs of equal length, two checkpoints or two models of one shape. Only
    what both masks allow is compared.

    Raises:
        InvalidAttentionError: The maps differ in number, heads, queries or keys.
    """
    shapes = [[each.weights.shape for each in maps] for maps in (first, second)]
    if shapes[0] != shapes[1]:
        raise InvalidAttentionError(
            f"The maps to compare have the shapes {shapes[0]} and {shapes[1]} = head, query, key. "
            "Give as many maps of the same shape in both; align the tokens of two texts first."
        )
    found = [
        HeadChange(layer, head, float(distance))
        for layer, (before, after) in enumerate(zip(first, second, strict=True))
        for head, distance in enumerate(_map_distance(before, after))
    ]
    return sorted(found, key=lambda each: -np.nan_to_num(each.distance, nan=-1))


def _map_distance(first: AttentionMap, second: AttentionMap) -> Float[np.ndarray, " head"]:
    allowed = np.broadcast_to(first.allowed() & second.allowed(), first.weights.shape)
    # One head at a time: the maps of long texts are large, and these are in double precision.
    rows = [
        jensen_shannon_distance(first.head(head), second.head(head), may)
        for head, may in enumerate(allowed)
    ]
    return mean_over_rows(np.stack(rows))


def _common_rows(maps: Sequence[AttentionMap], most: int) -> Int[np.ndarray, " row"]:
    """Evenly spread rows in which some head has a choice; all rows if none has."""
    shapes = {(len(each.query), len(each.key)) for each in maps}
    if len(shapes) != 1:
        raise InvalidAttentionError(
            f"The maps have the queries and keys {sorted(shapes)}. Heads can be compared where all "
            "look from the same positions at the same ones; give such maps together."
        )
    choice = np.any([(each.allowed().sum(axis=-1) > 1).any(axis=0) for each in maps], axis=0)
    rows = np.flatnonzero(choice) if choice.any() else np.arange(len(choice))
    return rows[np.unique(np.linspace(0, len(rows) - 1, most).astype(int))]


def _between(shares: Float[np.ndarray, "head row key"]) -> Float[np.ndarray, "head head"]:
    bits = _bits(shares)
    count = len(shares)
    found = np.zeros((count, count))
    for head in range(count):
        halves = _bits((shares[head:] + shares[head]) / 2)
        rows = _distance(halves, (bits[head:] + bits[head]) / 2)
        found[head, head:] = found[head:, head] = mean_over_rows(rows)
    return found


def _bits(shares: Float[np.ndarray, "*head row key"]) -> Float[np.ndarray, "*head row"]:
    """Entropy of rows of shares, in bits; NaN for rows of NaN."""
    logarithm = np.log2(np.where(shares > 0, shares, 1))
    return -np.vecdot(shares, logarithm)


def _distance(
    middle: Float[np.ndarray, "*head row"], mean: Float[np.ndarray, "*head row"]
) -> Float[np.ndarray, "*head row"]:
    # Rounding can leave a divergence a hair outside its bounds.
    return np.sqrt(np.clip(middle - mean, 0, 1))
