"""Chooses the charts that a report needs, from those compiled when the package was built."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from attnreport._resources import read_text
from attnreport.analysis import PATTERNS, HeadStatistics
from attnreport.recording import ChannelAxis, GridAxis, Recording
from attnreport.report.stacks import Stack

Signals = dict[str, list[str]]


def charts_for(
    recording: Recording,
    stacks: Sequence[Stack],
    statistics: Sequence[Sequence[HeadStatistics]],
) -> dict[str, Signals]:
    """The charts by name, each with the signals in which it follows this recording.

    Those that compare heads are left out where no stack has two, and others where nothing is known
    of what they show.
    """
    charts: dict[str, Signals] = {name: {} for name in ("heatmap", "row", "lines", "entropy")}
    many = [index for index, stack in enumerate(stacks) if stack.heads > 1]
    if many:
        charts |= {"overview": {}, "pair": {}}
    for name, is_self in (("scatter-distance", True), ("scatter-confidence", False)):
        patterns = occurring_patterns(
            statistics[index] for index in many if stacks[index].is_self == is_self
        )
        if patterns:
            charts[name] = {"patterns": patterns}
    return charts | {name: {} for name in _special_charts(recording, stacks)}


def _special_charts(recording: Recording, stacks: Sequence[Stack]) -> Iterator[str]:
    """The charts that only some kinds of axes and models have."""
    axes = [axis for stack in stacks for axis in (stack.query, stack.key)]
    if any(isinstance(axis, GridAxis) for axis in axes):
        yield "map"
    if any(isinstance(stack.key, ChannelAxis) for stack in stacks):
        yield from ("channels", "class-channels")
    if recording.confusion is not None:
        yield "confusion"
    if recording.training is not None:
        yield "training"
    if recording.deletion is not None:
        yield "deletion"


def compiled(charts: Mapping[str, Signals]) -> dict[str, dict[str, Any]]:
    """The charts as Vega specifications, with the given values of their signals."""
    known = json.loads(read_text("static/charts.json"))["charts"]
    for name, values in charts.items():
        for signal in known[name]["signals"]:
            if signal["name"] in values:
                signal["value"] = values[signal["name"]]
    return {name: known[name] for name in charts}


def occurring_patterns(statistics: Iterable[Sequence[HeadStatistics]]) -> list[str]:
    """The patterns of the given heads, in the order of `PATTERNS`."""
    found = {number.pattern for group in statistics for number in group}
    return [pattern for pattern in PATTERNS if pattern in found]
