"""Turns the description of a recording, and its arrays, back into the recording."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from attnreport.recording import (
    AXIS_TYPES,
    AttentionMap,
    Axis,
    Check,
    Checks,
    Confusion,
    Curve,
    Deletion,
    DeletionCurve,
    Example,
    Generation,
    Importance,
    LayerImportance,
    Metric,
    Picture,
    Recording,
    Scoring,
    Source,
    Training,
    Weights,
)
from attnreport.store.arrays import StoredArray
from attnreport.store.text import decode_number, decode_text

_AXIS_TYPES: Mapping[str, Callable[..., Axis]] = {each.kind: each for each in AXIS_TYPES}


# Nothing that a description says may lead out of the recording's folder.
_ARRAY_NAME = re.compile("[a-z0-9_]+")

# Weights and logits are read when they are needed; everything else at once.
ReadWeights = Callable[[StoredArray], Weights]
ReadWhole = Callable[[StoredArray], np.ndarray]


def restore(attributes: Mapping[str, Any], weights: ReadWeights, whole: ReadWhole) -> Recording:
    """The recording that `attnreport.store.describe.describe` described.

    Args:
        attributes: The description.
        weights: Gets an array of weights or logits.
        whole: Gets a mask, a reference, a picture, or counts.

    Raises:
        KeyError, IndexError, TypeError, ValueError, AttributeError: The description is damaged.
    """
    restorer = _Restorer(weights, whole)
    restorer.add_axes(attributes["axes"])
    return Recording(
        examples=tuple(restorer.example(each) for each in attributes["examples"]),
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
        # Earlier recordings have none of these.
        confusion=restorer.confusion(attributes.get("confusion")),
        training=_training(attributes.get("training")),
        deletion=_deletion(attributes.get("deletion")),
        importance=_importance(attributes.get("importance")),
    )


def stored_arrays(attributes: Mapping[str, Any]) -> dict[str, StoredArray]:
    """Every array that a description names, by its name.

    Raises:
        KeyError, IndexError, TypeError, ValueError, AttributeError: The description is damaged.
    """
    confusion = attributes.get("confusion")
    described = [
        confusion and confusion["counts"],
        *(axis.get("picture") for axis in attributes["axes"]),
    ]
    for example in attributes["examples"]:
        described.append(example.get("picture"))
        for attention in example["maps"]:
            described += [attention[name] for name in ("weights", "logits", "mask", "reference")]
            scoring = attention.get("scoring") or {}
            described += [scoring.get(name) for name in ("query", "key", "bias")]
    arrays = [_stored(each) for each in described if each is not None]
    return {array.name: array for array in arrays}


class _Restorer:
    """Gives everything that refers to axes and arrays what it refers to."""

    def __init__(self, weights: ReadWeights, whole: ReadWhole) -> None:
        self._weights = weights
        self._whole = whole
        self._axes: list[Axis] = []
        self._pictures: dict[str, Picture] = {}

    def add_axes(self, axes: Iterable[Mapping[str, Any]]) -> None:
        """Takes in the axes, to which maps refer by number."""
        self._axes += [self._axis(axis) for axis in axes]

    def example(self, example: Mapping[str, Any]) -> Example:
        """One example of a description."""
        return Example(
            name=decode_text(example["name"]),
            maps=tuple(self._map(each) for each in example["maps"]),
            input=decode_text(example["input"]),
            output=decode_text(example["output"]),
            target=decode_text(example["target"]),
            scores={decode_text(name): decode_number(value) for name, value in example["scores"]},
            picture=self._picture(example.get("picture")),
            # Recordings of before there were generations have none.
            generation=_generation(example.get("generation")),
        )

    def confusion(self, confusion: Mapping[str, Any] | None) -> Confusion | None:
        """The confusion of classes, if there is one."""
        if confusion is None:
            return None
        labels = tuple(decode_text(label) for label in confusion["labels"])
        return Confusion(labels, self._whole(_stored(confusion["counts"])))

    def _map(self, attention: Mapping[str, Any]) -> AttentionMap:
        logits, mask, reference = (
            None if attention[field] is None else _stored(attention[field])
            for field in ("logits", "mask", "reference")
        )
        return AttentionMap(
            name=decode_text(attention["name"]),
            kind=attention["kind"],
            group=decode_text(attention["group"]),
            layer=attention.get("layer"),
            first_step=attention.get("first_step"),
            query=self._axes[attention["query"]],
            key=self._axes[attention["key"]],
            normalized=bool(attention["normalized"]),
            precision=decode_text(attention["precision"]),
            checks=_checks(attention["checks"]),
            weights=self._weights(_stored(attention["weights"])),
            logits=None if logits is None else self._weights(logits),
            mask=None if mask is None else self._whole(mask),
            reference=None if reference is None else self._whole(reference),
            scoring=self._scoring(attention.get("scoring")),
            # Recordings of before references had names have none.
            reference_name=decode_text(attention.get("reference_name", "")),
        )

    def _scoring(self, scoring: Mapping[str, Any] | None) -> Scoring | None:
        if scoring is None:
            return None
        query, key, bias = (
            None if scoring[name] is None else self._weights(_stored(scoring[name]))
            for name in ("query", "key", "bias")
        )
        if query is None or key is None:
            raise ValueError("a scoring has no queries or no keys")
        return Scoring(query, key, decode_number(scoring["scale"]), bias)

    def _axis(self, axis: Mapping[str, Any]) -> Axis:
        fields = {
            name: _axis_value(value)
            for name, value in axis.items()
            if name not in ("kind", "picture")
        }
        if axis.get("picture") is not None:
            fields["picture"] = self._picture(axis["picture"])
        return _AXIS_TYPES[axis["kind"]](**fields)

    def _picture(self, array: Mapping[str, Any] | None) -> Picture | None:
        if array is None:
            return None
        stored = _stored(array)
        if stored.name not in self._pictures:
            self._pictures[stored.name] = Picture(self._whole(stored))
        return self._pictures[stored.name]


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


def _training(training: Mapping[str, Any] | None) -> Training | None:
    if training is None:
        return None
    curves = tuple(
        Curve(
            name=decode_text(curve["name"]),
            steps=tuple(curve["steps"]),
            values=tuple(decode_number(value) for value in curve["values"]),
        )
        for curve in training["curves"]
    )
    return Training(curves, training["chosen"])


def _deletion(deletion: Mapping[str, Any] | None) -> Deletion | None:
    if deletion is None:
        return None
    curves = tuple(
        DeletionCurve(
            decode_text(each["name"]),
            each["scores"],
            each["spread"],
            each.get("chance"),
            each.get("draws", 0),
        )
        for each in deletion["curves"]
    )
    said = {"data": decode_text(deletion["data"])} if "data" in deletion else {}
    return Deletion(
        decode_text(deletion["score"]),
        decode_text(deletion["positions"]),
        deletion["shares"],
        curves,
        **said,
    )


def _generation(generation: Mapping[str, Any] | None) -> Generation | None:
    if generation is None:
        return None
    return Generation(
        tuple(decode_text(token) for token in generation["tokens"]),
        generation["probabilities"],
        generation["entropies"],
    )


def _importance(importance: Mapping[str, Any] | None) -> Importance | None:
    if importance is None:
        return None
    layers = tuple(
        LayerImportance(
            decode_text(each["group"]),
            each["layer"],
            each["falls"],
            each["errors"],
            each["needed"],
        )
        for each in importance["layers"]
    )
    return Importance(decode_text(importance["score"]), decode_text(importance["data"]), layers)
