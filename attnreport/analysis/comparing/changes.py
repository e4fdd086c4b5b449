"""What changed between two recordings, in plain sentences with a numeral first."""

import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from attnreport.analysis.comparing.aligning import ABSENT, AlignedAxis
from attnreport.analysis.comparing.comparison import ComparedExample, ComparedMap
from attnreport.analysis.comparing.divergence import jensen_shannon_distance
from attnreport.analysis.reading.findings import Finding
from attnreport.analysis.statistics.rows import mean_over_rows
from attnreport.analysis.words import quoted_label
from attnreport.recording import AttentionMap, Axis

# So many positions are named in a sentence; more are counted.
_MOST_NAMES = 3
# Rows that are the same but for the rounding of float32 are not further apart.
_ROUNDING = 1e-6


@dataclasses.dataclass(frozen=True)
class ChangedCell:
    """Where two maps differ most.

    Attributes:
        map: Place of the map among those of its example.
        head: The head whose rows differ most on average.
        query: Its row that differs most.
        key: The key of that row whose weight differs most.
    """

    map: int
    head: int
    query: int
    key: int


def row_distances(compared: ComparedMap, head: int) -> Float[np.ndarray, " query"]:
    """How much each row of a head changed, from 0 to 1; NaN where nothing can be compared."""
    return jensen_shannon_distance(
        compared.first.head(head), compared.second.head(head), both_may(compared, head)
    )


def both_may(compared: ComparedMap, head: int) -> Bool[np.ndarray, "query key"]:
    """Where a query may look at a key in both maps."""
    allowed = compared.first.allowed() & compared.second.allowed()
    return np.broadcast_to(allowed, compared.first.weights.shape)[head]


def most_changed_cell(maps: Sequence[ComparedMap]) -> ChangedCell | None:
    """Where maps differ most; None where none can be compared."""
    distances = [(place, *each) for place, m in enumerate(maps) for each in _by_head(m)]
    if not distances:
        return None
    place, head, _ = max(distances, key=lambda each: each[2])
    rows = row_distances(maps[place], head)
    query = int(np.nanargmax(rows))
    moved = np.abs(maps[place].second.head(head) - maps[place].first.head(head))
    key = int(np.argmax(np.where(both_may(maps[place], head), moved, -1)[query]))
    return ChangedCell(place, head, query, key)


def change_findings(example: ComparedExample, maps: Sequence[ComparedMap]) -> list[Finding]:
    """The most telling sentences about what changed between maps of one group, best first.

    The first recording is called A and the second B. Shares are rounded to whole percents.

    Args:
        example: The example that the maps are of.
        maps: Those of its maps that are of one group, in the order of their layers.
    """
    cell = most_changed_cell(maps)
    if cell is None:
        return []
    if all(_same_weights(each) for each in maps):
        return [Finding("0 heads", "changed: every head gives the same weights in A and B")]
    if max(float(np.nanmax(each.distances)) for each in maps if _has_distance(each)) < _ROUNDING:
        found = [_same_shares(maps), _only_in_one(maps)]
    else:
        found = [_most_changed(maps, cell), _spread(maps), _query(maps, cell), _only_in_one(maps)]
    return [finding for finding in found if finding]


def _same_weights(compared: ComparedMap) -> bool:
    """Whether both give the same, also to what only one of them has."""
    return np.array_equal(compared.first.array(), compared.second.array())


def _same_shares(maps: Sequence[ComparedMap]) -> Finding:
    """That the distance is 0, which rescales rows, and how far the weights themselves are apart."""
    most = max(
        float(np.abs(np.where(both_may(each, head), each.second.head(head) - before, 0)).max())
        for each in maps
        for head, before in enumerate(each.first.array())
    )
    apart = f"differ there by up to {most:.3f}" if most > 0 else "are the same there, too"
    return Finding(
        "0 heads",
        "changed over what both have: every head gives the same shares there in A and B",
        detail=f"The weights themselves {apart}.",
    )


def _by_head(compared: ComparedMap) -> Iterator[tuple[int, float]]:
    for head, distance in enumerate(compared.distances):
        if not np.isnan(distance):
            yield head, float(distance)


def _has_distance(compared: ComparedMap) -> bool:
    return not np.isnan(compared.distances).all()


def _most_changed(maps: Sequence[ComparedMap], cell: ChangedCell) -> Finding:
    """Which head changed most, and where its attention went on average."""
    changed = maps[cell.map]
    before, after = (
        _mean_row(each, cell.head, changed) for each in (changed.first, changed.second)
    )
    key = int(np.argmax(np.abs(after - before)))
    name = quoted_label(changed.key.axis, key)
    if _gives_shares(maps):
        text = f"looked at {name} with {_percent(before[key])} in A, {_percent(after[key])} in B"
    else:
        text = f"gave {name} a strength of {before[key]:.3g} in A, {after[key]:.3g} in B"
    distance = f"{changed.distances[cell.head]:.2f}"
    value, detail = distance, "Mean over its rows."
    if sum(each.first.heads for each in maps) > 1:
        value, text = f"L{changed.layer} H{cell.head}", f"changed most: it {text}"
        detail = f"Mean over its rows; their distance is {distance}."
    else:
        text = f"is how far A and B are apart; the head {text}"
    return Finding(
        value, text, (changed.first.group, cell.map, cell.head), (cell.query, cell.key), detail
    )


