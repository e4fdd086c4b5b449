"""Who looks at whom: a line from each query to the keys it attends to."""

from typing import Any, Literal

import altair as alt

from attnreport.charts.theme import expr, layered, themed, with_parameters

_COLUMN = alt.Scale(domain=[0, 1], nice=False, zero=False)
_DOWN = alt.Scale(domain=[1, 0], nice=False, zero=False)


def lines_chart() -> alt.LayerChart:
    """Queries in the left column, keys in the right one, lines as strong as the weights.

    The two columns may hold different numbers of positions; each is spread over the full height.
    """
    # The quiet lines do not depend on the chosen token, so moving the pointer redraws only the
    # few loud ones.
    quiet = _rules(
        "attn:edges/{stack}/{layer}/{head}/{hiding}",
        stroke=expr("fg"),
        strokeWidth=1.1,
        opacity=0.22,
    )
    loud = _rules(
        "attn:edges-from/{stack}/{layer}/{head}/{q}/{hiding}",
        stroke=expr("accent"),
        strokeWidth=2.4,
    )
    queries = _labels("attn:query-labels/{stack}", "queryTicks", "q", x="0", align="right", dx=-7)
    keys = _labels("attn:key-labels/{stack}", "keyTicks", "k", x="1", align="left", dx=7)
    chart = layered(quiet, loud, queries, keys, width=150, height=520)
    return themed(
        with_parameters(
            chart,
            *("stack", "layer", "head", "q", "k", "queries", "keys"),
            *("queryTicks", "keyTicks", "hiding"),
        )
    )


def _rules(address: str, **mark: Any) -> alt.Chart:
    return (
        alt.Chart(alt.UrlData(address))
        .transform_calculate(
            left="(datum.q + 0.5) / queries",
            right="(datum.k + 0.5) / keys",
            x0="0",
            x1="1",
            strength="pow(datum.w, 0.7)",
        )
        .mark_rule(aria=False, strokeCap="round", **mark)
        .encode(
            x=alt.X("x0:Q", scale=_COLUMN, axis=None),
            x2="x1:Q",
            y=alt.Y("left:Q", scale=_DOWN, axis=None),
            y2="right:Q",
            strokeOpacity=alt.StrokeOpacity(
                "strength:Q", scale=alt.Scale(domain=[0, 1], range=[0.02, 1]), legend=None
            ),
        )
    )


def _labels(
    address: str, ticks: str, chosen: str, *, x: str, align: Literal["left", "right"], dx: int
) -> alt.Chart:
    size = "queries" if chosen == "q" else "keys"
    return (
        alt.Chart(alt.UrlData(address))
        .transform_calculate(
            x0=x, y0=f"(datum.position + 0.5) / {size}", chosen=f"datum.position == {chosen}"
        )
        .mark_text(
            align=align,
            dx=dx,
            baseline="middle",
            fontSize=expr(f"max(7, min(12, height / length({ticks}) * 0.86))"),
            limit=90,
            cursor="pointer",
            aria=False,
        )
        .encode(
            x=alt.X("x0:Q", scale=_COLUMN),
            y=alt.Y("y0:Q", scale=_DOWN),
            text="label:N",
            color=alt.condition("datum.chosen", alt.value(expr("accent")), alt.value(expr("fg"))),
        )
    )
