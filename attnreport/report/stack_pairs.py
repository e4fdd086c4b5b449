"""The stacks of two recordings side by side, over the positions of both."""

import dataclasses

import numpy as np

from attnreport.analysis import ComparedMap, Comparison
from attnreport.recording.layers import with_numbers
from attnreport.report.stacks import Stack, stack_places


@dataclasses.dataclass(frozen=True)
class StackPair:
    """The layers of one attention group of one example, in both recordings.

    Attributes:
        first: The stack of the first recording, over the positions of both.
        second: That of the second, with the same layers, heads, queries and keys.
        maps: Both maps of each layer and how far they are apart, in the order of the layers.
    """

    first: Stack
    second: Stack
    maps: tuple[ComparedMap, ...]

    @property
    def distances(self) -> list[float | None]:
        """How much each head changed, layer by layer; None where that cannot be said."""
        values = np.concatenate([each.distances for each in self.maps])
        return [None if np.isnan(value) else float(value) for value in values]

    @property
    def most_changed(self) -> float:
        """How much the head changed that changed most; -1 where that cannot be said."""
        return max((each for each in self.distances if each is not None), default=-1.0)

    @property
    def largest_change(self) -> float:
        """The largest difference of two weights that both may have."""
        return max(
            float(np.abs(change_of(each, head)).max())
            for each in self.maps
            for head in range(each.first.heads)
        )


def stack_pairs(comparison: Comparison) -> list[StackPair]:
    """The stacks of all examples, example by example."""
    pairs = []
    for number, example in enumerate(comparison.examples):
        firsts = [each.first for each in example.maps]
        # Layers over the same positions of both are apart where each side lacks others of them.
        for label, places in stack_places(firsts, [_gaps(each) for each in example.maps]):
            maps = tuple(example.maps[place] for place in places)
            layers = [each.layer for each in maps]
            first, second = (
                Stack(number, label, with_numbers(own, layers))
                for own in ([m.first for m in maps], [m.second for m in maps])
            )
            pairs.append(StackPair(first, second, maps))
    return pairs


def change_of(compared: ComparedMap, head: int) -> np.ndarray:
    """Second less first, `[query, key]`; 0 where one of them has no weight."""
    both = np.broadcast_to(
        compared.first.allowed() & compared.second.allowed(), compared.first.weights.shape
    )[head]
    first, second = (
        each.head(head).astype(np.float32) for each in (compared.first, compared.second)
    )
    return np.where(both, second - first, np.float32(0))


def absent(compared: ComparedMap) -> tuple[dict[str, list[int]], dict[str, list[int]]]:
    """For the first and the second map the positions of both that it does not have."""
    axes = {"query": compared.query, "key": compared.key}
    first = {name: np.flatnonzero(axis.first < 0).tolist() for name, axis in axes.items()}
    second = {name: np.flatnonzero(axis.second < 0).tolist() for name, axis in axes.items()}
    return first, second


def _gaps(compared: ComparedMap) -> tuple[bytes, ...]:
    """What each side lacks, to be held against that of another layer."""
    sides = (compared.query.first, compared.query.second, compared.key.first, compared.key.second)
    return tuple((each < 0).tobytes() for each in sides)


def same_positions(pair: StackPair) -> bool:
    """Whether both recordings have all positions."""
    compared = pair.maps[0]
    return bool(compared.query.shared.all() and compared.key.shared.all())
