"""Takes some of the examples and maps out of a recording."""

import dataclasses
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from attnreport._errors import UnknownNameError
from attnreport.recording.attention_map import AttentionMap
from attnreport.recording.recording import Example, Recording


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
    everything = [place for example in recording.examples for place, _ in _places(example)]
    names = [example.name for example in recording.examples]
    kept_examples = _chosen(examples, [*names, *range(len(names))], "example")
    kept_groups = _chosen(groups, [group for group, _ in everything], "group")
    kept_layers = _chosen(layers, [layer for _, layer in everything], "layer")
    kept = []
    for index, example in enumerate(recording.examples):
        maps = tuple(
            attention
            for (group, layer), attention in _places(example)
            if group in kept_groups and layer in kept_layers
        )
        if maps and (example.name in kept_examples or index in kept_examples):
            kept.append(dataclasses.replace(example, maps=maps))
    return dataclasses.replace(recording, examples=tuple(kept))


def _places(example: Example) -> Iterator[tuple[tuple[str, int], AttentionMap]]:
    """The maps with their group and their number in it."""
    counts: Counter[str] = Counter()
    for attention in example.maps:
        yield (attention.group, counts[attention.group]), attention
        counts[attention.group] += 1


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
