"""Which map of one recording is which of another, and how what they looked at differs."""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from attnreport.recording import AttentionMap, Axis, Example, layer_numbers, special_positions


@dataclasses.dataclass(frozen=True)
class Difference:
    """Something besides weights in which two recordings differ.

    Attributes:
        what: What it is, as the end of a sentence about the maps, or else about the examples.
        maps: Names of the maps; empty if it is about whole examples.
        examples: Names of the examples.
    """

    what: str
    maps: tuple[str, ...]
    examples: tuple[str, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class MapPair:
    """A map and its counterpart in the baseline.

    Attributes:
        call: Which call of its module it is, from 0.
        layer: Number of its layer in its group.
        map: The map.
        baseline: Its counterpart.
    """

    call: int
    layer: int
    map: AttentionMap
    baseline: AttentionMap


@dataclasses.dataclass(frozen=True)
class MatchedMaps:
    """The maps of an example beside those of the same example in the baseline.

    Attributes:
        pairs: Those that both have, in the order of the example.
        added: Names of those that the baseline lacks.
        missing: Names of those that only the baseline has.
    """

    pairs: tuple[MapPair, ...]
    added: tuple[str, ...]
    missing: tuple[str, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class _Placed:
    map: AttentionMap
    call: int
    layer: int


def match_maps(example: Example, baseline: Example) -> MatchedMaps:
    """The maps that are the same in two examples.

    Maps are the same if they have the same name and are the same call of it. Of those left over,
    as after modules were renamed, maps are the same if they have the same group and layer.
    """
    left = list(_placed(example))
    right = list(_placed(baseline))
    by_name = {(each.map.name, each.call): each for each in right}
    partners = {id(each): by_name.get((each.map.name, each.call)) for each in left}
    taken = {id(each) for each in partners.values() if each is not None}
    by_layer = {(each.map.group, each.layer): each for each in right if id(each) not in taken}
    pairs, added = [], []
    for each in left:
        # A layer of a group is there once, so no partner is given away twice.
        partner = partners[id(each)] or by_layer.get((each.map.group, each.layer))
        if partner is None:
            added.append(each.map.name)
        else:
            taken.add(id(partner))
            pairs.append(MapPair(each.call, each.layer, each.map, partner.map))
    missing = [each.map.name for each in right if id(each) not in taken]
    return MatchedMaps(tuple(pairs), tuple(added), tuple(missing))


def obstacle(pair: MapPair) -> str | None:
    """Why the rows of a map cannot be held against those of its counterpart; None if they can."""
    reason = unlike(pair, "here", "in the baseline")
    if reason is not None:
        return reason
    here, there = pair.map, pair.baseline
    sizes = [(len(each.query), len(each.key)) for each in (here, there)]
    if sizes[0] != sizes[1]:
        (queries, keys), (before, among) = sizes
        return (
            f"has {queries} queries x {keys} keys here and {before} queries x {among} keys in the "
            "baseline"
        )
    for name in ("query", "key"):
        change = _axis_change(getattr(here, name), getattr(there, name))
        if change:
            return f"has another {name}: {change}"
    return None


def unlike(pair: MapPair, place: str, other: str) -> str | None:
    """Why the heads of a map are not those of its counterpart, on whatever text; None if they are.

    Args:
        pair: The map and its counterpart.
        place: Where the map is, as it stands in the sentence.
        other: Where its counterpart is.
    """
    here, there = pair.map, pair.baseline
    if here.kind != there.kind:
        return f"is {here.kind} attention {place} and {there.kind} attention {other}"
    if here.heads != there.heads:
        return f"has {_heads(here.heads)} {place} and {there.heads} {other}"
    return None


def mask_change(pair: MapPair) -> str | None:
    """How the mask differs of a map and its counterpart, which have the same shape."""
    here, there = (
        np.broadcast_to(each.allowed(), each.weights.shape) for each in (pair.map, pair.baseline)
    )
    count = int(np.count_nonzero(here != there))
    if count == 0:
        return None
    return f"has another mask: it differs in {count:,} of {here.size:,} cells"


def _placed(example: Example) -> Iterator[_Placed]:
    calls: Counter[str] = Counter()
    for attention, layer in zip(example.maps, layer_numbers(example.maps), strict=True):
        yield _Placed(attention, calls[attention.name], layer)
        calls[attention.name] += 1


def _heads(count: int) -> str:
    return "1 head" if count == 1 else f"{count} heads"


def _axis_change(here: Axis, there: Axis) -> str | None:
    """The first position that is not the same."""
    labels: Sequence[tuple[str, str]] = list(zip(here.labels, there.labels, strict=True))
    for position, (label, before) in enumerate(labels):
        if label != before:
            return f"position {position} is {label!r} here and {before!r} in the baseline"
    special = set(special_positions(here)) ^ set(special_positions(there))
    if special:
        position = min(special)
        place = "here" if position in special_positions(here) else "in the baseline"
        return f"position {position}, {labels[position][0]!r}, is a marker only {place}"
    return None
