"""Every statistic of every row of a map, each beside what even attention would have."""

import dataclasses
from collections.abc import Callable, Container, Iterable

import numpy as np
from jaxtyping import Float

from attnreport._errors import InvalidAttentionError
from attnreport.analysis.statistics.concentration import confidence, keys_holding
from attnreport.analysis.statistics.diagonals import diagonality, monotonicity
from attnreport.analysis.statistics.distance import mean_distance, median_distance
from attnreport.analysis.statistics.entropy import entropy, normalized_entropy
from attnreport.analysis.statistics.map_rows import MapRows
from attnreport.analysis.statistics.masses import mass_of_shares
from attnreport.analysis.statistics.rows import mean_over_rows
from attnreport.recording import AttentionMap

_Values = Float[np.ndarray, "#head query"]


@dataclasses.dataclass(frozen=True)
class Measure:
    """What a statistic is.

    Attributes:
        name: What it is called.
        unit: `bits`, `share` (from 0 to 1), `positions` (cells, among cells) or `keys`.
        meaning: What it says of a row, in one plain sentence.
        compute: Its value for each row, NaN where a row has none; None where it makes no sense.
    """

    name: str
    unit: str
    meaning: str
    compute: Callable[[MapRows], _Values | None]


@dataclasses.dataclass(frozen=True, eq=False)
class RowStatistic:
    """A statistic of every row of a map. Rows without a value are NaN.

    Attributes:
        measure: What it is.
        values: Of each head and row.
        chance: What the row would have if it looked evenly at all that it may.
    """

    measure: Measure
    values: Float[np.ndarray, "head query"]
    chance: Float[np.ndarray, "head query"]

    def by_head(self) -> Float[np.ndarray, " head"]:
        """Mean over the rows that have a value; NaN for a head without one."""
        return mean_over_rows(self.values)

    def chance_by_head(self) -> Float[np.ndarray, " head"]:
        """Mean chance over the same rows, so that the two means can be compared."""
        return mean_over_rows(np.where(np.isnan(self.values), np.nan, self.chance))


def row_statistics(
    attention: AttentionMap, names: Iterable[str] | None = None
) -> dict[str, RowStatistic]:
    """Statistics of every row of a map, by name, in the order of `MEASURES`.

    Rows are read as shares of what they give, so gates and routers are measured like rows that
    sum to one. What makes no sense for a map is left out: distances without queries and keys at
    the same positions, say.

    Args:
        attention: The map; its mask says what even attention would be.
        names: Which ones; all if left out.

    Raises:
        InvalidAttentionError: There is no statistic of that name.
    """
    wanted = list(MEASURES) if names is None else list(names)
    unknown = [name for name in wanted if name not in MEASURES]
    if unknown:
        raise InvalidAttentionError(
            f"There is no statistic {unknown[0]!r}. Choose from {', '.join(MEASURES)}."
        )
    blocks = [_block_statistics(rows, wanted) for rows in MapRows.blocks(attention)]
    return {
        name: RowStatistic(
            MEASURES[name],
            np.concatenate([block[name][0] for block in blocks]),
            np.concatenate([block[name][1] for block in blocks]),
        )
        for name in blocks[0]
    }


def _block_statistics(
    rows: MapRows, wanted: Container[str]
) -> dict[str, tuple[Float[np.ndarray, "head query"], Float[np.ndarray, "head query"]]]:
    """Values and chances of some heads."""
    found = {}
    for name, measure in MEASURES.items():
        values = measure.compute(rows) if name in wanted else None
        if values is not None:
            even = measure.compute(rows.even)
            assert even is not None  # what makes sense depends on the axes alone
            found[name] = values, np.broadcast_to(even, values.shape)
    return found


def _mass_on(place: str) -> Callable[[MapRows], _Values | None]:
    def compute(rows: MapRows) -> _Values | None:
        targets = rows.targets.get(place)
        return None if targets is None else mass_of_shares(rows.shares, targets, rows.allowed)

    return compute


def _on_sink(rows: MapRows) -> _Values:
    return mass_of_shares(rows.shares, rows.only(rows.sinks), rows.allowed)


def _mean_distance(rows: MapRows) -> _Values | None:
    if rows.distances is None:
        return None
    return mean_distance(rows.shares, distances=rows.distances)


def _median_distance(rows: MapRows) -> _Values | None:
    if rows.distances is None:
        return None
    return median_distance(rows.shares, distances=rows.distances)


def _diagonality(rows: MapRows) -> _Values | None:
    return diagonality(rows.shares) if rows.sequence else None


def _monotonicity(rows: MapRows) -> _Values | None:
    return monotonicity(rows.shares) if rows.sequence else None


_ALL = (
    Measure(
        "entropy",
        "bits",
        "How widely a row spreads: 0 at one key, 3 at eight keys alike.",
        lambda rows: entropy(rows.shares),
    ),
    Measure(
        "normalized entropy",
        "share",
        "How near a row is to looking at everything alike.",
        lambda rows: normalized_entropy(rows.shares, rows.allowed),
    ),
    Measure(
        "keys for 90%",
        "keys",
        "How many keys hold nine tenths of a row.",
        lambda rows: keys_holding(rows.shares),
    ),
    Measure(
        "confidence",
        "share",
        "What the heaviest key of a row gets.",
        lambda rows: confidence(rows.shares),
    ),
    Measure("mean distance", "positions", "How far away a row looks on average.", _mean_distance),
    Measure(
        "median distance",
        "positions",
        "Within what distance half of a row stays.",
        _median_distance,
    ),
    Measure("itself", "share", "What stays at the own position.", _mass_on("itself")),
    Measure("previous", "share", "What goes one position back.", _mass_on("previous")),
    Measure("next", "share", "What goes one position on.", _mass_on("next")),
    Measure("first", "share", "What goes to the first key.", _mass_on("first")),
    Measure("special", "share", "What goes to markers that are not content.", _mass_on("special")),
    Measure(
        "punctuation",
        "share",
        "What goes to commas and full stops.",
        _mass_on("punctuation"),
    ),
    Measure(
        "same token",
        "share",
        "What goes to the same text elsewhere, of rows whose text occurs elsewhere.",
        _mass_on("same token"),
    ),
    Measure("sink", "share", "What goes to the key that all rows together look at most.", _on_sink),
    Measure("diagonality", "share", "How near the diagonal a row stays.", _diagonality),
    Measure(
        "monotonicity",
        "share",
        "How probable it is that a row does not look further back than the one before.",
        _monotonicity,
    ),
)

# Every statistic by its name.
MEASURES = {measure.name: measure for measure in _ALL}
