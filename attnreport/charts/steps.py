"""One number of each token that was written."""

import altair as alt

from attnreport.charts.theme import expr, layered, themed, unit_scale, with_parameters

_LABEL_WIDTH = 34


def steps_chart() -> alt.LayerChart:
    """A bar per token that was written, in order; the chosen one stands out.

    What the bars say, such as the probability of the token, depends on the parameter `panel`.
    """
    x = unit_scale("steps")
    y = alt.Scale(domain=[0, expr("top")], nice=False, zero=True)
    rows = alt.Chart(alt.UrlData("attn:steps/{stack}/{layer}/{head}/{hiding}/{panel}"))
    bars = (
        rows.transform_calculate(left="datum.step + 0.12", right="datum.step + 0.88", zero="0")
        .mark_rect(aria=False, cornerRadiusTopLeft=1.5, cornerRadiusTopRight=1.5)
        .encode(
            x=alt.X("left:Q", scale=x, axis=_token_axis()),
            x2="right:Q",
            y=alt.Y(
                "value:Q",
                scale=y,
                axis=alt.Axis(
                    title=None,
                    tickCount=3,
                    format="~r",
                    minExtent=_LABEL_WIDTH,
                    maxExtent=_LABEL_WIDTH,
                ),
            ),
            y2="zero:Q",
            color=alt.condition(
                "datum.step == step", alt.value(expr("accent")), alt.value(expr("muted"))
            ),
        )
    )
    # A low bar is hard to hit, so the whole column of a token is its place.
    columns = (
        rows.transform_calculate(left="datum.step", right="datum.step + 1", low="0", high="top")
        .mark_rect(aria=False, fillOpacity=0, stroke=None, cursor="pointer")
        .encode(
            x=alt.X("left:Q", scale=x),
            x2="right:Q",
            y=alt.Y("low:Q", scale=y),
            y2="high:Q",
            tooltip="tip:N",
        )
    )
    chart = themed(
        with_parameters(
            layered(bars, columns, width=320, height=84),
            *("stack", "layer", "head", "hiding", "panel", "step", "steps", "stepLabels", "top"),
        )
    )
    # Half of the first slanted label reaches beyond the plot.
    return chart.properties(padding={"left": 2, "right": 2, "top": 8, "bottom": 6})


def _token_axis() -> alt.Axis:
    return alt.Axis(
        # As many as can be read.
        values=expr("sequence(0.5, steps, ceil(steps / (width / 11)))"),
        tickCount=expr("steps + 1"),
        labelExpr="stepLabels[floor(datum.value)]",
        orient="bottom",
        labelAngle=-60,
        labelAlign="right",
        labelBaseline="middle",
        labelOverlap=False,
        labelLimit=80,
        labelFontSize=expr("clamp(width / steps * 0.86, 8, 12)"),
        labelFontWeight={
            "condition": {"test": "floor(datum.value) == step", "value": "bold"},
            "value": "normal",
        },
        labelColor={
            "condition": {"test": "floor(datum.value) == step", "expr": "accent"},
            "expr": "fg",
        },
        grid=False,
        title=None,
    )
