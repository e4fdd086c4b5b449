"""What the page says of the heads of a stack: statistics beside chance, patterns, similar heads."""

import dataclasses
import json
import math
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from jaxtyping import Float

from attnreport.analysis import (
    FEWEST_ROWS,
    NO_PATTERN,
    HeadPattern,
    RowStatistic,
    head_distances,
    head_patterns,
    row_statistics,
    similar_heads,
)
from attnreport.recording import Importance
from attnreport.report.head_needs import NEED, HeadNeeds, head_needs
from attnreport.report.packing import as_text, deflate
from attnreport.report.stacks import Stack

# How many similar heads a card lists.
_SIMILAR = 5
# Comparing all pairs of heads may take about a second of all stacks together: so many pairs of
# weights. Where that leaves fewer rows of a stack than these, its heads are not compared.
_MOST_COMPARED = 1e8
_FEWEST_COMPARED = 4


@dataclasses.dataclass(frozen=True, eq=False)
class Statistic:
    """One statistic of every head of a stack; NaN where a head has none.

    Attributes:
        values: Means over the rows of each head.
        chances: What even attention would have on the same rows.
    """

    values: Float[np.ndarray, " head"]
    chances: Float[np.ndarray, " head"]


@dataclasses.dataclass(frozen=True, eq=False)
class HeadMeasures:
    """What is measured of the heads of one stack, which count layer by layer.

    Attributes:
        statistics: Every statistic that makes sense, by name; none of gates, whose strengths are
            not shared out.
        patterns: For each head the patterns that it shows, the most telling first.
        similar: For each head its nearest ones and their distance, the nearest first.
        compared: How many rows of each head were compared for that; 0 if it was not done.
        needs: What the model loses without each head, where that was measured.
    """

    statistics: dict[str, Statistic]
    patterns: list[list[HeadPattern]]
    similar: list[list[tuple[int, float]]]
    compared: int
    needs: HeadNeeds | None = None

    def name(self, head: int) -> str:
        """The pattern that names a head."""
        return self.patterns[head][0].name if self.patterns[head] else NO_PATTERN

    def packed(self) -> tuple[str, int]:
        """Text of the block that the page reads, and how many bytes are in it."""
        entry = {
            "statistics": [
                [name, _numbers(each.values), _numbers(each.chances)]
                for name, each in self.statistics.items()
            ],
            "patterns": [
                [
                    [each.name, each.evidence, _rounded(each.confidence), _rounded(_clarity(each))]
                    for each in head
                ]
                for head in self.patterns
            ],
            "similar": [[[head, _rounded(far)] for head, far in near] for near in self.similar],
            "compared": self.compared,
        }
        if self.needs is not None:
            entry["needs"] = [self.needs.sentence(head) for head in range(len(self.patterns))]
        data = json.dumps(entry, separators=(",", ":"), allow_nan=False).encode("ascii")
        return as_text(deflate(data)), len(data)


def has_patterns(stack: Stack) -> bool:
    """Whether patterns can be told of the stack: not of gates, and not of one or two rows."""
    return stack.kind not in ("gate", "activation") and len(stack.query) >= FEWEST_ROWS


def measure_heads(
    stack: Stack, *, stacks: int = 1, importance: Importance | None = None, alike: bool = True
) -> HeadMeasures:
    """Measures every head of a stack, one of so many `stacks` that share the time.

    What the model needs of them stands first among their statistics, where it was measured. Which
    heads are alike takes most of the time, and is left out unless `alike`.
    """
    if stack.kind in ("gate", "activation"):
        nothing: list[list] = [[] for _ in range(stack.heads)]
        return HeadMeasures({}, nothing, nothing, 0)
    # NumPy lets go of the interpreter in long arrays, so layers are measured side by side, but no
    # more of them than there are cores: they would only take memory from one another.
    with ThreadPoolExecutor(os.cpu_count()) as workers:
        shown = workers.map(head_patterns, stack.maps)
        measured = list(workers.map(row_statistics, stack.maps))
        patterns = [head for heads in shown for head in heads]
    rows = _rows_to_compare(stack, stacks) if alike else 0
    similar: list[list[tuple[int, float]]] = [[] for _ in range(stack.heads)]
    if rows:
        distances = head_distances(stack.maps, most_rows=rows)
        similar = [similar_heads(distances, head, _SIMILAR) for head in range(stack.heads)]
    needs = head_needs(stack, importance)
    statistics = _statistics(measured)
    if needs is not None:
        # There is no telling what even attention would be worth.
        need = Statistic(needs.falls, np.full(stack.heads, np.nan))
        statistics = {NEED: need, **statistics}
    return HeadMeasures(statistics, patterns, similar, min(rows, len(stack.query)), needs)


def _statistics(measured: Sequence[Mapping[str, RowStatistic]]) -> dict[str, Statistic]:
    """Of all heads; what makes sense depends on the axes, which all maps of a stack share."""
    return {
        name: Statistic(
            np.concatenate([found[name].by_head() for found in measured]),
            np.concatenate([found[name].chance_by_head() for found in measured]),
        )
        for name in measured[0]
        if any(not np.isnan(found[name].by_head()).all() for found in measured)
    }


def _rows_to_compare(stack: Stack, stacks: int) -> int:
    """Of how many rows all pairs of heads can be compared in a moment; 0 for too few."""
    pairs = stack.heads * (stack.heads - 1) / 2
    if pairs == 0:
        return 0
    rows = int(_MOST_COMPARED / (stacks * pairs * len(stack.key)))
    enough = rows >= min(_FEWEST_COMPARED, len(stack.query))
    return min(rows, len(stack.query)) if enough else 0


def _numbers(values: Float[np.ndarray, " head"]) -> float | list[float | None] | None:
    """Four figures of each; one number where all are alike, as what chance gives often is."""
    found = [_rounded(float(value)) for value in values]
    return found[0] if len(set(found)) == 1 else found


def _clarity(pattern: HeadPattern) -> float:
    """How far a head is on the way from even attention (0) to the pattern alone (1)."""
    if pattern.chance >= 1:  # broad: even attention shows it wholly
        return pattern.value
    return max(0.0, (pattern.value - pattern.chance) / (1 - pattern.chance))


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else float(f"{value:.4g}")
