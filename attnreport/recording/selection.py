"""Takes some of the examples and maps out of a recording."""

import dataclasses
from collections.abc import Collection, Iterable
from typing import Any

from attnreport._errors import UnknownNameError
from attnreport.recording.layers import layer_numbers, with_numbers
from attnreport.recording.recording import Recording


def selected(
    recording: Recording,
    *,
    examples: Iterable[str | int] | None = None,
    groups: Iterable[str] | None = None,
    layers: Iterable[int] | None = None,
) -> Recording:
    """The examples and maps that are named, in their order; see `Recording.select`.

    Raises:
        UnknownNameError: There is no such example, group or layer.
    """
    numbers = [layer_numbers(example.maps) for example in recording.examples]
    names = [example.name for example in recording.examples]
    groups_here = [each.group for example in recording.examples for each in example.maps]
    layers_here = sorted({number for of_example in numbers for number in of_example})
    kept_examples = _chosen(examples, [*names, *range(len(names))], "example")
    kept_groups = _chosen(groups, groups_here, "group")
    kept_layers = _chosen(layers, layers_here, "layer")
    kept = []
    for index, example in enumerate(recording.examples):
        chosen = [
            (attention, layer)
            for attention, layer in zip(example.maps, numbers[index], strict=True)
            if attention.group in kept_groups and layer in kept_layers
        ]
        if chosen and (example.name in kept_examples or index in kept_examples):
            maps = with_numbers(*zip(*chosen, strict=True))
            kept.append(dataclasses.replace(example, maps=maps))
    return dataclasses.replace(recording, examples=tuple(kept))


def _chosen(wanted: Iterable[Any] | None, known: Iterable[Any], noun: str) -> Collection[Any]:
    """What is wanted, or everything if nothing is said."""
    everything = dict.fromkeys(known)
    if wanted is None:
        return everything
    chosen = [wanted] if isinstance(wanted, str) else list(wanted)
    for each in chosen:
        if each not in everything:
            listed = ", ".join(repr(name) for name in everything)
            raise UnknownNameError(f"There is no {noun} {each!r}. Choose from {listed}.")
    return set(chosen)
