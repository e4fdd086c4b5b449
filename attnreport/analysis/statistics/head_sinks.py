"""The sinks of each head: where its attention rests whatever the query."""

import dataclasses
import functools
from typing import Self

import numpy as np
from jaxtyping import Bool, Float, Int

from attnreport.analysis.statistics.masses import punctuation_keys, special_keys
from attnreport.analysis.statistics.sinks import SINK
from attnreport.recording import UNORDERED, AttentionMap, Axis, Kind, TokenAxis


@dataclasses.dataclass(frozen=True, eq=False)
class SinkRule:
    """When a key is a sink of a head, for the heads of one map.

    A key is one if it is the first, a marker or punctuation, which models have no other use for,
    if at least half of the rows may look at it, and if its sink score (see `sink_scores`) is at
    least `SINK` of the way from what even attention would give it to all.

    Source: the score and the threshold are those of Gu et al. (2025), "When Attention Sink Emerges
    in Language Models"; that small texts need more than the bare threshold is ours.

    Attributes:
        places: The keys that may be sinks.
        rows: How many rows of each head of the mask may look at each key.
        floor: What those rows together must give to a key.
    """

    places: Bool[np.ndarray, " key"]
    rows: Int[np.ndarray, "#head key"]
    floor: Float[np.ndarray, "#head key"]

    @classmethod
    def of(cls, attention: AttentionMap) -> Self:
        """The rule of a map, from its mask and from what its keys are."""
        if attention.mask is None:
            rows = np.full((1, len(attention.key)), len(attention.query))
            even = rows / len(attention.key)
        else:
            allowed = attention.allowed()
            rows = np.count_nonzero(allowed, axis=-2)
            choices = np.maximum(np.count_nonzero(allowed, axis=-1), 1)
            even = np.stack(
                [np.float64(1) / c @ may for c, may in zip(choices, allowed, strict=True)]
            )
        most = rows.max(axis=-1, keepdims=True)
        usual = (rows > 0) & (2 * rows >= most)
        floor = np.where(usual, even + SINK * (rows - even), np.inf)
        return cls(_places(attention.key, attention.kind), rows, floor)

    def sinks(self, head: int, totals: Float[np.ndarray, " key"]) -> list[int]:
        """The sinks of a head, whose rows, each as shares, give the `totals` to the keys."""
        found = self.places & (totals >= self.floor[head % len(self.floor)])
        return np.flatnonzero(found).tolist()


@functools.lru_cache(maxsize=64)
def _places(key: Axis, kind: Kind) -> Bool[np.ndarray, " key"]:
    places = special_keys(key)
    if kind == "gate":  # which rests nowhere: it lets each position through by itself
        return np.zeros_like(places)
    places[0] |= kind not in UNORDERED
    if isinstance(key, TokenAxis):
        places |= punctuation_keys(key)
    return places
