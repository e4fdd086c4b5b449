"""How far the heads of a model are from what they were: a check for each new version of it."""

import collections
import dataclasses
import math
from collections.abc import Collection, Iterator, Mapping

import numpy as np
from jaxtyping import Float

from attnreport._errors import InvalidAttentionError, UnknownNameError
from attnreport.analysis.comparing.divergence import changed_heads
from attnreport.analysis.comparing.matching import (
    Difference,
    MapPair,
    mask_change,
    match_maps,
    obstacle,
)
from attnreport.analysis.statistics.row_statistics import MEASURES, row_statistics
from attnreport.analysis.statistics.rows import mean_over_rows
from attnreport.recording import AttentionMap, Example, Recording

# The statistic that tells heads apart whose means agree: where each row looks.
ROW_DISTANCE = "row distance"
# Statistics read rows as shares; how strong a gate is, only this one sees.
STRENGTH = "strength"
_BY_UNIT = {"bits": 0.2, "share": 0.05, "positions": 0.5, "keys": 1.0}
# How far each statistic of a head may be from the baseline, in its unit, unless one says more.
TOLERANCES = {
    ROW_DISTANCE: 0.1,
    STRENGTH: 0.05,
    **{name: _BY_UNIT[measure.unit] for name, measure in MEASURES.items()},
    # A median jumps from one key to another where a mean hardly moves.
    "median distance": 2.0,
}

_Values = Float[np.ndarray, " head"]


@dataclasses.dataclass(frozen=True)
class Drift:
    """One statistic of one head beside the baseline's.

    Attributes:
        map: Name of the map.
        call: Which call of its module it is, from 0.
        group: Group of the map.
        layer: Number of its layer in the group.
        head: Number of the head in its map.
        statistic: A key of `TOLERANCES`.
        value: Mean over the examples that both have; NaN if an example has none that the
            baseline has. Of `row distance`, the mean Jensen-Shannon distance from the rows of the
            baseline; of `strength`, the mean sum of a row, as a multiple of the baseline's.
        baseline: The same of the baseline; of `row distance` 0, of `strength` 1.
        tolerance: How far apart the two may be.
    """

    map: str
    call: int
    group: str
    layer: int
    head: int
    statistic: str
    value: float
    baseline: float
    tolerance: float

    @property
    def difference(self) -> float:
        """By how much the value is above the baseline; NaN where one of them is missing."""
        return self.value - self.baseline

    @property
    def severity(self) -> float:
        """How many times the tolerance the difference is; infinite where one value is missing."""
        if math.isinf(self.tolerance):
            return 0.0
        size = abs(self.difference)
        if math.isnan(size):
            return math.inf
        if self.tolerance == 0:
            return math.inf if size > 0 else 0.0
        return size / self.tolerance

    @property
    def beyond(self) -> bool:
        """Whether the difference is larger than the tolerance."""
        return self.severity > 1


@dataclasses.dataclass(frozen=True)
class DriftCheck:
    """A recording held against a baseline.

    Attributes:
        drifts: Every statistic of every head that was compared, in the order of maps and heads.
        differences: In what else they differ, each of which fails the check.
        notes: What one should know and does not fail it, a sentence each.
        heads: How many heads were compared.
        examples: In how many examples.
    """

    drifts: tuple[Drift, ...]
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]
    heads: int
    examples: int

    @property
    def beyond(self) -> tuple[Drift, ...]:
        """What is beyond its tolerance."""
        return tuple(drift for drift in self.drifts if drift.beyond)

    @property
    def within(self) -> bool:
        """Whether nothing is beyond its tolerance, and nothing else differs."""
        return not self.differences and not self.beyond


def check_drift(
    recording: Recording, baseline: Recording, tolerances: Mapping[str, float] | None = None
) -> DriftCheck:
    """Whether the heads of a model do what they did when the baseline was recorded.

    Compared is every example that both have by name, map by map (see `match_maps`), head by head:
    the mean over examples of each statistic in `MEASURES`, the mean distance of rows and, where
    rows need not sum to one, their sums. A map that looks at other positions is not compared but
    told as a difference, and so are examples, maps and heads that only one of the two has.

    Args:
        recording: What the model does now.
        baseline: What it shall do.
        tolerances: How far a statistic may be from the baseline, in its unit, by name; infinite to
            ignore it. `TOLERANCES` holds for those left out.

    Raises:
        UnknownNameError: There is no statistic of that name.
        InvalidAttentionError: A tolerance is below 0.
    """
    allowed = _tolerances(tolerances or {})
    before = {example.name: example for example in baseline.examples}
    found = _Comparison([name for name, tolerance in allowed.items() if tolerance < math.inf])
    for example in recording.examples:
        if example.name in before:
            found.add(example, before.pop(example.name))
        else:
            found.tell("is not in the baseline", example)
    for example in before.values():
        found.tell("is missing: only the baseline has it", example)
    models = recording.source.model, baseline.source.model
    if models[0] != models[1]:
        found.note(f"The model is {models[0]!r} here and {models[1]!r} in the baseline.")
    return found.result(allowed)


def _tolerances(given: Mapping[str, float]) -> dict[str, float]:
    for name, value in given.items():
        if name not in TOLERANCES:
            raise UnknownNameError(
                f"There is no statistic {name!r}. Choose from {', '.join(TOLERANCES)}."
            )
        if not value >= 0:
            raise InvalidAttentionError(
                f"The tolerance of {name} is {value}. Give a number from 0 upwards."
            )
    return TOLERANCES | dict(given)


