"""All heads by two of their statistics."""

from typing import Any

import altair as alt

from attnreport.charts.theme import expr, layered, pick_head, themed, with_parameters

# Okabe and Ito (2008) colors, which color-blind readers can tell apart, each with a shape of its
# own. A pattern looks the same in every report.
_LOOKS = {
    "previous token": ("#0072B2", "triangle-left"),
    "next token": ("#56B4E9", "triangle-right"),
    "itself": ("#CC79A7", "diamond"),
    "duplicate token": ("#D55E00", "cross"),
    "induction": ("#D55E00", "triangle-up"),
    "alignment": ("#0072B2", "diamond"),
    "sink": ("#E69F00", "square"),
    "vertical stripe": ("#CC79A7", "triangle-down"),
    "delimiter": ("#E69F00", "triangle-up"),
    "positional": ("#56B4E9", "cross"),
    "local window": ("#56B4E9", "diamond"),
    "block": ("#0072B2", "square"),
    "broad": ("#009E73", "circle"),
    "no pattern": ("#8b93a1", "circle"),
}


def scatter_chart() -> alt.LayerChart:
    """Each head as a mark by the statistics `across` and `up`; color and shape by pattern.

    A ring says where a head would be that looks evenly at all it may. The legend lists the
    patterns that the parameter `patterns` names. What the axes show stands beside the chart, where
    it is chosen.
    """
    address = "{stack}/{across}/{up}/{wanted}"
    heads = alt.Chart(alt.UrlData(f"attn:points/{address}"))
    even = alt.Chart(alt.UrlData(f"attn:even/{address}"))
    place: dict[str, Any] = {
        "x": alt.X(
            "x:Q",
            title=None,
            # Where nothing is measured there are no rows to take the ends from.
            scale=alt.Scale(domain=[expr("acrossStart"), expr("acrossEnd")], nice=True),
            axis=alt.Axis(labelFlush=False, tickCount=6, format="~r"),
        ),
        "y": alt.Y(
            "y:Q",
            title=None,
            scale=alt.Scale(domain=[expr("upStart"), expr("upEnd")], nice=True),
            axis=alt.Axis(tickCount=5, format="~r"),
        ),
    }
    ring = even.mark_point(
        size=170, strokeWidth=1.5, strokeDash=[3, 2], stroke=expr("muted"), aria=False
    ).encode(tooltip="tip:N", **place)
    chosen = (
        heads.transform_filter("datum.layer == layer && datum.head == head")
        .mark_point(size=230, strokeWidth=2, stroke=expr("accent"), aria=False)
        .encode(**place)
    )
    chart = layered(ring, _marks(heads, place), chosen, width=360, height=270)
    return themed(
        with_parameters(
            chart,
            *("stack", "layer", "head", "patterns", "wanted", "across", "up"),
            *("acrossStart", "acrossEnd", "upStart", "upEnd"),
        ),
        domain=False,
    )


def _marks(heads: alt.Chart, place: dict[str, Any]) -> alt.Chart:
    names = list(_LOOKS)
    colors = [color for color, _ in _LOOKS.values()]
    shapes = [shape for _, shape in _LOOKS.values()]
    legend = alt.Legend(
        values=expr("patterns"),
        title=None,
        orient="bottom",
        columns=3,
        symbolSize=70,
        columnPadding=14,
        rowPadding=4,
    )
    return (
        heads.mark_point(filled=True, size=64, cursor="pointer", stroke=expr("bg"), strokeWidth=1)
        .encode(
            color=alt.Color(
                "pattern:N", scale=alt.Scale(domain=names, range=colors), legend=legend
            ),
            shape=alt.Shape("pattern:N", scale=alt.Scale(domain=names, range=shapes), legend=None),
            opacity=alt.condition("datum.wanted", alt.value(0.92), alt.value(0.12)),
            description="name:N",
            tooltip="tip:N",
            **place,
        )
        .add_params(pick_head())
    )
