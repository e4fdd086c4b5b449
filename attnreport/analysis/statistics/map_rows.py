"""The rows of one attention map, with all that statistics and patterns ask of them."""

import dataclasses
import functools
from collections.abc import Iterator
from typing import Self

import numpy as np
from jaxtyping import Bool, Float, Int

from attnreport.analysis.reading.jumps import is_sequence
from attnreport.analysis.statistics.distance import axis_distances, same_positions
from attnreport.analysis.statistics.masses import key_targets
from attnreport.analysis.statistics.rows import row_shares, uniform_rows
from attnreport.analysis.statistics.sinks import sink_keys
from attnreport.recording import AttentionMap

# Heads are worked on together up to so many weights, which bounds the memory that long texts take.
BLOCK = 1 << 22


@dataclasses.dataclass(frozen=True, eq=False)
class MapRows:
    """Heads of one map as shares, its mask, and what its positions are to one another.

    Attributes:
        attention: The map.
        shares: Rows of some of its heads as shares, or in their place even rows.
        allowed: True where a query may look at a key.
        sinks: The key with the highest sink score of each head, -1 if there is none.
    """

    attention: AttentionMap
    shares: Float[np.ndarray, "#head query key"]
    allowed: Bool[np.ndarray, "#head query key"]
    sinks: Int[np.ndarray, " head"]

    @classmethod
    def blocks(cls, attention: AttentionMap, size: int | None = None) -> Iterator[Self]:
        """All rows of a map, some heads at a time, read from disk if they are there.

        Args:
            attention: The map.
            size: How many weights at a time, but one head at least; `BLOCK` if left out.
        """
        allowed = attention.allowed()
        step = max(1, (size or BLOCK) // (len(attention.query) * len(attention.key)))
        for start in range(0, attention.heads, step):
            heads = range(start, min(start + step, attention.heads))
            may = allowed if len(allowed) == 1 else allowed[start : heads.stop]
            shares = row_shares(np.stack([attention.head(head) for head in heads]), may)
            yield cls(attention, shares, may, sink_keys(shares, may))

    @functools.cached_property
    def even(self) -> Self:
        """The same rows with each looking at all that it may, evenly."""
        return dataclasses.replace(self, shares=uniform_rows(self.allowed))

    @functools.cached_property
    def targets(self) -> dict[str, Bool[np.ndarray, "query key"]]:
        """The keys in a special place, by its name; see `key_targets`."""
        return key_targets(self.attention)

    @functools.cached_property
    def distances(self) -> Float[np.ndarray, "query key"] | None:
        """The distance of every key from every query; None unless both are the same positions."""
        return axis_distances(self.attention.key) if same_positions(self.attention) else None

    @functools.cached_property
    def sequence(self) -> bool:
        """Whether queries and keys follow one another, as words do."""
        return is_sequence(self.attention)

    def only(self, keys: Int[np.ndarray, " head"]) -> Bool[np.ndarray, "head query key"]:
        """True for one key of each head, whatever the query; for none where the key is -1."""
        places = np.arange(len(self.attention.key))
        chosen = places == keys[:, np.newaxis]
        return np.broadcast_to(
            chosen[:, np.newaxis], (len(keys), len(self.attention.query), len(places))
        )
