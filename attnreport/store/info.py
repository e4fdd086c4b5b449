"""Sums up a stored recording without reading its weights."""

import dataclasses
import functools
import math
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from attnreport.recording import (
    AttentionMap,
    Checks,
    Confusion,
    Metric,
    Recording,
    Source,
    Training,
    WorstCheck,
    layer_numbers,
    worst_checks,
)
from attnreport.store.arrays import StoredArray, read_array
from attnreport.store.load import open_recording, restored
from attnreport.store.local import existing_folder
from attnreport.store.location import Folder, local_path
from attnreport.store.restore import stored_arrays

Range = tuple[int, int]


@dataclasses.dataclass(frozen=True)
class GroupInfo:
    """The maps of one group over all examples.

    Attributes:
        name: Name of the group.
        kinds: What attends to what.
        layers: Fewest and most maps in an example.
        layer_numbers: Numbers of the layers that occur, in order.
        heads: Fewest and most heads of a map.
        queries: Fewest and most query positions.
        keys: Fewest and most key positions.
        weights: How many weights.
        precisions: Number formats the model computed in.
        normalized: Whether all rows are meant to sum to one.
        masked: Whether a mask is known for some map.
        reference: Whether a correct alignment is known for some map.
        logits: Whether logits are kept for some map.
        checks: The worst of the usual checks; None where one was not made for every map.
        other_checks: The worst of each other check.
    """

    name: str
    kinds: tuple[str, ...]
    layers: Range
    layer_numbers: tuple[int, ...]
    heads: Range
    queries: Range
    keys: Range
    weights: int
    precisions: tuple[str, ...]
    normalized: bool
    masked: bool
    reference: bool
    logits: bool
    checks: Checks
    other_checks: tuple[WorstCheck, ...]


@dataclasses.dataclass(frozen=True)
class ExampleInfo:
    """One example.

    Attributes:
        name: Its name.
        input: The text that went in.
    """

    name: str
    input: str


@dataclasses.dataclass(frozen=True)
class ConfusionInfo:
    """How well a classifier does.

    Attributes:
        labels: The classes.
        examples: How many examples were counted.
        right: How many of them were given their own class.
    """

    labels: tuple[str, ...]
    examples: int
    right: int


@dataclasses.dataclass(frozen=True)
class TrainingInfo:
    """How the model came to be.

    Attributes:
        curves: Names of what was measured.
        last: The last step at which anything was.
        chosen: Step of the checkpoint that was kept; None if it is not known.
    """

    curves: tuple[str, ...]
    last: int
    chosen: int | None


@dataclasses.dataclass(frozen=True)
class RecordingInfo:
    """What a stored recording holds.

    Attributes:
        location: Where it is.
        schema: Version of the format.
        written_by: The release that wrote it.
        examples: The examples, in order.
        weights: How many weights.
        stored_bytes: Size on disk; None behind a URL.
        groups: The groups of maps, in order.
        source: Where the weights come from.
        metrics: Numbers over a whole data set.
        pictures: How many pictures there are; one that several examples show counts once.
        confusion: How well a classifier does; None where that was not counted.
        training: How the model came to be; None where that is not kept.
    """

    location: str
    schema: int
    written_by: str
    examples: tuple[ExampleInfo, ...]
    weights: int
    stored_bytes: int | None
    groups: tuple[GroupInfo, ...]
    source: Source
    metrics: tuple[Metric, ...]
    pictures: int
    confusion: ConfusionInfo | None
    training: TrainingInfo | None


def recording_info(source: str | os.PathLike[str]) -> RecordingInfo:
    """What a stored recording holds, without reading its weights and pictures.

    Args:
        source: A folder, or a URL that TensorStore knows.

    Raises:
        RecordingFileError: There is no recording, or it is damaged, incomplete, or of a newer
            format.
    """
    folder, attributes = open_recording(source)
    recording = restored(folder, attributes, functools.partial(_little, folder))
    path = local_path(source)
    groups = _groups(recording)
    return RecordingInfo(
        location=folder.name,
        schema=attributes["schema"],
        written_by=str(attributes.get("written_by", "")),
        examples=tuple(ExampleInfo(each.name, each.input) for each in recording.examples),
        weights=sum(group.weights for group in groups),
        stored_bytes=None if path is None else _bytes_below(existing_folder(path)),
        groups=groups,
        source=recording.source,
        metrics=recording.metrics,
        pictures=sum(name.startswith("picture_") for name in stored_arrays(attributes)),
        confusion=_confusion(recording.confusion),
        training=_training(recording.training),
    )


def _confusion(confusion: Confusion | None) -> ConfusionInfo | None:
    if confusion is None:
        return None
    counts = confusion.counts
    return ConfusionInfo(confusion.labels, int(counts.sum()), int(counts.trace()))


def _training(training: Training | None) -> TrainingInfo | None:
    if training is None:
        return None
    names = tuple(curve.name for curve in training.curves)
    return TrainingInfo(names, max(curve.steps[-1] for curve in training.curves), training.chosen)


def _little(folder: Folder, array: StoredArray) -> np.ndarray:
    """The counts of a confusion; else what stands for an array in no memory."""
    if array.name.startswith("confusion_"):
        return read_array(folder, array)
    return np.broadcast_to(np.ones((), array.dtype), array.shape)


def _groups(recording: Recording) -> tuple[GroupInfo, ...]:
    columns: dict[str, dict[str, list[AttentionMap]]] = {}
    for example in recording.examples:
        for attention in example.maps:
            column = columns.setdefault(attention.group, {})
            column.setdefault(example.name, []).append(attention)
    return tuple(_group(name, column) for name, column in columns.items())


def _group(name: str, column: Mapping[str, Sequence[AttentionMap]]) -> GroupInfo:
    """Sums up the maps of a group, which are given example by example."""
    maps = [attention for of_example in column.values() for attention in of_example]
    return GroupInfo(
        name=name,
        kinds=tuple(dict.fromkeys(attention.kind for attention in maps)),
        layers=_range(len(of_example) for of_example in column.values()),
        layer_numbers=tuple(
            sorted({layer for of_example in column.values() for layer in layer_numbers(of_example)})
        ),
        heads=_range(attention.heads for attention in maps),
        queries=_range(len(attention.query) for attention in maps),
        keys=_range(len(attention.key) for attention in maps),
        weights=sum(math.prod(attention.weights.shape) for attention in maps),
        precisions=tuple(dict.fromkeys(attention.precision for attention in maps)),
        normalized=all(attention.normalized for attention in maps),
        masked=any(attention.mask is not None for attention in maps),
        reference=any(attention.reference is not None for attention in maps),
        logits=any(attention.logits is not None for attention in maps),
        checks=Checks(
            row_sum_error=_worst(attention.checks.row_sum_error for attention in maps),
            output_difference=_worst(attention.checks.output_difference for attention in maps),
            deterministic=_all(attention.checks.deterministic for attention in maps),
        ),
        other_checks=worst_checks(
            (
                f"{attention.name} ({example})" if len(column) > 1 else attention.name,
                attention.checks,
            )
            for example, of_example in column.items()
            for attention in of_example
        ),
    )


def _range(values: Iterable[int]) -> Range:
    found = list(values)
    return min(found), max(found)


def _worst(values: Iterable[float | None]) -> float | None:
    found = list(values)
    known = [value for value in found if value is not None]
    return max(known) if len(known) == len(found) else None


def _all(values: Iterable[bool | None]) -> bool | None:
    found = list(values)
    if False in found:
        return False
    return None if None in found else True


def _bytes_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
