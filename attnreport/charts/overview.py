"""All heads of a stack, one small picture each."""

from typing import Any, Literal

import altair as alt

from attnreport.charts.theme import (
    expr,
    layered,
    one_row,
    pick_head,
    themed,
    unit_scale,
    with_parameters,
)


def overview_chart() -> alt.LayerChart:
    """A grid of thumbnails, layers downwards and heads across; clicking one picks the head.

    The thumbnails are one picture. A picture per head takes ten times as long to draw.
    """
    x, y = unit_scale("heads"), unit_scale("layers", downwards=True)
    picture = (
        alt.Chart(one_row())
        .transform_calculate(
            url="'attn:atlas/' + stack + '/' + (dark ? 'dark' : 'light')",
            x0="0",
            x1="heads",
            y0="0",
            y1="layers",
        )
        .mark_image(aspect=False, smooth=False, aria=False)
        .encode(
            x=alt.X("x0:Q", scale=x, axis=_counting_axis("heads", "head", "{}", orient="top")),
            x2="x1:Q",
            y=alt.Y(
                "y0:Q",
                scale=y,
                axis=_counting_axis("layers", "layer", "layerNumbers[{}]", orient="left"),
            ),
            y2="y1:Q",
            url="url:N",
        )
    )
    heads = alt.Chart(alt.UrlData("attn:heads/{stack}/{wanted}")).transform_calculate(
        x1="datum.head + 1", y1="datum.layer + 1"
    )
    box: dict[str, Any] = {
        "x": alt.X("head:Q", scale=x),
        "x2": "x1:Q",
        "y": alt.Y("layer:Q", scale=y),
        "y2": "y1:Q",
    }
    cells = (
        heads.mark_rect(fill=expr("bg"), stroke=expr("bg"), strokeWidth=4, cursor="pointer")
        .encode(
            # A veil over the heads that are not wanted leaves them where a reader has seen them.
            fillOpacity=alt.condition("datum.wanted", alt.value(0), alt.value(0.84)),
            tooltip="tip:N",
            description="name:N",
            **box,
        )
        .add_params(pick_head())
    )
    # An outline inside the gap keeps a head visible whose weights are nearly all zero.
    outlines = heads.mark_rect(
        fillOpacity=0, stroke=expr("rule"), strokeWidth=1, aria=False
    ).encode(**box)
    chosen = (
        heads.transform_filter("datum.layer == layer && datum.head == head")
        .mark_rect(
            fillOpacity=0, stroke=expr("accent"), strokeWidth=2.5, aria=False, cornerRadius=1
        )
        .encode(**box)
    )
    chart = layered(picture, cells, outlines, chosen, width=620, height=310)
    return themed(
        with_parameters(
            chart, *("stack", "layer", "head", "layers", "heads", "layerNumbers", "wanted")
        )
    )


def _counting_axis(
    size: str, title: str, number: str, *, orient: Literal["left", "top"]
) -> alt.Axis:
    """An axis with a number in the middle of each cell.

    Args:
        size: The parameter that says how many cells there are.
        title: What is counted.
        number: Expression of the number, with `{}` for the place of the cell.
        orient: Where the axis stands.
    """
    return alt.Axis(
        values=expr(f"sequence(0.5, {size}, {size} > 40 ? ceil({size} / 20) : 1)"),
        tickCount=expr(f"{size} + 1"),
        labelExpr=f"format({number.format('floor(datum.value)')}, 'd')",
        grid=False,
        orient=orient,
        title=title,
    )
