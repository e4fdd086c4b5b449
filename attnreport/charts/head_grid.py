"""Grids of all heads, layers downwards, with a number and a color in each cell."""

from typing import Any

import altair as alt

from attnreport.charts.theme import expr, layered, pick_head, themed, with_parameters

_STATE = ("stack", "layer", "head", "layers", "heads", "layerNumbers")


def pair_chart() -> alt.LayerChart:
    """One pair of positions across all heads: the weight from the chosen query to the chosen key.

    Cells are colored as those of the heatmap are.
    """
    chart = _head_grid("attn:pair/{stack}/{q}/{k}/{hiding}/{scale}")
    return themed(with_parameters(chart, *_STATE, "q", "k", "scale", "hiding"))


def changes_chart() -> alt.LayerChart:
    """How much each head changed, colored from 0 to the head that changed most."""
    return themed(with_parameters(_head_grid("attn:changes/{stack}"), *_STATE))


def _head_grid(address: str) -> alt.LayerChart:
    """A cell per head; a click chooses it.

    Its number is `w`, and is drawn where there is room; `share` says how much it is of the most
    that there is, and `shade` how dark its cell is. One that is `masked` is gray.
    """
    cells = alt.Chart(alt.UrlData(address))
    place: dict[str, Any] = {
        "x": alt.X("head:O", axis=alt.Axis(orient="top", labelAngle=0, title="head")),
        "y": alt.Y(
            "layer:O",
            axis=alt.Axis(title="layer", labelExpr="format(layerNumbers[datum.value], 'd')"),
        ),
    }
    colored = (
        cells.mark_rect(cornerRadius=2, stroke=expr("rule"), strokeWidth=1, cursor="pointer")
        .encode(
            color=alt.condition(
                "datum.masked",
                alt.value(expr("rule")),
                alt.Color(
                    "shade:Q",
                    scale=alt.Scale(domain=[0, 1], scheme=expr("scheme")),
                    legend=None,
                ),
            ),
            description="name:N",
            tooltip="tip:N",
            **place,
        )
        .add_params(pick_head())
    )
    numbers = (
        cells.transform_filter(
            "datum.share >= 0.005 && width / heads >= 25 && height / layers >= 14"
        )
        .mark_text(fontSize=10, aria=False)
        .encode(
            text=alt.Text("w:Q", format=".2f"),
            # Dark ink on pale cells and the other way round, in both modes.
            color=alt.condition(
                "(datum.shade >= 0.52) != dark",
                alt.value("#ffffff"),
                alt.value("#14181f"),
            ),
            **place,
        )
    )
    chosen = (
        cells.transform_filter("datum.layer == layer && datum.head == head")
        .mark_rect(fillOpacity=0, stroke=expr("accent"), strokeWidth=2, cornerRadius=2, aria=False)
        .encode(**place)
    )
    return layered(colored, numbers, chosen, width=400, height=200)
