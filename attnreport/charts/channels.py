"""The channels of one example as bars, and the means of each class as a picture of them."""

import altair as alt

from attnreport.charts.heatmap import LABEL_WIDTH
from attnreport.charts.theme import expr, layered, themed, unit_scale, with_parameters


def channels_chart() -> alt.LayerChart:
    """One bar per channel, and on each a tick at the mean over the examples of the same class."""
    x = unit_scale("keys")
    rows = alt.Chart(alt.UrlData("attn:channels/{stack}/{layer}/{head}/{q}")).transform_calculate(
        left="datum.k + 0.12", right="datum.k + 0.88", zero="0"
    )
    bars = rows.mark_rect(aria=False, cursor="pointer").encode(
        x=alt.X("left:Q", scale=x, axis=_channel_axis(expr("keyTicks"))),
        x2="right:Q",
        y=alt.Y(
            "w:Q",
            scale=alt.Scale(nice=True, zero=True),
            axis=alt.Axis(
                title=None, tickCount=4, format="~r", minExtent=LABEL_WIDTH, maxExtent=LABEL_WIDTH
            ),
        ),
        y2="zero:Q",
        color=alt.condition("datum.k == k", alt.value(expr("accent")), alt.value(expr("muted"))),
        tooltip="tip:N",
    )
    means = rows.mark_rule(aria=False, stroke=expr("gold"), strokeWidth=3).encode(
        x=alt.X("left:Q", scale=x),
        x2="right:Q",
        y="mean:Q",
        opacity=alt.condition("datum.compares", alt.value(1), alt.value(0)),
        tooltip="tip:N",
    )
    return themed(
        with_parameters(
            layered(bars, means, width=620, height=170),
            *("stack", "layer", "head", "q", "k", "keys", "keyTicks"),
        )
    )


def class_channels_chart() -> alt.LayerChart:
    """Classes downwards, channels across, each cell the mean over the examples of the class."""
    x = unit_scale("keys")
    y = alt.Scale(domain=[expr("length(classes)"), 0], nice=False, zero=False)
    cells = (
        alt.Chart(alt.UrlData("attn:class-channels/{stack}/{layer}/{head}/{q}"))
        .transform_calculate(x1="datum.k + 1", y1="datum.c + 0.96", y0="datum.c + 0.04")
        .mark_rect(aria=False, cursor="crosshair")
        .encode(
            x=alt.X("k:Q", scale=x, axis=_channel_axis(expr("keyTicks"))),
            x2="x1:Q",
            y=alt.Y(
                "y0:Q",
                scale=y,
                axis=alt.Axis(
                    values=expr("sequence(0.5, length(classes))"),
                    tickCount=expr("length(classes) + 1"),
                    labelExpr="classes[floor(datum.value)]",
                    labelColor=expr("fg"),
                    labelLimit=LABEL_WIDTH - 4,
                    labelOverlap=False,
                    minExtent=LABEL_WIDTH,
                    maxExtent=LABEL_WIDTH,
                    grid=False,
                    title=None,
                ),
            ),
            y2="y1:Q",
            color=alt.Color(
                "w:Q",
                scale=alt.Scale(zero=False, nice=False, scheme=expr("scheme")),
                legend=alt.Legend(
                    title="mean strength",
                    orient="bottom",
                    direction="horizontal",
                    titleOrient="left",
                    gradientLength=expr("clamp(width - 110, 60, 220)"),
                    gradientThickness=8,
                    tickCount=5,
                    format="~r",
                ),
            ),
            tooltip="tip:N",
        )
    )
    return themed(
        with_parameters(
            layered(cells, width=620, height=170),
            *("stack", "layer", "head", "q", "keys", "keyTicks", "classes"),
        )
    )


def _channel_axis(ticks: alt.ExprRef) -> alt.Axis:
    return alt.Axis(
        values=ticks,
        tickCount=expr("keys + 1"),
        labelExpr="format(floor(datum.value), 'd')",
        labelOverlap=True,
        grid=False,
        orient="bottom",
        title="channel",
    )
