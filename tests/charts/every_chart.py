"""Every chart of the package by the name that the report gives it."""

import copy
import functools
from typing import Any

import altair as alt

from attnreport.analysis import PATTERNS
from attnreport.charts import (
    entropy_chart,
    heatmap_chart,
    lines_chart,
    overview_chart,
    pair_chart,
    row_chart,
    scatter_chart,
)


@functools.cache
def every_chart() -> dict[str, alt.LayerChart]:
    """All charts, the scatter charts with every pattern there is."""
    patterns = list(PATTERNS)
    return {
        "entropy": entropy_chart(),
        "heatmap": heatmap_chart(),
        "lines": lines_chart(),
        "overview": overview_chart(),
        "pair": pair_chart(),
        "row": row_chart(),
        "scatter-confidence": scatter_chart(patterns, x_title="share of the key most looked at"),
        "scatter-distance": scatter_chart(patterns, x_title="mean distance looked at (positions)"),
    }


def spec_of(name: str) -> dict[str, Any]:
    """The Vega-Lite of the named chart, for the caller to change as it likes."""
    return copy.deepcopy(_spec_of(name))


@functools.cache
def _spec_of(name: str) -> dict[str, Any]:
    return every_chart()[name].to_dict()
