"""How a score falls as parts of the inputs are taken away."""

import altair as alt

from attnreport.charts.theme import COLORS, layered, themed, titled, with_parameters


def deletion_chart() -> alt.LayerChart:
    """A curve for each order of taking away; a bar from the least to the greatest of its draws."""
    rows = alt.Chart(alt.UrlData("attn:deletion"))
    x = alt.X(
        "share:Q",
        title=titled("xTitle"),
        scale=alt.Scale(nice=False, zero=True),
        axis=alt.Axis(tickCount=6, format="%", grid=False),
    )
    y = alt.Y(
        "score:Q",
        title=titled("yTitle"),
        scale=alt.Scale(nice=True, zero=True),
        axis=alt.Axis(tickCount=5, format="~r"),
    )
    color = alt.Color(
        "name:N",
        sort=None,
        scale=alt.Scale(range=COLORS),
        legend=alt.Legend(
            title=None,
            orient="top",
            symbolType="stroke",
            symbolOpacity=1,
            columns=2,
            labelLimit=220,
        ),
    )
    dashes = alt.Scale(range=[[1, 0], [6, 3], [2, 2]])
    dash = alt.StrokeDash("name:N", sort=None, scale=dashes, legend=None)
    spread = rows.mark_rule(aria=False, opacity=0.4, strokeWidth=7, strokeCap="butt").encode(
        x=x, y=alt.Y("least:Q", title=titled("yTitle")), y2="greatest:Q", color=color
    )
    lines = rows.mark_line(aria=False, strokeWidth=2).encode(x=x, y=y, color=color, strokeDash=dash)
    points = rows.mark_point(aria=False, filled=True, size=26, opacity=1).encode(
        x=x, y=y, color=color, tooltip="tip:N"
    )
    return themed(
        with_parameters(layered(spread, lines, points, width=320, height=220), "xTitle", "yTitle")
    )
