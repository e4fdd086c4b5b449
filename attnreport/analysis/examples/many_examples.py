"""Statistics and patterns of all heads over a whole data set, one example after the other."""

import dataclasses
import heapq
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import Self

from attnreport._errors import InvalidAttentionError
from attnreport.analysis.examples.moments import RunningMoments
from attnreport.analysis.patterns.head_patterns import head_patterns
from attnreport.analysis.statistics.row_statistics import MEASURES, row_statistics
from attnreport.recording import AttentionMap, Example, layer_numbers

# So many examples that show a pattern most are kept for each head.
TOP = 5


@dataclasses.dataclass(frozen=True)
class Spread:
    """One statistic of one head over many examples.

    Attributes:
        count: How many examples had it.
        mean: Mean over these; NaN without one.
        deviation: Standard deviation between examples; NaN of fewer than two.
        chance: Mean of what even attention would have had.
    """

    count: int
    mean: float
    deviation: float
    chance: float


@dataclasses.dataclass(frozen=True)
class PatternShare:
    """How often one head showed one pattern.

    Attributes:
        measured: In how many examples rows told of it.
        found: In how many of these the head showed it.
        top: Value and name of the examples that show it most, highest first.
    """

    measured: int
    found: int
    top: tuple[tuple[float, str], ...]


@dataclasses.dataclass(frozen=True)
class HeadSummary:
    """One head over many examples.

    Attributes:
        map: Name of its map.
        call: Which call of the module it is, from 0, where one is called several times.
        group: Group of the map.
        layer: Number of its layer in the group, in the first example that has it.
        head: Number of the head in the map.
        statistics: By name, in the order of `MEASURES`; those that no example had are left out.
        patterns: By name; those of which no example told are left out.
    """

    map: str
    call: int
    group: str
    layer: int
    head: int
    statistics: dict[str, Spread]
    patterns: dict[str, PatternShare]


def summarize_examples(
    examples: Iterable[Example],
    *,
    top: int = TOP,
    wanted: Callable[[AttentionMap, int], bool] | None = None,
) -> list[HeadSummary]:
    """Every head over all examples, in the order of maps.

    Examples are read once, and none is kept, so they may come from a generator, and memory does
    not grow with them. Maps are the same in two examples if they have the same name and are the
    same call of it.

    Args:
        examples: Examples of one model.
        top: How many examples that show a pattern most are kept by name.
        wanted: Says of a map and the number of its layer whether to measure it; all if left out.

    Raises:
        InvalidAttentionError: A map has different numbers of heads in two examples.
    """
    maps: dict[tuple[str, int], _MapSummary] = {}
    for example in examples:
        calls: Counter[str] = Counter()
        for attention, layer in zip(example.maps, layer_numbers(example.maps), strict=True):
            place = (attention.name, calls[attention.name])
            calls[attention.name] += 1
            if wanted is None or wanted(attention, layer):
                summary = maps.setdefault(place, _MapSummary.of(attention, layer, top))
                summary.add(attention, example.name)
    return [head for (name, call), summary in maps.items() for head in summary.heads(name, call)]


@dataclasses.dataclass
class _Tally:
    """How often a head showed a pattern so far, and the examples that show it most, as a heap."""

    measured: int = 0
    found: int = 0
    top: list[tuple[float, int, str]] = dataclasses.field(default_factory=list)


class _MapSummary:
    """The heads of one map over the examples so far."""

    def __init__(self, group: str, layer: int, heads: int, top: int) -> None:
        self._group, self._layer, self._heads, self._top = group, layer, heads, top
        self._values = {name: RunningMoments(heads) for name in MEASURES}
        self._chance = {name: RunningMoments(heads) for name in MEASURES}
        self._tallies = [defaultdict(_Tally) for _ in range(heads)]
        self._examples = 0

    @classmethod
    def of(cls, attention: AttentionMap, layer: int, top: int) -> Self:
        return cls(attention.group, layer, attention.heads, top)

    def add(self, attention: AttentionMap, example: str) -> None:
        if attention.heads != self._heads:
            raise InvalidAttentionError(
                f"The map {attention.name!r} has {self._heads} heads in the first example and "
                f"{attention.heads} in {example!r}. Give examples of one model."
            )
        for name, statistic in row_statistics(attention).items():
            self._values[name].add(statistic.by_head())
            self._chance[name].add(statistic.chance_by_head())
        for tallies, patterns in zip(
            self._tallies, head_patterns(attention, every=True), strict=True
        ):
            for pattern in patterns:
                tally = tallies[pattern.name]
                tally.measured += 1
                tally.found += pattern.found
                # Of equals the first example stays: the later one has the lower number.
                self._keep(tally.top, (pattern.value, -self._examples, example))
        self._examples += 1

    def _keep(self, heap: list[tuple[float, int, str]], entry: tuple[float, int, str]) -> None:
        if len(heap) < self._top:
            heapq.heappush(heap, entry)
        elif heap:
            heapq.heappushpop(heap, entry)

    def heads(self, name: str, call: int) -> list[HeadSummary]:
        return [
            HeadSummary(
                map=name,
                call=call,
                group=self._group,
                layer=self._layer,
                head=head,
                statistics=self._spreads(head),
                patterns=self._shares(head),
            )
            for head in range(self._heads)
        ]

    def _spreads(self, head: int) -> dict[str, Spread]:
        return {
            name: Spread(
                int(values.count[head]),
                float(values.mean[head]),
                float(values.deviation[head]),
                float(self._chance[name].mean[head]),
            )
            for name, values in self._values.items()
            if values.count[head]
        }

    def _shares(self, head: int) -> dict[str, PatternShare]:
        return {
            name: PatternShare(
                tally.measured,
                tally.found,
                tuple((value, example) for value, _, example in sorted(tally.top, reverse=True)),
            )
            for name, tally in self._tallies[head].items()
        }
