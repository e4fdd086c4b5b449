"""The charts as Vega-Lite, built once for all tests."""

import copy
import functools
from typing import Any

import altair as alt

from attnreport import charts


@functools.cache
def every_chart() -> dict[str, alt.LayerChart]:
    return charts.every_chart()


def spec_of(name: str) -> dict[str, Any]:
    """The Vega-Lite of the named chart, for the caller to change as it likes."""
    return copy.deepcopy(_spec_of(name))


@functools.cache
def _spec_of(name: str) -> dict[str, Any]:
    return every_chart()[name].to_dict()
