"""The weights of one head as a picture over labeled axes, and one row of it as bars."""

from typing import Any

import altair as alt

from attnreport.charts.theme import (
    expr,
    layered,
    one_row,
    themed,
    thinned,
    unit_scale,
    with_parameters,
)

# Room for token labels left of the heatmap and of the bars below it, so that their columns meet.
LABEL_WIDTH = 84

# Expressions of which head a picture is of, and of how its weights become colors.
_HEAD = "stack + '/' + layer + '/' + head"
_COLORS = "'/' + scale + '/' + ceiling + '/' + hiding + '/' + (dark ? 'dark' : 'light')"

# The parameters that `weight_legend` follows.
LEGEND = ("legendTicks", "legendLabels", "legendTitle")


def heatmap_chart() -> alt.LayerChart:
    """One head: queries downwards, keys across, crosshair on the chosen pair, color legend.

    Rectangles mark where a reference alignment says attention should go, if there is one.
    """
    x, y = unit_scale("keys"), unit_scale("queries", downwards=True)
    # The wide stroke below sets the marks off from cells of any color.
    under = _reference_marks(x, y, stroke=expr("bg"), strokeWidth=4, strokeOpacity=0.75)
    marks = _reference_marks(x, y, stroke=expr("gold"), strokeWidth=2)
    return matrix(f"'attn:head/' + {_HEAD} + {_COLORS}", under, marks)


def difference_chart() -> alt.LayerChart:
    """What another head gives to each key more or less than the chosen one, like a heatmap."""
    return matrix(f"'attn:difference/' + {_HEAD} + '/' + against + {_COLORS}", crosshair="fg")


def matrix(address: str, *marks: alt.Chart, crosshair: str = "accent") -> alt.LayerChart:
    """A picture of cells, queries downwards, keys across, with a color legend.

    Args:
        address: Expression of where the picture is.
        marks: What is drawn over it.
        crosshair: The parameter with the color of the frames around the chosen row and column.
    """
    x, y = unit_scale("keys"), unit_scale("queries", downwards=True)
    picture = (
        alt.Chart(one_row())
        .transform_calculate(url=address, x0="0", x1="keys", y0="0", y1="queries")
        .mark_image(aspect=False, smooth=False, aria=False)
        .encode(
            x=alt.X("x0:Q", scale=x, axis=_key_axis()),
            x2="x1:Q",
            y=alt.Y("y0:Q", scale=y, axis=_query_axis()),
            y2="y1:Q",
            url="url:N",
        )
    )
    stroke = expr(crosshair)
    row = _frame(x, y, "0", "keys", "q", "q + 1", stroke=stroke, strokeWidth=1.2)
    column = _frame(
        x,
        y,
        *("k", "k + 1", "0", "queries"),
        stroke=stroke,
        strokeWidth=1,
        strokeDash=[3, 2],
        strokeOpacity=0.75,
    )
    chart = layered(picture, *marks, row, column, weight_legend(), width=520, height=520)
    return themed(
        with_parameters(
            chart,
            *("stack", "layer", "head", "q", "k", "queries", "keys", "labelRoom"),
            *("queryLabels", "keyLabels", "queryTicks", "keyTicks"),
            *("scale", "ceiling", "hiding", *LEGEND),
            *(["against"] if "against" in address else []),
        )
    )


def row_chart() -> alt.LayerChart:
    """The chosen query's weights as bars, on the same horizontal axis as the heatmap."""
    bars = (
        alt.Chart(alt.UrlData("attn:row/{stack}/{layer}/{head}/{q}/{hiding}"))
        .transform_calculate(left="datum.k + 0.12", right="datum.k + 0.88", zero="0")
        .mark_rect(aria=False, cornerRadiusTopLeft=1.5, cornerRadiusTopRight=1.5)
        .encode(
            x=alt.X("left:Q", scale=unit_scale("keys"), axis=key_labels("single")),
            x2="right:Q",
            y=alt.Y(
                "w:Q",
                axis=alt.Axis(
                    title=None,
                    tickCount=3,
                    format="~r",
                    minExtent=LABEL_WIDTH,
                    maxExtent=LABEL_WIDTH,
                ),
                scale=alt.Scale(nice=True, zero=True),
            ),
            y2="zero:Q",
            color=alt.condition(
                "datum.k == k", alt.value(expr("accent")), alt.value(expr("muted"))
            ),
            tooltip="tip:N",
        )
    )
    chart = themed(
        with_parameters(
            layered(bars, width=520, height=84),
            *("stack", "layer", "head", "q", "k", "keys", "keyLabels", "single", "hiding"),
        )
    )
    # The axis may come to end anywhere, and half of its last label reaches beyond the plot.
    return chart.properties(padding={"left": 2, "right": 2, "top": 8, "bottom": 6})


