"""Two maps over different texts as two maps over the same positions."""

import dataclasses
import difflib
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Bool, Int

from attnreport.recording import AttentionMap, Axis, ItemAxis, StepAxis, TokenAxis
from attnreport.recording.axes import special_positions

# Of a position that a side does not have.
ABSENT = -1


@dataclasses.dataclass(frozen=True, eq=False)
class AlignedAxis:
    """The positions of two axes in one order.

    Attributes:
        axis: Every position of either; what both have stands there once.
        first: For each, which position of the first axis it is; `ABSENT` if it has none.
        second: The same of the second axis.
    """

    axis: Axis
    first: Int[np.ndarray, " position"]
    second: Int[np.ndarray, " position"]

    @property
    def shared(self) -> Bool[np.ndarray, " position"]:
        """Which positions both have."""
        return (self.first != ABSENT) & (self.second != ABSENT)


def aligned_axes(first: Axis, second: Axis) -> AlignedAxis | None:
    """Two axes as one; None where their positions cannot be told to be the same.

    Texts are aligned by their longest common stretches, one after the other (Ratcliff and
    Metzener 1988, as `difflib` has it). Where they part, the positions of the first come before
    those of the second. Grids, frames and channels are the same only if they are equally large.
    """
    if type(first) is not type(second):
        return None
    if first.labels == second.labels and len(first) == len(second):
        both = np.arange(len(first))
        return AlignedAxis(first, both, both)
    if not isinstance(first, TokenAxis | ItemAxis | StepAxis):
        return None
    pairs = list(_pairs(first.labels, second.labels))
    here, there = (np.array(side, int) for side in zip(*pairs, strict=True))
    return AlignedAxis(_joined(first, second, pairs), here, there)


def aligned_maps(
    first: AttentionMap, second: AttentionMap
) -> tuple[AttentionMap, AttentionMap] | None:
    """Two maps over the same positions; None where they cannot be held against each other.

    What one of them does not have is masked in it, so that only what both may look at remains to
    be compared. Weights stay as they are: a row whose keys the other lacks keeps the rest.
    """
    if first.heads != second.heads:
        return None
    query, key = aligned_axes(first.query, second.query), aligned_axes(first.key, second.key)
    if query is None or key is None:
        return None
    return (
        _placed(first, query.axis, key.axis, query.first, key.first),
        _placed(second, query.axis, key.axis, query.second, key.second),
    )


def _pairs(first: Sequence[str], second: Sequence[str]) -> Iterator[tuple[int, int]]:
    matcher = difflib.SequenceMatcher(None, list(first), list(second), autojunk=False)
    for _, start, end, begin, stop in matcher.get_opcodes():
        if end - start == stop - begin and first[start:end] == second[begin:stop]:
            yield from zip(range(start, end), range(begin, stop), strict=True)
        else:
            yield from ((position, ABSENT) for position in range(start, end))
            yield from ((ABSENT, position) for position in range(begin, stop))


def _joined(first: Axis, second: Axis, pairs: Sequence[tuple[int, int]]) -> Axis:
    labels = tuple(
        first.labels[here] if here != ABSENT else second.labels[there] for here, there in pairs
    )
    if isinstance(first, StepAxis):
        return StepAxis(labels)
    if isinstance(first, ItemAxis):
        return ItemAxis(labels)
    special = [set(special_positions(each)) for each in (first, second)]
    return TokenAxis(
        labels,
        tuple(at for at, (here, there) in enumerate(pairs) if _is_in(special, here, there)),
    )


def _is_in(special: Sequence[set[int]], here: int, there: int) -> bool:
    return here in special[0] if here != ABSENT else there in special[1]


def _placed(
    attention: AttentionMap,
    query: Axis,
    key: Axis,
    queries: Int[np.ndarray, " query"],
    keys: Int[np.ndarray, " key"],
) -> AttentionMap:
    """A map over more positions than it has."""
    if len(query) == len(attention.query) and len(key) == len(attention.key):
        return attention
    there = (queries != ABSENT)[:, None] & (keys != ABSENT)
    weights = np.where(there, attention.array()[:, queries][:, :, keys], 0)
    mask = np.broadcast_to(attention.allowed(), attention.weights.shape)[:, queries][:, :, keys]
    mask = mask & there
    return dataclasses.replace(
        attention,
        weights=weights.astype(np.float32),
        query=query,
        key=key,
        mask=mask if (mask != mask[:1]).any() else mask[0],
        reference=None,
        reference_name="",
        logits=None,
        first_step=None,
        scoring=None,
    )