def _mean_row(
    attention: AttentionMap, head: int, changed: ComparedMap
) -> Float[np.ndarray, " key"]:
    """Where the rows look on average that both have, without keys that only one has."""
    weights = attention.head(head)
    mean = weights[changed.query.shared].mean(axis=0, dtype=np.float64)
    return np.where(changed.key.shared, mean, 0)


def _gives_shares(maps: Sequence[ComparedMap]) -> bool:
    """Whether weights are shares of what a row gives, and not strengths."""
    return all(
        side.normalized and side.kind not in ("gate", "activation")
        for each in maps
        for side in (each.first, each.second)
    )


def _percent(share: float) -> str:
    """Whole percents, and tenths where that would say little."""
    return f"{share:.0%}" if share >= 0.0995 or share == 0 else f"{share:.1%}"


def _spread(maps: Sequence[ComparedMap]) -> Finding | None:
    """How much is much among these heads, and in which layers."""
    distances = np.concatenate([each.distances for each in maps])
    known = distances[~np.isnan(distances)]
    if len(known) < 2:
        return None
    text = f"is how much the middle one of {len(known)} heads changed; 0 is not at all, 1 wholly"
    means = {each.layer: float(np.nanmean(each.distances)) for each in maps if _has_distance(each)}
    detail = ""
    if len(means) > 1:
        most, least = max(means, key=means.__getitem__), min(means, key=means.__getitem__)
        detail = f"Layer {most} changed most, {means[most]:.2f}; "
        detail += f"layer {least} least, {means[least]:.2f}."
    return Finding(f"{np.median(known):.2f}", text, detail=detail)


def _query(maps: Sequence[ComparedMap], cell: ChangedCell) -> Finding | None:
    """Whose rows changed most over all heads."""
    axis = maps[0].query.axis
    if len(axis) < 2:
        return None
    rows = [row_distances(each, head) for each in maps for head in range(each.first.heads)]
    means = mean_over_rows(np.stack(rows).T)
    if np.isnan(means).all():
        return None
    query = int(np.nanargmax(means))
    what = "attention" if _gives_shares(maps) else "strengths"
    text = f"is the position whose {what} changed most over all heads"
    changed = maps[cell.map].first
    head = (changed.group, cell.map, cell.head)
    return Finding(
        quoted_label(axis, query),
        text,
        head,
        (query, cell.key),
        detail=f"Its rows differ by {means[query]:.2f} on average.",
    )


def _only_in_one(maps: Sequence[ComparedMap]) -> Finding | None:
    """How much attention the keys get that only one of the two has."""
    told = [
        (letter, _share_of(maps, side, only), _named(maps[0].key.axis, only))
        for side, (letter, only) in enumerate(zip("AB", only_in_one(maps[0].key), strict=True))
        if len(only)
    ]
    if not told:
        return None
    (letter, share, names), *others = sorted(told, key=lambda each: -each[1])
    what = "attention" if _gives_shares(maps) else "strength"
    text = f"of the {what} in {letter} goes to what only {letter} has, {names}"
    detail = "".join(f"In {x} {part:.0%} go to {what}. " for x, part, what in others)
    return Finding(f"{share:.0%}", text, detail=f"{detail}Mean over heads and rows of both.")


def only_in_one(axis: AlignedAxis) -> tuple[Int[np.ndarray, " a"], Int[np.ndarray, " b"]]:
    """The positions that only the first axis has, and those that only the second has."""
    lacking = [np.flatnonzero(side == ABSENT) for side in (axis.second, axis.first)]
    return lacking[0], lacking[1]


def _share_of(maps: Sequence[ComparedMap], side: int, keys: Int[np.ndarray, " key"]) -> float:
    """What some keys get of all, as a mean over all heads and the rows that both have."""
    rows = [(each.first, each.second)[side].array()[:, each.query.shared] for each in maps]
    part = np.mean([each[:, :, keys].sum(axis=-1).mean(dtype=np.float64) for each in rows])
    if _gives_shares(maps):
        return float(part)
    whole = np.mean([each.sum(axis=-1).mean(dtype=np.float64) for each in rows])
    return float(part / whole) if whole > 0 else 0.0


def _named(axis: Axis, places: Int[np.ndarray, " place"]) -> str:
    names = [quoted_label(axis, int(place)) for place in places[:_MOST_NAMES]]
    names += [f"{len(places) - _MOST_NAMES} more"] if len(places) > _MOST_NAMES else []
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
