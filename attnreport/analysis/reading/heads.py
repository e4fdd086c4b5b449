"""Everything the report says about a head in numbers."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from attnreport.analysis.patterns.patterns import Shares, pattern_name
from attnreport.analysis.reading.jumps import is_sequence
from attnreport.analysis.statistics.distance import axis_distances, same_positions
from attnreport.analysis.statistics.entropy import row_entropy
from attnreport.analysis.statistics.head_sinks import SinkRule
from attnreport.recording import UNORDERED, AttentionMap, GridAxis, special_positions


@dataclasses.dataclass(frozen=True)
class HeadStatistics:
    """One head in numbers. Shares run from 0 to 1; every number is finite.

    Means are over the rows that may attend, each rescaled to sum to one. A head without such a
    row has zeros and the pattern `no choice`.

    Attributes:
        layer: Position of its map among the maps of the group, from 0.
        head: Number of the head in its map, from 0.
        name: Path of the module in the model.
        entropy: Mean entropy of a row, in bits.
        normalized_entropy: Mean entropy as a share of the highest that the mask permits.
        distance: Mean distance between query and key, in positions, among the cells of a grid in
            cells; None, like the three after it, unless queries and keys are the same positions.
        previous: Mean weight of the position before, over the rows that have one; None among
            cells, which stand in no line.
        next: Mean weight of the position after, likewise.
        itself: Mean weight of the own position.
        first: Mean weight of the first key.
        last: Mean weight of the last key.
        special: Mean weight of all special keys together.
        top_key: The key with the largest mean weight; the first of equals.
        top_share: Mean weight of that key.
        sinks: The keys that are sinks, by `SinkRule`, each with its mean weight.
        in_order: Share of steps from row to row whose strongest key does not move back; None in
            self-attention, where queries or keys stand in no order, as hops, cells and experts do
            not, and where there is no step.
        least: Smallest weight, and `greatest` the largest.
        greatest: Largest weight. Not a share, like `peak`.
        peak: Smallest weight that at most one weight in a thousand exceeds, a good end for a
            color scale; in small maps the largest weight. Not a share: strengths may exceed 1.
        pattern: What the head does most, a key of `attnreport.analysis.PATTERNS`.
    """

    layer: int
    head: int
    name: str
    entropy: float = 0.0
    normalized_entropy: float = 0.0
    distance: float | None = None
    previous: float | None = None
    next: float | None = None
    itself: float | None = None
    first: float = 0.0
    last: float = 0.0
    special: float = 0.0
    top_key: int = 0
    top_share: float = 0.0
    sinks: tuple[tuple[int, float], ...] = ()
    in_order: float | None = None
    least: float = 0.0
    greatest: float = 0.0
    peak: float = 0.0
    pattern: str = "no choice"


def group_statistics(maps: Sequence[AttentionMap]) -> list[HeadStatistics]:
    """Numbers about every head of one group of maps, layer by layer.

    Args:
        maps: The maps of one group and one example, in the order of their layers.
    """
    return [
        statistics
        for layer, attention in enumerate(maps)
        for statistics in _map_statistics(layer, attention)
    ]


@dataclasses.dataclass(frozen=True)
class _Frame:
    """What the heads of one map share."""

    special: list[int]
    sinks: SinkRule
    distances: Float[np.ndarray, "query key"] | None  # None unless both axes are the same positions
    line: bool  # whether each position has one before and one after it, as cells do not
    ordered: bool  # whether keys stand in an order, as words do and experts do not
    sequence: bool  # whether rows follow one another along the keys, as words of a translation do


def _map_statistics(layer: int, attention: AttentionMap) -> list[HeadStatistics]:
    queries, keys = len(attention.query), len(attention.key)
    frame = _Frame(
        special=list(special_positions(attention.key)),
        sinks=SinkRule.of(attention),
        distances=axis_distances(attention.key) if same_positions(attention) else None,
        line=not isinstance(attention.key, GridAxis),
        ordered=attention.kind not in UNORDERED,
        sequence=is_sequence(attention),
    )
    if attention.mask is None:
        choices = np.full((1, queries), keys)
    else:
        choices = np.count_nonzero(attention.allowed(), axis=-1)
    return [
        _head_statistics(
            HeadStatistics(layer=layer, head=head, name=attention.name),
            attention.head(head),
            choices[head % len(choices)],
            frame,
        )
        for head in range(attention.heads)
    ]


def _head_statistics(
    blank: HeadStatistics,
    weights: Float[np.ndarray, "query key"],
    choices: Int[np.ndarray, " query"],
    frame: _Frame,
) -> HeadStatistics:
    """`blank` filled in. `choices` says how many keys each row may look at."""
    sums = weights.sum(axis=-1)
    attends = (choices > 0) & (sums > 0)
    if not attends.any():
        return blank
    scale = np.divide(1, sums, out=np.zeros_like(sums), where=attends)
    mean = (scale / attends.sum()) @ weights
    strongest = weights.argmax(axis=-1)[attends]
    most_bits = float(np.log2(choices[attends]).mean())
    bits = min(most_bits, float(row_entropy(weights, sums)[attends].mean()))
    measured = dataclasses.replace(
        blank,
        entropy=bits,
        normalized_entropy=bits / most_bits if most_bits else 0.0,
        first=_share(mean[0]),
        last=_share(mean[-1]),
        special=_share(mean[frame.special].sum()),
        top_key=int(mean.argmax()),
        top_share=_share(mean.max()),
        sinks=_sinks(mean, attends.sum(), blank.head, frame),
        least=max(0.0, float(weights.min())),
        greatest=float(weights.max()),
        peak=_peak(weights),
        **_positions(weights, scale, strongest, frame),
    )
    if most_bits == 0:
        return measured
    return dataclasses.replace(measured, pattern=pattern_name(_shares(measured, strongest, frame)))


def _sinks(
    mean: Float[np.ndarray, " key"], rows: np.integer, head: int, frame: _Frame
) -> tuple[tuple[int, float], ...]:
    found = frame.sinks.sinks(head, mean * rows)
    return tuple((key, _share(mean[key])) for key in found)


def _positions(
    weights: Float[np.ndarray, "query key"],
    scale: Float[np.ndarray, " query"],
    strongest: Int[np.ndarray, " row"],
    frame: _Frame,
) -> dict[str, float | None]:
    """The statistics that only self-attention has, or those that only cross-attention has."""
    if frame.distances is None:
        steps = np.diff(strongest) if frame.sequence else strongest[:0]
        return {"in_order": float((steps >= 0).mean()) if len(steps) else None}
    found: dict[str, float | None] = {
        "distance": float(scale @ np.vecdot(weights, frame.distances)) / len(strongest),
        "itself": _diagonal_mean(np.diagonal(weights), scale),
    }
    if frame.line:
        found["previous"] = _diagonal_mean(np.diagonal(weights, -1), scale[1:])
        found["next"] = _diagonal_mean(np.diagonal(weights, 1), scale[:-1])
    return found


def _diagonal_mean(weights: Float[np.ndarray, " row"], scale: Float[np.ndarray, " row"]) -> float:
    rows = np.count_nonzero(scale)
    return _share(float(weights @ scale) / rows) if rows else 0.0


def _share(value: float | np.floating) -> float:
    """`value` without the rounding that carries a share past 0 or 1."""
    return min(1.0, max(0.0, float(value)))


def _peak(weights: Float[np.ndarray, "query key"]) -> float:
    """Smallest weight that at most one in a thousand weights exceeds."""
    rank = weights.size - 1 - weights.size // 1000
    return max(0.0, float(np.partition(weights, rank, axis=None)[rank]))


def _shares(measured: HeadStatistics, strongest: Int[np.ndarray, " row"], frame: _Frame) -> Shares:
    rows = len(strongest)
    # One row has no neighbor on that side. Counted over all rows, as the other shares are, a text
    # of two tokens is not named after the one row that has a previous token.
    neighbor = (rows - 1) / rows
    return Shares(
        previous=(measured.previous or 0.0) * neighbor,
        next=(measured.next or 0.0) * neighbor,
        itself=measured.itself or 0.0,
        first=measured.first,
        last=measured.last,
        special=measured.special,
        top=measured.top_share,
        majority=float((strongest == measured.top_key).mean()),
        entropy=measured.normalized_entropy,
        in_order=measured.in_order,
        same_positions=measured.distance is not None,
        ordered=frame.ordered,
    )
