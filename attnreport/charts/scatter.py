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
    "first token": ("#E69F00", "square"),
    "last token": ("#D55E00", "cross"),
    "special tokens": ("#E69F00", "triangle-up"),
    "one token": ("#CC79A7", "triangle-down"),
    "in order": ("#0072B2", "diamond"),
    "sharp": ("#D55E00", "square"),
    "broad": ("#009E73", "circle"),
    "mixed": ("#8b93a1", "circle"),
    "no choice": ("#8b93a1", "cross"),
}


def scatter_chart(*, x_title: str) -> alt.LayerChart:
    """Each head as a mark by entropy and by what `x_title` names; color and shape by pattern.

    The legend lists the patterns that the parameter `patterns` names.

    Args:
        x_title: Title of the horizontal axis, whose values are the field `x` of the rows.
    """
    heads = alt.Chart(alt.UrlData("attn:heads/{stack}"))
    names = list(_LOOKS)
    colors = [color for color, _ in _LOOKS.values()]
    shapes = [shape for _, shape in _LOOKS.values()]
    place: dict[str, Any] = {
        "x": alt.X(
            "x:Q",
            title=x_title,
            scale=alt.Scale(zero=True, nice=True),
            axis=alt.Axis(labelFlush=False, tickCount=6, format="~r"),
        ),
        "y": alt.Y(
            "entropy:Q",
            title="mean entropy (bits)",
            scale=alt.Scale(zero=True, nice=True),
            axis=alt.Axis(tickCount=5),
        ),
    }
    marks = (
        heads.mark_point(
            filled=True, size=64, opacity=0.92, cursor="pointer", stroke=expr("bg"), strokeWidth=1
        )
        .encode(
            color=alt.Color(
                "pattern:N",
                scale=alt.Scale(domain=names, range=colors),
                legend=alt.Legend(
                    values=expr("patterns"),
                    # Cells and channels are no tokens.
                    labelExpr="datum.label == 'special tokens' ? datum.label"
                    " : replace(datum.label, 'token', keyNoun)",
                    title=None,
                    orient="bottom",
                    columns=3,
                    symbolSize=70,
                    columnPadding=14,
                    rowPadding=4,
                ),
            ),
            shape=alt.Shape("pattern:N", scale=alt.Scale(domain=names, range=shapes), legend=None),
            description="name:N",
            tooltip="tip:N",
            **place,
        )
        .add_params(pick_head())
    )
    chosen = (
        heads.transform_filter("datum.layer == layer && datum.head == head")
        .mark_point(size=230, strokeWidth=2, stroke=expr("accent"), aria=False)
        .encode(**place)
    )
    chart = layered(marks, chosen, width=360, height=270)
    return themed(
        with_parameters(chart, "stack", "layer", "head", "patterns", "keyNoun"), domain=False
    )
