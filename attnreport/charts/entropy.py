"""How spread out each query's attention is."""

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

_EVEN = "log(keys) / LN2"


def entropy_chart() -> alt.LayerChart:
    r"""One bar per query: the entropy of its row in the chosen head, in bits.

    A dashed line marks the entropy of attention spread evenly over all keys, \log_2 of their
    number.
    """
    x = alt.Scale(domain=[0, expr(f"1.02 * max(0.1, {_EVEN})")], nice=False, zero=True)
    y = unit_scale("queries", downwards=True)
    bars = (
        alt.Chart(alt.UrlData("attn:entropy/{stack}/{layer}/{head}/{hiding}"))
        .transform_calculate(top="datum.q + 0.14", bottom="datum.q + 0.86", zero="0")
        .mark_rect(aria=False, cornerRadiusTopRight=1.5, cornerRadiusBottomRight=1.5)
        .encode(
            x=alt.X(
                "entropy:Q",
                scale=x,
                axis=alt.Axis(
                    title="entropy (bits)",
                    tickCount=4,
                    labelFlush=False,
                    orient="bottom",
                    format="~r",
                ),
            ),
            x2="zero:Q",
            y=alt.Y(
                "top:Q",
                scale=y,
                axis=alt.Axis(
                    values=expr("queryTicks"),
                    tickCount=expr("queries + 1"),
                    labelExpr=thinned("queryLabels", "queryTicks", "height"),
                    labelOverlap=False,
                    labelLimit=90,
                    labelColor={
                        "condition": {"test": "floor(datum.value) == q", "expr": "accent"},
                        "expr": "fg",
                    },
                    labelFontSize=expr("max(7, min(12, height / length(queryTicks) * 0.86))"),
                    grid=False,
                    title=None,
                ),
            ),
            y2="bottom:Q",
            color=alt.condition(
                "datum.q == q", alt.value(expr("accent")), alt.value(expr("muted"))
            ),
            tooltip="tip:N",
        )
    )
    even = (
        alt.Chart(one_row())
        .transform_calculate(entropy=_EVEN)
        .mark_rule(aria=False, stroke=expr("fg"), strokeWidth=1.2, strokeDash=[4, 3])
        .encode(x=alt.X("entropy:Q", scale=x))
    )
    return themed(
        with_parameters(
            layered(bars, even, width=300, height=300),
            *("stack", "layer", "head", "q", "queries", "keys", "queryLabels", "queryTicks"),
            "hiding",
        )
    )
