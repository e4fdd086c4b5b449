"""How the numbers of a training went."""

import altair as alt

from attnreport.charts.theme import COLORS, expr, layered, one_row, themed, with_parameters


def training_chart() -> alt.LayerChart:
    """Curves of one unit over the training steps; a dashed line marks the step that was kept."""
    rows = alt.Chart(alt.UrlData("attn:curves/{panel}"))
    x = alt.X(
        "step:Q",
        title="training step",
        scale=alt.Scale(nice=False, zero=False),
        axis=alt.Axis(tickCount=5, format="~s", grid=False),
    )
    y = alt.Y(
        "value:Q",
        title=None,
        scale=alt.Scale(nice=True, zero=False),
        axis=alt.Axis(tickCount=5, format="~r"),
    )
    color = alt.Color(
        "name:N",
        sort=None,
        scale=alt.Scale(range=COLORS),
        legend=alt.Legend(title=None, orient="top", symbolType="stroke", columns=2, labelLimit=220),
    )
    dashes = alt.Scale(range=[[1, 0], [6, 3], [2, 2]])
    dash = alt.StrokeDash("name:N", sort=None, scale=dashes, legend=None)
    kept = (
        alt.Chart(one_row())
        .transform_filter("chosen >= 0")
        .transform_calculate(step="chosen")
        .mark_rule(aria=False, stroke=expr("accent"), strokeWidth=1.5, strokeDash=[4, 3])
        .encode(x="step:Q")
    )
    lines = rows.mark_line(aria=False, strokeWidth=2).encode(x=x, y=y, color=color, strokeDash=dash)
    points = rows.mark_point(aria=False, filled=True, size=26, opacity=1).encode(
        x=x, y=y, color=color, tooltip="tip:N"
    )
    return themed(
        with_parameters(layered(kept, lines, points, width=320, height=140), "panel", "chosen")
    )
