"""Weights over the cells of a grid, on the picture that the cells are of."""

from typing import Any

import altair as alt

from attnreport.charts.heatmap import LEGEND, weight_legend
from attnreport.charts.theme import expr, layered, one_row, themed, unit_scale, with_parameters


def map_chart() -> alt.LayerChart:
    """One map: the picture, the weights over it, and outlines.

    Outlined are the heaviest cells, dashed those that a reference links, and boxed the chosen one.
    Without a picture the weights are all there is.
    """
    x, y = unit_scale("columns"), unit_scale("rows", downwards=True)
    picture = _picture("'attn:picture/' + picture", x, y)
    weights = _picture(
        "'attn:map/' + map + '/' + scale + '/' + (dark ? 'dark' : 'light')",
        x,
        y,
        opacity=expr("opacity"),
    )
    frame = (
        alt.Chart(one_row())
        .transform_calculate(x0="0", x1="columns", y0="0", y1="rows")
        .mark_rect(fillOpacity=0, aria=False, stroke=expr("rule"), strokeWidth=1)
        .encode(x=alt.X("x0:Q", scale=x), x2="x1:Q", y=alt.Y("y0:Q", scale=y), y2="y1:Q")
    )
    chosen = (
        alt.Chart(one_row())
        .transform_filter("cell >= 0")
        .transform_calculate(
            x0="cell % columns",
            x1="cell % columns + 1",
            y0="floor(cell / columns)",
            y1="floor(cell / columns) + 1",
        )
        .mark_rect(fillOpacity=0, aria=False, stroke=expr("accent"), strokeWidth=2.5)
        .encode(x=alt.X("x0:Q", scale=x), x2="x1:Q", y=alt.Y("y0:Q", scale=y), y2="y1:Q")
    )
    chart = layered(
        picture,
        weights,
        frame,
        # The wide stroke below sets the lines off from a picture of any color.
        _outline("linked", x, y, stroke=expr("bg"), strokeWidth=4, strokeOpacity=0.7),
        _outline("linked", x, y, stroke=expr("gold"), strokeWidth=2, strokeDash=[4, 3]),
        _outline("heaviest", x, y, stroke=expr("bg"), strokeWidth=4, strokeOpacity=0.8),
        _outline("heaviest", x, y, stroke=expr("fg"), strokeWidth=1.6),
        chosen,
        weight_legend(),
        width=320,
        height=320,
    )
    return themed(
        with_parameters(
            chart,
            *("map", "picture", "columns", "rows", "cell", "opacity", "scale", *LEGEND),
        )
    )


def _picture(address: str, x: alt.Scale, y: alt.Scale, **mark: Any) -> alt.Chart:
    """A picture over the whole grid."""
    return (
        alt.Chart(one_row())
        .transform_calculate(url=address, x0="0", x1="columns", y0="0", y1="rows")
        .mark_image(aspect=False, smooth=False, aria=False, **mark)
        .encode(
            x=alt.X("x0:Q", scale=x, axis=None),
            x2="x1:Q",
            y=alt.Y("y0:Q", scale=y, axis=None),
            y2="y1:Q",
            url="url:N",
        )
    )


def _outline(what: str, x: alt.Scale, y: alt.Scale, **mark: Any) -> alt.Chart:
    """Lines around some of the cells."""
    return (
        alt.Chart(alt.UrlData(f"attn:outline/{what}/{{map}}"))
        .mark_rule(aria=False, strokeCap="square", **mark)
        .encode(x=alt.X("x0:Q", scale=x), x2="x1:Q", y=alt.Y("y0:Q", scale=y), y2="y1:Q")
    )
