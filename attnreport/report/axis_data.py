"""What the page's scripts read of the axes, each written once however many maps share it."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from attnreport.analysis import (
    display_labels,
    merged_labels,
    merged_spans,
    visible_labels,
    word_spans,
)
from attnreport.recording import Axis, ChannelAxis, GridAxis, special_positions


class AxisBook:
    """The axes of a report, numbered in the order in which they were first asked for."""

    def __init__(self) -> None:
        self._numbers: dict[Axis, int] = {}

    def number(self, axis: Axis) -> int:
        """The number of the axis; grids that differ in their picture only share one."""
        if isinstance(axis, GridAxis) and axis.picture is not None:
            axis = dataclasses.replace(axis, picture=None)
        return self._numbers.setdefault(axis, len(self._numbers))

    def entries(self) -> list[dict[str, Any]]:
        """The axes, as `templates/page/types.d.ts` describes them."""
        return [axis_entry(axis) for axis in self._numbers]


def axis_entry(axis: Axis) -> dict[str, Any]:
    """One axis. The labels of cells and channels are numbers, which the page counts itself."""
    if isinstance(axis, ChannelAxis):
        return {"kind": axis.kind, "count": axis.count}
    if isinstance(axis, GridAxis):
        leading = GridAxis(1, 1, axis.leading)
        return {
            "kind": axis.kind,
            "height": axis.height,
            "width": axis.width,
            "leading": axis.leading,
            **_texts(leading, len(axis.leading)),
        }
    return {
        "kind": axis.kind,
        "labels": axis.labels,
        **_texts(axis, len(axis)),
        "special": special_positions(axis),
        "words": word_spans(axis),
        **_merged(axis),
    }


def _merged(axis: Axis) -> dict[str, Any]:
    """How many positions each word has, and the text of those that have several."""
    spans = merged_spans(axis)
    if len(spans) == len(axis):
        return {}
    texts = enumerate(merged_labels(axis, spans))
    return {
        "pieces": [len(span) for span in spans],
        "merged": {word: text for word, text in texts if len(spans[word]) > 1},
    }


def is_merged(axis: Axis) -> bool:
    """Whether some of the words of an axis have several pieces."""
    return len(merged_spans(axis)) < len(axis)


def _texts(axis: Axis, count: int) -> dict[str, dict[int, str]]:
    """What the first positions are called in charts and in sentences, where that differs."""
    labels = axis.labels[:count]
    return {
        "drawn": _differing(labels, visible_labels(axis)[:count]),
        "read": _differing(labels, display_labels(axis)[:count]),
    }


def _differing(labels: Sequence[str], shown: Sequence[str]) -> dict[int, str]:
    """The texts that are not the labels themselves, which are few."""
    pairs = enumerate(zip(labels, shown, strict=True))
    return {position: text for position, (label, text) in pairs if text != label}
