"""What the page's scripts read of how well the model does and how it was trained."""

import math
from typing import Any

from attnreport.analysis import visible_text
from attnreport.recording import Confusion, Curve, Deletion, Recording, Training


def confusion_entry(confusion: Confusion | None) -> dict[str, Any] | None:
    """The classes and the counts, target by target."""
    if confusion is None:
        return None
    return {
        "labels": [visible_text(label) for label in confusion.labels],
        "counts": confusion.counts.tolist(),
    }


def example_outcomes(recording: Recording) -> list[dict[str, Any]]:
    """For each example whether it is right, and its cell of the confusion, where that is known."""
    labels = recording.confusion.labels if recording.confusion else ()
    place = {label: number for number, label in enumerate(labels)}
    return [
        {
            "right": example.right,
            "target": place.get(example.target, -1),
            "output": place.get(example.output, -1),
        }
        for example in recording.examples
    ]


def training_entry(training: Training | None) -> dict[str, Any] | None:
    """The curves of each panel, and the step that was chosen."""
    if training is None:
        return None
    panels = [[_curve(curve) for curve in curves] for curves in training_panels(training)]
    return {"panels": panels, "chosen": training.chosen}


def deletion_entry(deletion: Deletion | None) -> dict[str, Any] | None:
    """The curves of taking away, and what they are of."""
    if deletion is None:
        return None
    return {
        "score": visible_text(deletion.score),
        "positions": visible_text(deletion.positions),
        "shares": deletion.shares,
        "curves": [
            {"name": visible_text(each.name), "scores": each.scores, "spread": each.spread}
            for each in deletion.curves
        ],
    }


def training_panels(training: Training) -> list[list[Curve]]:
    """The curves that share an axis: those whose names end in the same word."""
    panels: dict[str, list[Curve]] = {}
    for curve in training.curves:
        panels.setdefault((curve.name.split() or [""])[-1], []).append(curve)
    return list(panels.values())


def _curve(curve: Curve) -> dict[str, Any]:
    # JSON has no word for what is no number; the page leaves a gap there.
    values = [value if math.isfinite(value) else None for value in curve.values]
    return {"name": visible_text(curve.name), "steps": curve.steps, "values": values}