def key_labels(shown: str) -> alt.Axis:
    """The labels below bars, where the expression holds: below a heatmap, its own stand above."""
    return alt.Axis(
        # As many as can be read.
        values=expr(f"{shown} ? sequence(0.5, keys, ceil(keys / (width / 9))) : []"),
        tickCount=expr("keys + 1"),
        labelExpr="keyLabels[floor(datum.value)]",
        orient="bottom",
        labelAngle=-60,
        labelAlign="right",
        labelBaseline="middle",
        labelOverlap=False,
        labelLimit=90,
        labelFontSize=expr("clamp(width / keys * 0.86, 8, 12)"),
        grid=False,
        title=None,
        **_emphasis("k"),
    )


def _key_axis() -> alt.Axis:
    return alt.Axis(
        values=expr("keyTicks"),
        # Without a count as large as the ticks, Vega-Lite thins explicit values too.
        tickCount=expr("keys + 1"),
        labelExpr=thinned("keyLabels", "keyTicks", "width"),
        orient="top",
        labelAngle=-60,
        labelAlign="left",
        labelBaseline="middle",
        labelOverlap=False,
        labelLimit=90,
        labelFontSize=expr("max(7, min(12, width / length(keyTicks) * 0.86))"),
        grid=False,
        title=None,
        **_emphasis("k"),
    )


def _query_axis() -> alt.Axis:
    return alt.Axis(
        values=expr("queryTicks"),
        tickCount=expr("queries + 1"),
        labelExpr=thinned("queryLabels", "queryTicks", "height"),
        labelOverlap=False,
        labelLimit=LABEL_WIDTH - 4,
        minExtent=expr("labelRoom"),
        maxExtent=expr("labelRoom"),
        labelFontSize=expr("max(7, min(12, height / length(queryTicks) * 0.86))"),
        grid=False,
        title=None,
        **_emphasis("q"),
    )


def _emphasis(position: str) -> dict[str, Any]:
    """Axis options that make the label of the chosen position bold and accented."""
    test = f"floor(datum.value) == {position}"
    return {
        "labelFontWeight": {"condition": {"test": test, "value": "bold"}, "value": "normal"},
        "labelColor": {"condition": {"test": test, "expr": "accent"}, "expr": "fg"},
    }


def _frame(
    x: alt.Scale, y: alt.Scale, x0: str, x1: str, y0: str, y1: str, **mark: Any
) -> alt.Chart:
    """An outlined box between two columns and two rows, given as expressions."""
    return (
        alt.Chart(one_row())
        .transform_calculate(x0=x0, x1=x1, y0=y0, y1=y1)
        .mark_rect(fillOpacity=0, aria=False, **mark)
        .encode(x=alt.X("x0:Q", scale=x), x2="x1:Q", y=alt.Y("y0:Q", scale=y), y2="y1:Q")
    )


def _reference_marks(x: alt.Scale, y: alt.Scale, **stroke: Any) -> alt.Chart:
    """A box in every cell that the reference alignment links."""
    return (
        alt.Chart(alt.UrlData("attn:reference/{stack}/{layer}"))
        .transform_calculate(
            x0="datum.k + 0.08", x1="datum.k + 0.92", y0="datum.q + 0.08", y1="datum.q + 0.92"
        )
        .mark_rect(fillOpacity=0, aria=False, cornerRadius=3, **stroke)
        .encode(x=alt.X("x0:Q", scale=x), x2="x1:Q", y=alt.Y("y0:Q", scale=y), y2="y1:Q")
    )


def weight_legend() -> alt.Chart:
    """An invisible point whose color scale makes the legend that a picture cannot have.

    The scale runs over shades, from 0 for the palest to 1 for the darkest, and the page says which
    weights have which: no scale of Vega is at once a square root, a logarithm and a share of a
    row's largest weight.
    """
    return (
        alt.Chart(one_row())
        .transform_calculate(shade="0")
        .mark_point(opacity=0, aria=False)
        .encode(
            color=alt.Color(
                "shade:Q",
                scale=alt.Scale(domain=[0, 1], scheme=expr("scheme")),
                legend=alt.Legend(
                    title="{legendTitle}",
                    orient="bottom",
                    direction="horizontal",
                    titleOrient="left",
                    # A legend wider than a narrow plot would make the page shrink the picture.
                    gradientLength=expr("clamp(width - 110, 60, 220)"),
                    gradientThickness=8,
                    values=expr("legendTicks"),
                    labelExpr="legendLabels[indexof(legendTicks, datum.value)]",
                    labelOverlap="greedy",
                    offset=10,
                ),
            )
        )
    )
