"""Groups the maps of a recording into stacks: layers that share their positions and a picture."""

import dataclasses
from collections.abc import Hashable, Iterator, Sequence

from attnreport.recording import AttentionMap, Axis, GridAxis, Kind, Recording, layer_numbers
from attnreport.recording.layers import with_numbers


@dataclasses.dataclass(frozen=True)
class Stack:
    """The layers of one attention group of one example.

    Attributes:
        example: Number of the example in its recording.
        label: Name of the group, unique within the example.
        maps: One map per layer, in forward order. They may differ in their numbers of heads. A
            map's place here is its `layer` everywhere in the page's data; what a reader is told
            is its layer number.
    """

    example: int
    label: str
    maps: tuple[AttentionMap, ...]

    @property
    def query(self) -> Axis:
        """What the positions that look mean."""
        return self.maps[0].query

    @property
    def key(self) -> Axis:
        """What the positions that are looked at mean."""
        return self.maps[0].key

    @property
    def layer_numbers(self) -> tuple[int, ...]:
        """Number of each layer in the model, in the order of `maps`."""
        return layer_numbers(self.maps)

    @property
    def kind(self) -> Kind:
        """What attends to what, or what it is instead."""
        return self.maps[0].kind

    @property
    def is_self(self) -> bool:
        """Whether queries and keys are the same positions."""
        return self.kind == "self" and self.query == self.key

    @property
    def is_map(self) -> bool:
        """Whether a single query looks at the cells of a grid."""
        return len(self.query) == 1 and isinstance(self.key, GridAxis)

    @property
    def heads(self) -> int:
        """Number of heads in all layers together."""
        return sum(attention.heads for attention in self.maps)

    @property
    def cells(self) -> int:
        """Number of weights of one head."""
        return len(self.query) * len(self.key)

    @property
    def weights(self) -> int:
        """Number of weights in all heads."""
        return self.heads * self.cells


def stacks_of(recording: Recording) -> list[Stack]:
    """The stacks of all examples, example by example."""
    return [
        stack
        for index, example in enumerate(recording.examples)
        for stack in _stacks_of_maps(index, example.maps)
    ]


def _stacks_of_maps(example: int, maps: tuple[AttentionMap, ...]) -> Iterator[Stack]:
    numbers = layer_numbers(maps)
    for label, places in stack_places(maps):
        own = [maps[place] for place in places]
        # A layer keeps the number it has in its group, wherever it stands in the stack.
        yield Stack(example, label, with_numbers(own, [numbers[place] for place in places]))


def stack_places(
    maps: Sequence[AttentionMap], apart: Sequence[Hashable] | None = None
) -> list[tuple[str, list[int]]]:
    """For each stack of an example its label, and which of the example's maps are in it.

    Args:
        maps: The maps of the example.
        apart: For each map something in which those of one stack are equal, too.
    """
    together: dict[tuple[Hashable, ...], list[int]] = {}
    for place, attention in enumerate(maps):
        own = None if apart is None else apart[place]
        key = (attention.group, attention.kind, attention.query, attention.key, own)
        together.setdefault(key, []).append(place)
    found: dict[str, list[int]] = {}
    for places in together.values():
        group = maps[places[0]].group
        # A group whose layers see different lengths needs one picture per length.
        label, count = group, 2
        while label in found:
            label, count = f"{group} ({count})", count + 1
        found[label] = places
    return list(found.items())
