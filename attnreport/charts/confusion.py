"""How often each class was taken for each."""

from typing import Any

import altair as alt

from attnreport.charts.theme import expr, layered, themed, with_parameters

_COUNT = "length(labels)"
# Whether the names of the classes have two letters on average at most.
_SHORT = f"length(join(labels, '')) <= 2 * {_COUNT}"
# The longest name of a class, in pixels; also in templates/page/layout.js.
_LONGEST_LABEL = 130


def confusion_chart() -> alt.LayerChart:
    """True classes downwards, given ones across; colored by the share of the true class.

    A dot marks the cells of which there are examples in the report.
    """
    x = alt.Scale(domain=[0, expr(_COUNT)], nice=False, zero=False)
    y = alt.Scale(domain=[expr(_COUNT), 0], nice=False, zero=False)
    rows = alt.Chart(alt.UrlData("attn:confusion")).transform_calculate(
        x1="datum.o + 1", y1="datum.t + 1", xm="datum.o + 0.5", ym="datum.t + 0.5",
        xd="datum.o + 0.86", yd="datum.t + 0.14",
    )  # fmt: skip
    box: dict[str, Any] = {
        "x": alt.X("o:Q", scale=x, axis=_class_axis("what came out", "output", "width", "top")),
        "x2": "x1:Q",
        "y": alt.Y("t:Q", scale=y, axis=_class_axis("true class", "target", "height", "left")),
        "y2": "y1:Q",
    }
    cells = rows.mark_rect(stroke=expr("bg"), strokeWidth=1.5, cursor="pointer", aria=False).encode(
        color=alt.Color(
            "share:Q",
            scale=alt.Scale(type="pow", exponent=0.5, domain=[0, 1], scheme=expr("scheme")),
            legend=None,
        ),
        tooltip="tip:N",
        **box,
    )
    roomy = f"width / {_COUNT} >= 21"
    numbers = (
        rows.transform_filter(f"datum.count > 0 && {roomy}")
        .mark_text(aria=False, fontSize=expr(f"clamp(width / {_COUNT} / 2.6, 8, 12)"))
        .encode(
            x=alt.X("xm:Q", scale=x),
            y=alt.Y("ym:Q", scale=y),
            text="count:Q",
            # Dark ink on pale cells and the other way round, in both modes.
            color=alt.condition(
                "(sqrt(datum.share) >= 0.52) != dark", alt.value("#ffffff"), alt.value("#14181f")
            ),
        )
    )
    dots = (
        rows.transform_filter("datum.here > 0")
        .mark_point(aria=False, filled=True, size=14, opacity=1, fill=expr("gold"))
        .encode(x=alt.X("xd:Q", scale=x), y=alt.Y("yd:Q", scale=y))
    )
    chosen = (
        rows.transform_filter("datum.t == target && datum.o == output")
        .mark_rect(fillOpacity=0, stroke=expr("accent"), strokeWidth=2.5, aria=False)
        .encode(**box)
    )
    return themed(
        with_parameters(
            layered(cells, numbers, dots, chosen, width=320, height=320),
            *("labels", "target", "output"),
        )
    )


def _class_axis(title: str, chosen: str, side: str, orient: Any) -> alt.Axis:
    """An axis with the name of each class, as far as there is room."""
    test = f"floor(datum.value) == {chosen}"
    room: dict[str, Any] = (
        {
            # Digits are read as they stand.
            "labelAngle": expr(f"{_SHORT} ? 0 : -60"),
            "labelAlign": expr(f"{_SHORT} ? 'center' : 'left'"),
            "labelBaseline": expr(f"{_SHORT} ? 'bottom' : 'middle'"),
        }
        if orient == "top"
        else {}
    )
    return alt.Axis(
        values=expr(f"sequence(0.5, {_COUNT}, ceil({_COUNT} / ({side} / 8)))"),
        tickCount=expr(f"{_COUNT} + 1"),
        labelExpr="labels[floor(datum.value)]",
        labelOverlap=False,
        labelLimit=_LONGEST_LABEL,
        labelFontSize=expr(f"clamp({side} / {_COUNT} * 0.8, 7, 12)"),
        labelColor={"condition": {"test": test, "expr": "accent"}, "expr": "fg"},
        grid=False,
        orient=orient,
        title=title,
        **room,
    )
