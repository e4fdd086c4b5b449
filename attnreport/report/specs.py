"""Chooses the charts that a report needs, from those compiled when the package was built."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from attnreport._resources import read_text
from attnreport.analysis import HEAD_PATTERNS, NO_PATTERN
from attnreport.recording import ChannelAxis, GridAxis, Recording
from attnreport.report.conditions import has_flow, has_other_heads
from attnreport.report.generations import first_step
from attnreport.report.head_measures import HeadMeasures
from attnreport.report.stacks import Stack

Signals = dict[str, list[str]]

# What two heads beside each other are drawn with, and the page of two recordings besides.
_SIDES = ("heatmap", "difference", "paired-row")
COMPARISON_CHARTS = ("changes", *_SIDES)


def charts_for(
    recording: Recording,
    stacks: Sequence[Stack],
    measures: Sequence[HeadMeasures],
) -> dict[str, Signals]:
    """The charts by name, each with the signals in which it follows this recording.

    Those that compare heads are left out where no stack has two, and others where nothing is known
    of what they show.
    """
    charts: dict[str, Signals] = {name: {} for name in ("heatmap", "row", "lines", "entropy")}
    many = [index for index, stack in enumerate(stacks) if stack.heads > 1]
    if many:
        charts |= {"overview": {}, "pair": {}}
    if any(has_other_heads(stack) for stack in stacks):
        charts |= {name: {} for name in _SIDES}
    compared = [index for index in many if measures[index].statistics]
    if compared:
        charts["scatter"] = {"patterns": naming_patterns(measures[index] for index in compared)}
    if any(has_flow(stack) for stack in stacks):
        charts["flow"] = {}
    if any(first_step(stack) is not None for stack in stacks):
        charts["steps"] = {}
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


def compiled(charts: Mapping[str, Signals] | Iterable[str]) -> dict[str, dict[str, Any]]:
    """The charts as Vega specifications, with the given values of their signals."""
    known = json.loads(read_text("static/charts.json"))["charts"]
    given = charts if isinstance(charts, Mapping) else {name: {} for name in charts}
    for name, values in given.items():
        for signal in known[name]["signals"]:
            if signal["name"] in values:
                signal["value"] = values[signal["name"]]
    return {name: known[name] for name in given}


def naming_patterns(measures: Iterable[HeadMeasures]) -> list[str]:
    """What heads are called, in the order of `HEAD_PATTERNS`; heads without a pattern last."""
    found = {each.name(head) for each in measures for head in range(len(each.patterns))}
    return [name for name in (*HEAD_PATTERNS, NO_PATTERN) if name in found]
