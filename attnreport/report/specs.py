"""Chooses and compiles the charts that a report needs."""

from collections.abc import Sequence
from typing import Any

import altair as alt

from attnreport.analysis import PATTERNS, HeadStatistics
from attnreport.charts import (
    entropy_chart,
    heatmap_chart,
    lines_chart,
    overview_chart,
    pair_chart,
    row_chart,
    scatter_chart,
)
from attnreport.report.compile import to_vega
from attnreport.report.stacks import Stack


def charts_for(
    stacks: Sequence[Stack], statistics: Sequence[Sequence[HeadStatistics]]
) -> dict[str, alt.LayerChart]:
    """The charts by name. Those that compare heads are left out where no stack has two."""
    charts = {
        "heatmap": heatmap_chart(),
        "row": row_chart(),
        "lines": lines_chart(),
        "entropy": entropy_chart(),
    }
    many = [index for index, stack in enumerate(stacks) if stack.heads > 1]
    if many:
        charts |= {"overview": overview_chart(), "pair": pair_chart()}
    for name, title, is_self in (
        ("scatter-distance", "mean distance looked at (positions)", True),
        ("scatter-confidence", "share of the key most looked at", False),
    ):
        patterns = occurring_patterns(
            statistics[index] for index in many if stacks[index].is_self == is_self
        )
        if patterns:
            charts[name] = scatter_chart(patterns, x_title=title)
    return charts


def compiled(charts: dict[str, alt.LayerChart]) -> dict[str, dict[str, Any]]:
    """The charts as Vega specifications."""
    return {name: to_vega(chart) for name, chart in charts.items()}


def occurring_patterns(statistics: Any) -> list[str]:
    """The patterns of the given heads, in the order of `PATTERNS`."""
    found = {number.pattern for group in statistics for number in group}
    return [pattern for pattern in PATTERNS if pattern in found]