@dataclasses.dataclass
class _Series:
    """The values of one statistic of a map's heads, example by example, and the baseline's."""

    values: list[_Values] = dataclasses.field(default_factory=list)
    baseline: list[_Values] = dataclasses.field(default_factory=list)

    def add(self, values: _Values, baseline: _Values) -> None:
        """Takes in one more example."""
        self.values.append(values)
        self.baseline.append(baseline)

    def means(self) -> tuple[_Values, _Values]:
        """Means over the examples; NaN on a side that lacks a value which the other has."""
        here, there = np.stack(self.values, axis=-1), np.stack(self.baseline, axis=-1)
        return _mean_unless_lacking(here, there), _mean_unless_lacking(there, here)


def _mean_unless_lacking(
    values: Float[np.ndarray, "head example"], others: Float[np.ndarray, "head example"]
) -> _Values:
    lacking = (np.isnan(values) & ~np.isnan(others)).any(axis=-1)
    return np.where(lacking, np.nan, mean_over_rows(values))


def _mean_sums(attention: AttentionMap) -> _Values:
    return np.array(
        [attention.head(head).sum(axis=-1).mean(dtype=float) for head in range(attention.heads)]
    )


@dataclasses.dataclass
class _Heads:
    """The heads of one map over the examples so far."""

    pair: MapPair
    series: dict[str, _Series] = dataclasses.field(
        default_factory=lambda: collections.defaultdict(_Series)
    )

    def add(self, pair: MapPair, names: Collection[str]) -> None:
        wanted = [name for name in MEASURES if name in names]
        here, there = (row_statistics(each, wanted) for each in (pair.map, pair.baseline))
        nothing = np.full(pair.map.heads, np.nan)
        for name in wanted:
            if name in here or name in there:
                values, before = (
                    each[name].by_head() if name in each else nothing for each in (here, there)
                )
                self.series[name].add(values, before)
        if ROW_DISTANCE in names:
            distances = nothing.copy()
            for change in changed_heads([pair.map], [pair.baseline]):
                distances[change.head] = change.distance
            self.series[ROW_DISTANCE].add(distances, distances * 0)
        if STRENGTH in names and not (pair.map.normalized and pair.baseline.normalized):
            sums = _mean_sums(pair.baseline)
            # Where the baseline gives nothing, other statistics tell what is there now.
            multiples = _mean_sums(pair.map) / np.where(sums > 0, sums, np.nan)
            self.series[STRENGTH].add(multiples, np.where(np.isnan(multiples), np.nan, 1.0))

    def drifts(self, tolerances: Mapping[str, float]) -> Iterator[Drift]:
        means = {name: series.means() for name, series in self.series.items()}
        for head in range(self.pair.map.heads):
            for name, tolerance in tolerances.items():
                if name not in means:
                    continue
                value, before = (float(each[head]) for each in means[name])
                if not (math.isnan(value) and math.isnan(before)):
                    yield Drift(
                        map=self.pair.map.name,
                        call=self.pair.call,
                        group=self.pair.map.group,
                        layer=self.pair.layer,
                        head=head,
                        statistic=name,
                        value=value,
                        baseline=before,
                        tolerance=tolerance,
                    )


class _Comparison:
    """What two recordings showed so far, example by example."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = names
        self._maps: dict[tuple[str, int, int], _Heads] = {}
        self._told: dict[tuple[str, bool], tuple[dict[str, None], dict[str, None]]] = {}
        self._notes: dict[str, None] = {}
        self._examples: set[str] = set()

    def tell(self, what: str, example: Example, name: str | None = None) -> None:
        """Remembers a difference of an example, or of one of its maps."""
        maps, examples = self._told.setdefault((what, name is not None), ({}, {}))
        examples[example.name] = None
        if name is not None:
            maps[name] = None

    def note(self, sentence: str) -> None:
        """Remembers something that fails nothing."""
        self._notes[sentence] = None

    def add(self, example: Example, baseline: Example) -> None:
        """Takes in an example that both have."""
        matched = match_maps(example, baseline)
        for name in matched.added:
            self.tell("is not in the baseline", example, name)
        for name in matched.missing:
            self.tell("is missing: only the baseline has it", example, name)
        for pair in matched.pairs:
            self._add_pair(pair, example)

    def _add_pair(self, pair: MapPair, example: Example) -> None:
        name = pair.map.name
        if name != pair.baseline.name:
            self.note(
                f"Map {name!r} is compared with {pair.baseline.name!r} of the baseline, which is "
                "the same layer of its group."
            )
        reason = obstacle(pair)
        if reason is not None:
            self.tell(reason, example, name)
            return
        change = mask_change(pair)
        if change is not None:
            self.tell(change, example, name)
        # The number of heads may depend on the example only in the odd model.
        heads = self._maps.setdefault((name, pair.call, pair.map.heads), _Heads(pair))
        heads.add(pair, self._names)
        self._examples.add(example.name)

    def result(self, tolerances: Mapping[str, float]) -> DriftCheck:
        """What was found."""
        return DriftCheck(
            drifts=tuple(
                drift for heads in self._maps.values() for drift in heads.drifts(tolerances)
            ),
            differences=tuple(
                Difference(what, tuple(maps), tuple(examples))
                for (what, _), (maps, examples) in self._told.items()
            ),
            notes=tuple(self._notes),
            heads=sum(heads.pair.map.heads for heads in self._maps.values()),
            examples=len(self._examples),
        )
