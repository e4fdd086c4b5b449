"""Groups the maps of a recording into stacks: layers that share their positions and a picture."""

import dataclasses
from collections.abc import Iterator

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
    together: dict[tuple[str, str, Axis, Axis], list[tuple[AttentionMap, int]]] = {}
    for attention, number in zip(maps, layer_numbers(maps), strict=True):
        place = (attention.group, attention.kind, attention.query, attention.key)
        together.setdefault(place, []).append((attention, number))
    taken: set[str] = set()
    for (group, *_), members in together.items():
        # A group whose layers see different lengths needs one picture per length.
        label, count = group, 2
        while label in taken:
            label, count = f"{group} ({count})", count + 1
        taken.add(label)
        # A layer keeps the number it has in its group, wherever it stands in the stack.
        yield Stack(example, label, with_numbers(*zip(*members, strict=True)))
