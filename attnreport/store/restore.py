"""Turns the description of a recording, and its arrays, back into the recording."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from attnreport.recording import (
    AXIS_TYPES,
    AttentionMap,
    Axis,
    Check,
    Checks,
    Example,
    Metric,
    Recording,
    Source,
    Weights,
)
from attnreport.store.arrays import StoredArray
from attnreport.store.text import decode_number, decode_text

_AXIS_TYPES: Mapping[str, Callable[..., Axis]] = {each.kind: each for each in AXIS_TYPES}


# Nothing that a description says may lead out of the recording's folder.
_ARRAY_NAME = re.compile("[a-z0-9_]+")

# Weights and logits are read when they are needed; masks and references at once, or not at all.
ReadWeights = Callable[[StoredArray], Weights]
ReadFlags = Callable[[StoredArray], np.ndarray | None]


def restore(attributes: Mapping[str, Any], weights: ReadWeights, flags: ReadFlags) -> Recording:
    """The recording that `attnreport.store.describe.describe` described.

    Args:
        attributes: The description.
        weights: Gets an array of weights or logits.
        flags: Gets a mask or a reference; None leaves it out.

    Raises:
        KeyError, IndexError, TypeError, ValueError, AttributeError: The description is damaged.
    """
    axes = [_axis(axis) for axis in attributes["axes"]]
    return Recording(
        examples=tuple(_example(each, axes, weights, flags) for each in attributes["examples"]),
        source=_source(attributes["source"]),
        metrics=tuple(
            Metric(
                name=decode_text(metric["name"]),
                value=decode_number(metric["value"]),
                detail=decode_text(metric["detail"]),
                percent=bool(metric["percent"]),
            )
            for metric in attributes["metrics"]
        ),
    )


def stored_arrays(attributes: Mapping[str, Any]) -> dict[str, StoredArray]:
    """Every array that a description names, by its name.

    Raises:
        KeyError, IndexError, TypeError, ValueError, AttributeError: The description is damaged.
    """
    found = {}
    for example in attributes["examples"]:
        for attention in example["maps"]:
            for field in ("weights", "logits", "mask", "reference"):
                if attention[field] is not None:
                    array = _stored(attention[field])
                    found[array.name] = array
    return found


def _example(
    example: Mapping[str, Any], axes: list[Axis], weights: ReadWeights, flags: ReadFlags
) -> Example:
    return Example(
        name=decode_text(example["name"]),
        maps=tuple(_map(each, axes, weights, flags) for each in example["maps"]),
        input=decode_text(example["input"]),
        output=decode_text(example["output"]),
        target=decode_text(example["target"]),
        scores={decode_text(name): decode_number(value) for name, value in example["scores"]},
    )


def _map(
    attention: Mapping[str, Any],
    axes: list[Axis],
    weights: ReadWeights,
    flags: ReadFlags,
) -> AttentionMap:
    logits, mask, reference = (
        None if attention[field] is None else _stored(attention[field])
        for field in ("logits", "mask", "reference")
    )
    return AttentionMap(
        name=decode_text(attention["name"]),
        kind=attention["kind"],
        group=decode_text(attention["group"]),
        layer=attention.get("layer"),
        query=axes[attention["query"]],
        key=axes[attention["key"]],
        normalized=bool(attention["normalized"]),
        precision=decode_text(attention["precision"]),
        checks=_checks(attention["checks"]),
        weights=weights(_stored(attention["weights"])),
        logits=None if logits is None else weights(logits),
        mask=None if mask is None else flags(mask),
        reference=None if reference is None else flags(reference),
    )


def _checks(checks: Mapping[str, Any]) -> Checks:
    return Checks(
        row_sum_error=decode_number(checks["row_sum_error"]),
        output_difference=decode_number(checks["output_difference"]),
        deterministic=checks["deterministic"],
        others=tuple(
            Check(
                name=decode_text(check["name"]),
                value=decode_number(check["value"]),
                unit=decode_text(check["unit"]),
                held=check["held"],
                detail=decode_text(check["detail"]),
            )
            # Recordings of before there were other checks have none.
            for check in checks.get("others", ())
        ),
    )


def _stored(array: Mapping[str, Any]) -> StoredArray:
    name = decode_text(array["array"])
    if not _ARRAY_NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not the name of an array")
    return StoredArray(
        name=name,
        shape=tuple(int(size) for size in array["shape"]),
        dtype=np.dtype(array["dtype"]),
        grid=tuple(int(count) for count in array["grid"]),
    )


def _axis(axis: Mapping[str, Any]) -> Axis:
    fields = {name: _axis_value(value) for name, value in axis.items() if name != "kind"}
    return _AXIS_TYPES[axis["kind"]](**fields)


def _axis_value(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_axis_value(each) for each in value)
    return decode_text(value) if isinstance(value, str | dict) else decode_number(value)


def _source(source: Mapping[str, Any]) -> Source:
    return Source(
        model=decode_text(source["model"]),
        framework=decode_text(source["framework"]),
        versions={decode_text(name): decode_text(value) for name, value in source["versions"]},
        step=decode_number(source["step"]),
        data=decode_text(source["data"]),
        created=decode_text(source["created"]),
        notes=tuple(decode_text(note) for note in source["notes"]),
    )
