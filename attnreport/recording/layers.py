"""The numbers of layers, which outlast a selection."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Sequence

from attnreport.recording.attention_map import AttentionMap


def layer_numbers(maps: Iterable[AttentionMap]) -> tuple[int, ...]:
    """Number of each map's layer: the one it says, or else its place among those of its group.

    Args:
        maps: Maps of one example, in order.
    """
    places: Counter[str] = Counter()
    numbers = []
    for attention in maps:
        place = places[attention.group]
        numbers.append(place if attention.layer is None else attention.layer)
        places[attention.group] += 1
    return tuple(numbers)


def with_numbers(maps: Sequence[AttentionMap], numbers: Sequence[int]) -> tuple[AttentionMap, ...]:
    """The maps as layers of the given numbers.

    A number is written down only where the map's place would say another.
    """
    return tuple(
        attention if found == number else dataclasses.replace(attention, layer=number)
        for attention, number, found in zip(maps, numbers, layer_numbers(maps), strict=True)
    )


def numbers_text(numbers: Iterable[int]) -> str:
    """The numbers in order, three or more in a row as a range: `0–2, 4, 5`."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(
        f"{run[0]}–{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs
    )
