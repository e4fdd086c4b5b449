"""One row of two heads side by side."""

import altair as alt

from attnreport.charts.heatmap import LABEL_WIDTH, key_labels
from attnreport.charts.theme import SIDES, expr, layered, themed, unit_scale, with_parameters

# What of a key's width stays free on either side, and what each of its two bars takes.
_GAP = 0.14
_BAR = 0.36


def paired_row_chart() -> alt.LayerChart:
    """The weights of the chosen query in two heads: a pair of bars for each key."""
    bars = (
        alt.Chart(alt.UrlData("attn:paired-row/{stack}/{layer}/{head}/{against}/{q}/{hiding}"))
        .transform_calculate(
            left=f"datum.k + {_GAP} + {_BAR} * datum.side",
            right=f"datum.k + {_GAP} + {_BAR} * (datum.side + 1)",
            zero="0",
        )
        .mark_rect(aria=False, cornerRadiusTopLeft=1.5, cornerRadiusTopRight=1.5)
        .encode(
            x=alt.X("left:Q", scale=unit_scale("keys"), axis=key_labels("true")),
            x2="right:Q",
            y=alt.Y(
                "w:Q",
                axis=alt.Axis(
                    title=None,
                    tickCount=3,
                    format="~r",
                    minExtent=LABEL_WIDTH // 2,
                    maxExtent=LABEL_WIDTH // 2,
                ),
                scale=alt.Scale(nice=True, zero=True),
            ),
            y2="zero:Q",
            color=alt.condition("datum.side", alt.value(expr("second")), alt.value(expr("first"))),
            opacity=alt.condition("datum.k == k", alt.value(1), alt.value(0.62)),
            tooltip="tip:N",
        )
    )
    chart = themed(
        with_parameters(
            layered(bars, width=900, height=110),
            *("stack", "layer", "head", "against", "q", "k", "keys", "keyLabels", "hiding"),
            *SIDES,
        )
    )
    return chart.properties(padding={"left": 2, "right": 2, "top": 8, "bottom": 6})
