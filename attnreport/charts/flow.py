"""Where a token comes from: attention followed back through all layers."""

from typing import Literal

import altair as alt

from attnreport.charts.theme import expr, layered, themed, with_parameters

_ACROSS = alt.Scale(domain=[-0.02, expr("layers + 0.02")], nice=False, zero=False)
_DOWN = alt.Scale(domain=[expr("queries"), 0], nice=False, zero=False)


def flow_chart() -> alt.LayerChart:
    """Layers as columns and tokens as rows, joined by what flows to the chosen token.

    The input stands on the left, the chosen token after the last layer on the right. Lines are as
    strong as what flows through them, and circles as large as what a token holds of the chosen one.
    """
    chart = layered(
        _edges(),
        _nodes(),
        _labels("0", align="right", dx=-12),
        _labels("layers", align="left", dx=12),
        width=600,
        height=420,
    )
    return themed(
        with_parameters(chart, *("stack", "q", "layers", "layerNumbers", "queries", "queryTicks"))
    )


def _edges() -> alt.Chart:
    axis = alt.Axis(
        values=expr("sequence(0, layers + 1)"),
        tickCount=expr("layers + 2"),
        labelExpr="datum.value > 0.5 ? format(layerNumbers[datum.value - 1], 'd')"
        " : width / layers < 34 ? 'in' : 'input'",
        labelOverlap="greedy",
        grid=False,
        orient="top",
        title="after layer",
    )
    unit = [0, 1]
    return (
        alt.Chart(alt.UrlData("attn:flow-edges/{stack}/{q}"))
        .transform_calculate(
            left="datum.column - 1",
            top="datum.key + 0.5",
            bottom="datum.query + 0.5",
            strength="sqrt(datum.share)",
        )
        .mark_rule(aria=False, strokeCap="round", stroke=expr("accent"))
        .encode(
            x=alt.X("left:Q", scale=_ACROSS, axis=axis),
            x2="column:Q",
            y=alt.Y("top:Q", scale=_DOWN, axis=None),
            y2="bottom:Q",
            strokeOpacity=alt.StrokeOpacity(
                "strength:Q", scale=alt.Scale(domain=unit, range=[0.05, 0.9]), legend=None
            ),
            strokeWidth=alt.StrokeWidth(
                "strength:Q", scale=alt.Scale(domain=unit, range=[0.6, 7]), legend=None
            ),
        )
    )


def _nodes() -> alt.Chart:
    return (
        alt.Chart(alt.UrlData("attn:flow-nodes/{stack}/{q}"))
        .transform_calculate(row="datum.position + 0.5")
        .mark_circle(
            color=expr("accent"),
            stroke=expr("bg"),
            strokeWidth=1,
            opacity=1,
            cursor="pointer",
            aria=False,
        )
        .encode(
            x=alt.X("column:Q", scale=_ACROSS),
            y=alt.Y("row:Q", scale=_DOWN),
            size=alt.Size("share:Q", scale=alt.Scale(domain=[0, 1], range=[0, 170]), legend=None),
            tooltip="tip:N",
        )
    )


def _labels(x: str, *, align: Literal["left", "right"], dx: int) -> alt.Chart:
    """The tokens on one side."""
    return (
        alt.Chart(alt.UrlData("attn:query-labels/{stack}"))
        .transform_calculate(column=x, row="datum.position + 0.5", chosen="datum.position == q")
        .mark_text(
            align=align,
            dx=dx,
            baseline="middle",
            fontSize=expr("max(7, min(12, height / length(queryTicks) * 0.86))"),
            limit=90,
            cursor="pointer",
            aria=False,
        )
        .encode(
            x=alt.X("column:Q", scale=_ACROSS),
            y=alt.Y("row:Q", scale=_DOWN),
            text="label:N",
            color=alt.condition("datum.chosen", alt.value(expr("accent")), alt.value(expr("fg"))),
        )
    )
