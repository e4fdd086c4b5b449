"""Turns a recording into a description in JSON and a list of arrays."""

import dataclasses
import hashlib
import importlib.metadata
from collections.abc import Mapping
from typing import Any

import numpy as np

from attnreport.recording import (
    AttentionMap,
    Axis,
    Checks,
    Confusion,
    Deletion,
    Example,
    Generation,
    GridAxis,
    Importance,
    Picture,
    Recording,
    Source,
    Training,
)
from attnreport.store.arrays import ArrayPlan
from attnreport.store.schema import SCHEMA_VERSION
from attnreport.store.text import encode_number, encode_text


@dataclasses.dataclass(frozen=True)
class Description:
    """A recording without its numbers, and the numbers.

    Attributes:
        attributes: What the recording's group says about it, as JSON.
        arrays: The arrays that it refers to.
    """

    attributes: dict[str, Any]
    arrays: tuple[ArrayPlan, ...]


def describe(recording: Recording, generation: int = 0) -> Description:
    """The description of a recording.

    Args:
        recording: What to describe.
        generation: How often the recording was replaced in a place where old and new arrays lie
            side by side for a while; it makes their names differ.
    """
    return _Describer(generation).describe(recording)


class _Describer:
    """Numbers the axes and names the arrays of one recording."""

    def __init__(self, generation: int) -> None:
        self._generation = generation
        self._suffix = f"_g{generation}" if generation else ""
        self._axes: dict[Axis, int] = {}
        self._plans: list[ArrayPlan] = []
        self._masks: dict[object, dict[str, Any]] = {}
        self._pictures: dict[Picture, dict[str, Any]] = {}

    def describe(self, recording: Recording) -> Description:
        examples = [self._example(i, example) for i, example in enumerate(recording.examples)]
        attributes = {
            "schema": SCHEMA_VERSION,
            "written_by": f"attnreport {_version()}",
            "generation": self._generation,
            "source": _source(recording.source),
            "metrics": [
                {
                    "name": encode_text(metric.name),
                    "value": encode_number(metric.value),
                    "detail": encode_text(metric.detail),
                    "percent": metric.percent,
                }
                for metric in recording.metrics
            ],
            "confusion": self._confusion(recording.confusion),
            "training": _training(recording.training),
            "deletion": _deletion(recording.deletion),
            "importance": _importance(recording.importance),
            "axes": [self._axis(axis) for axis in self._axes],
            "examples": examples,
        }
        return Description(attributes, tuple(self._plans))

    def _example(self, number: int, example: Example) -> dict[str, Any]:
        maps = [
            self._map(f"{number}_{layer}", attention, example)
            for layer, attention in enumerate(example.maps)
        ]
        return {
            "name": encode_text(example.name),
            "input": encode_text(example.input),
            "output": encode_text(example.output),
            "target": encode_text(example.target),
            "scores": _pairs(example.scores),
            "picture": self._picture(example.picture),
            "generation": _generation(example.generation),
            "maps": maps,
        }

    def _axis(self, axis: Axis) -> dict[str, Any]:
        fields = {field.name: getattr(axis, field.name) for field in dataclasses.fields(axis)}
        found = {name: _axis_value(value) for name, value in fields.items() if name != "picture"}
        if isinstance(axis, GridAxis) and axis.picture is not None:
            found["picture"] = self._picture(axis.picture)
        return {"kind": axis.kind, **found}

    def _picture(self, picture: Picture | None) -> dict[str, Any] | None:
        """Stores a picture; once, if several axes and examples show it."""
        if picture is None:
            return None
        if picture not in self._pictures:
            height, width, channels = picture.pixels.shape
            self._pictures[picture] = self._array(
                f"picture_{len(self._pictures)}",
                picture.pixels,
                (f"row_{height}", f"column_{width}", f"channel_{channels}"),
                "picture",
                whole=True,
            )
        return self._pictures[picture]

    def _confusion(self, confusion: Confusion | None) -> dict[str, Any] | None:
        if confusion is None:
            return None
        counts = self._array(
            "confusion_0",
            confusion.counts,
            ("target_class", "output_class"),
            "how often each class was taken for each",
            whole=True,
        )
        return {"labels": [encode_text(label) for label in confusion.labels], "counts": counts}

    def _map(self, place: str, attention: AttentionMap, example: Example) -> dict[str, Any]:
        query = self._axes.setdefault(attention.query, len(self._axes))
        key = self._axes.setdefault(attention.key, len(self._axes))
        dimensions = (f"head_{attention.heads}", f"query_{query}", f"key_{key}")
        label = f"{attention.name} of {example.name}"
        logits = None
        if attention.logits is not None:
            logits = self._array(
                f"logits_{place}", attention.logits, dimensions, f"logits of {label}"
            )
        return {
            "name": encode_text(attention.name),
            "kind": attention.kind,
            "group": encode_text(attention.group),
            "layer": attention.layer,
            "first_step": attention.first_step,
            "query": query,
            "key": key,
            "normalized": attention.normalized,
            "precision": encode_text(attention.precision),
            "checks": _checks(attention.checks),
            "weights": self._array(f"weights_{place}", attention.weights, dimensions, label),
            "logits": logits,
            "mask": self._flags("mask", attention.mask, dimensions),
            "reference": self._flags("reference", attention.reference, dimensions),
            "scoring": self._scoring(place, attention, dimensions, label),
            "reference_name": encode_text(attention.reference_name),
        }

    def _scoring(
        self, place: str, attention: AttentionMap, dimensions: tuple[str, ...], label: str
    ) -> dict[str, Any] | None:
        """Queries, keys and bias, a head a chunk."""
        scoring = attention.scoring
        if scoring is None:
            return None
        head, query, key = dimensions
        features = f"feature_{scoring.query.shape[-1]}"
        axes = {"query": (head, query, features), "key": (head, key, features)}
        arrays = {
            name: self._array(
                f"{name}_{place}", getattr(scoring, name), names, f"{name} vectors of {label}"
            )
            for name, names in axes.items()
        }
        bias = None
        if scoring.bias is not None:
            shared = (f"head_{scoring.bias.shape[0]}", query, key)
            bias = self._array(f"bias_{place}", scoring.bias, shared, f"bias of {label}")
        return {**arrays, "bias": bias, "scale": encode_number(scoring.scale)}

    def _flags(
        self, noun: str, values: np.ndarray | None, dimensions: tuple[str, ...]
    ) -> dict[str, Any] | None:
        """Stores a mask; once, if several maps share it."""
        if values is None:
            return None
        dimensions = dimensions[-values.ndim :]
        identity = (noun, dimensions, hashlib.blake2b(np.packbits(values).tobytes()).digest())
        if identity not in self._masks:
            name = f"{noun}_{len(self._masks)}"
            self._masks[identity] = self._array(name, values, dimensions, noun)
        return self._masks[identity]

    def _array(
        self,
        name: str,
        values: Any,
        dimensions: tuple[str, ...],
        label: str,
        *,
        whole: bool = False,
    ) -> dict[str, Any]:
        plan = ArrayPlan(f"{name}{self._suffix}", values, dimensions, label, whole)
        self._plans.append(plan)
        return {
            "array": plan.name,
            "shape": list(plan.values.shape),
            "dtype": plan.dtype.name,
            "grid": list(plan.grid),
        }


