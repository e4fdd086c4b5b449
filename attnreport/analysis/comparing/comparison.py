"""What changed between two recordings, head by head: inputs, checkpoints or models."""

import dataclasses
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

from attnreport._errors import InvalidAttentionError
from attnreport.analysis.comparing.aligning import AlignedAxis, aligned_axes, aligned_maps
from attnreport.analysis.comparing.divergence import changed_heads
from attnreport.analysis.comparing.matching import MapPair, match_maps, unlike
from attnreport.recording import AttentionMap, Example, Recording


@dataclasses.dataclass(frozen=True, eq=False)
class ComparedMap:
    """A map of both recordings, over the positions of both.

    Attributes:
        layer: Number of its layer in its group.
        first: The map in the first recording.
        second: The map in the second, with the same heads, queries and keys.
        query: The positions that look, and which of them each map has.
        key: The same of the positions that are looked at.
        distances: For each head, the mean Jensen-Shannon distance of the rows that both have, over
            the keys that both may look at, from 0 to 1; NaN where no row can be compared.
    """

    layer: int
    first: AttentionMap
    second: AttentionMap
    query: AlignedAxis
    key: AlignedAxis
    distances: Float[np.ndarray, " head"]


@dataclasses.dataclass(frozen=True, eq=False)
class ComparedExample:
    """An example of both recordings.

    Attributes:
        first: The example in the first recording.
        second: The example in the second.
        maps: The maps that could be compared, in forward order.
    """

    first: Example
    second: Example
    maps: tuple[ComparedMap, ...]

    @property
    def name(self) -> str:
        """What it is called; both names where they differ."""
        if self.first.name == self.second.name:
            return self.first.name
        return f"{self.first.name} / {self.second.name}"

    def scores(self) -> dict[str, float]:
        """How much its heads changed on average; empty where that cannot be said."""
        distances = np.concatenate([each.distances for each in self.maps])
        known = distances[~np.isnan(distances)]
        return {"mean change": float(known.mean())} if len(known) else {}


@dataclasses.dataclass(frozen=True)
class ChangedHead:
    """How much one head changed.

    Attributes:
        group: Group of its map.
        map: Name of its map in the first recording.
        layer: Number of its layer in the group.
        head: Its number in the map.
        distance: Mean over the examples of the distance of its rows, from 0 to 1.
        most: Name of the example in which it changed most.
        largest: Its distance there.
    """

    group: str
    map: str
    layer: int
    head: int
    distance: float
    most: str
    largest: float


@dataclasses.dataclass(frozen=True, eq=False)
class Comparison:
    """Two recordings side by side.

    Attributes:
        first: One of them.
        second: The other.
        examples: What both have.
        notes: What could not be compared, and why, a sentence each.
    """

    first: Recording
    second: Recording
    examples: tuple[ComparedExample, ...]
    notes: tuple[str, ...]

    def heads(self) -> list[ChangedHead]:
        """Every head, the most changed first; those that cannot be compared are left out."""
        found: dict[tuple[str, int, str, int], list[tuple[float, str]]] = {}
        for example in self.examples:
            for each in example.maps:
                for head, distance in enumerate(each.distances):
                    if not np.isnan(distance):
                        place = (each.first.group, each.layer, each.first.name, head)
                        found.setdefault(place, []).append((float(distance), example.name))
        heads = []
        for (group, layer, name, head), distances in found.items():
            largest, most = max(distances, key=lambda pair: pair[0])
            mean = float(np.mean([distance for distance, _ in distances]))
            heads.append(ChangedHead(group, name, layer, head, mean, most, largest))
        return sorted(heads, key=lambda each: -each.distance)


def compare(first: Recording, second: Recording) -> Comparison:
    """What changed from one recording to another.

    Examples are the same if they have the same name; if none has and each recording has only one,
    these two are compared, as two inputs of one model. Maps are matched as by `match_maps`; tokens
    are aligned (see `aligned_axes`).

    Raises:
        InvalidAttentionError: No example can be compared.
    """
    notes: dict[str, None] = {}
    examples = tuple(
        ComparedExample(one, other, tuple(_compared(one, other, notes)))
        for one, other in _examples(first, second, notes)
    )
    examples = tuple(each for each in examples if each.maps)
    if not examples:
        said = " ".join(notes) or "They have no map in common."
        raise InvalidAttentionError(
            f"Nothing of the two recordings can be compared. {said} Compare recordings of one "
            "model on two inputs, or of two checkpoints or models of one shape on the same inputs."
        )
    return Comparison(first, second, examples, tuple(notes))


def _examples(
    first: Recording, second: Recording, notes: dict[str, None]
) -> Iterator[tuple[Example, Example]]:
    others = {each.name: each for each in second.examples}
    names = [each.name for each in first.examples if each.name in others]
    if not names and len(first.examples) == len(second.examples) == 1:
        yield first.examples[0], second.examples[0]
        return
    for example in first.examples:
        if example.name in others:
            yield example, others.pop(example.name)
        else:
            notes[f"Example {example.name!r} is only in the first recording."] = None
    for name in others:
        notes[f"Example {name!r} is only in the second recording."] = None


def _compared(one: Example, other: Example, notes: dict[str, None]) -> Iterator[ComparedMap]:
    matched = match_maps(one, other)
    for name in matched.added:
        notes[f"Map {name!r} is only in the first recording."] = None
    for name in matched.missing:
        notes[f"Map {name!r} is only in the second recording."] = None
    for pair in matched.pairs:
        reason = unlike(pair, "in the first", "in the second")
        if reason is not None:
            notes[f"Map {pair.map.name!r} {reason}."] = None
            continue
        maps = aligned_maps(pair.map, pair.baseline)
        query = aligned_axes(pair.map.query, pair.baseline.query)
        key = aligned_axes(pair.map.key, pair.baseline.key)
        if maps is None or query is None or key is None:
            notes[_obstacle(pair)] = None
            continue
        lacking = [name for name, axis in (("query", query), ("key", key)) if not axis.shared.any()]
        if lacking:
            notes[f"Map {pair.map.name!r} has no {lacking[0]} that is in both."] = None
            continue
        distances = np.full(maps[0].heads, np.nan)
        for change in changed_heads([maps[0]], [maps[1]]):
            distances[change.head] = change.distance
        yield ComparedMap(pair.layer, *maps, query, key, distances)


def _obstacle(pair: MapPair) -> str:
    here, there = pair.map, pair.baseline
    return (
        f"The positions of map {here.name!r} are {_sizes(here)} in the first and {_sizes(there)} "
        "in the second, and cannot be told to be the same."
    )


def _sizes(attention: AttentionMap) -> str:
    return (
        f"{len(attention.query)} {attention.query.kind} × {len(attention.key)} {attention.key.kind}"
    )