def _version() -> str:
    try:
        return importlib.metadata.version("attnreport")
    except importlib.metadata.PackageNotFoundError:  # a checkout that is not installed
        return "uninstalled"


def _axis_value(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_axis_value(each) for each in value]
    return encode_text(value) if isinstance(value, str) else encode_number(value)


def _checks(checks: Checks) -> dict[str, Any]:
    return {
        "row_sum_error": encode_number(checks.row_sum_error),
        "output_difference": encode_number(checks.output_difference),
        "deterministic": checks.deterministic,
        "others": [
            {
                "name": encode_text(check.name),
                "value": encode_number(check.value),
                "unit": encode_text(check.unit),
                "held": check.held,
                "detail": encode_text(check.detail),
            }
            for check in checks.others
        ],
    }


def _source(source: Source) -> dict[str, Any]:
    return {
        "model": encode_text(source.model),
        "framework": encode_text(source.framework),
        "versions": [[encode_text(k), encode_text(v)] for k, v in source.versions.items()],
        "step": encode_number(source.step),
        "data": encode_text(source.data),
        "created": encode_text(source.created),
        "notes": [encode_text(note) for note in source.notes],
    }


def _training(training: Training | None) -> dict[str, Any] | None:
    if training is None:
        return None
    curves = [
        {
            "name": encode_text(curve.name),
            "steps": list(curve.steps),
            "values": [encode_number(value) for value in curve.values],
        }
        for curve in training.curves
    ]
    return {"curves": curves, "chosen": training.chosen}


def _deletion(deletion: Deletion | None) -> dict[str, Any] | None:
    if deletion is None:
        return None
    return {
        "score": encode_text(deletion.score),
        "positions": encode_text(deletion.positions),
        "shares": list(deletion.shares),
        "curves": [
            {
                "name": encode_text(curve.name),
                "scores": list(curve.scores),
                "spread": [list(bounds) for bounds in curve.spread],
                "chance": curve.chance,
                "draws": curve.draws,
            }
            for curve in deletion.curves
        ],
        "data": encode_text(deletion.data),
    }


def _importance(importance: Importance | None) -> dict[str, Any] | None:
    if importance is None:
        return None
    return {
        "score": encode_text(importance.score),
        "data": encode_text(importance.data),
        "layers": [
            {
                "group": encode_text(layer.group),
                "layer": layer.layer,
                "falls": list(layer.falls),
                "errors": list(layer.errors),
                "needed": list(layer.needed),
            }
            for layer in importance.layers
        ],
    }


def _generation(generation: Generation | None) -> dict[str, Any] | None:
    if generation is None:
        return None
    return {
        "tokens": [encode_text(token) for token in generation.tokens],
        "probabilities": list(generation.probabilities),
        "entropies": list(generation.entropies),
    }


def _pairs(scores: Mapping[str, float]) -> list[list[Any]]:
    return [[encode_text(name), encode_number(value)] for name, value in scores.items()]
