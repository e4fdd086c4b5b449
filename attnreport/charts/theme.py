"""What all charts share: parameters that the page sets, colors that follow it, axis styling."""

from collections.abc import Mapping
from typing import Any

import altair as alt

from attnreport.analysis import HEAD_PATTERNS, NO_PATTERN

FONT = (
    'ui-sans-serif, system-ui, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", '
    '"Noto Sans CJK SC", sans-serif'
)

# Of curves. Okabe and Ito (2008), told apart by color-blind readers too.
COLORS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9"]

# Value of each parameter until the page sets it. Sizes, labels and choices are parameters, so one
# compiled chart serves every example and every group of a report.
PARAMETERS: Mapping[str, Any] = {
    "stack": 0,
    "layer": 0,
    "head": 0,
    "q": 0,
    "k": 0,
    "layers": 1,
    "layerNumbers": [0],
    "heads": 1,
    "queries": 1,
    "keys": 1,
    "queryLabels": [],
    "keyLabels": [],
    "queryTicks": [0.5],
    "keyTicks": [0.5],
    # Room for the labels of queries left of a matrix.
    "labelRoom": 84,
    # The head that the chosen one is compared with, as the end of an address.
    "against": "0/0/0",
    # A map: its name, the number of its picture or -1, its size in cells, its chosen cell or -1.
    "map": "",
    "picture": -1,
    "columns": 1,
    "rows": 1,
    "cell": -1,
    "opacity": 1,
    # Titles of axes: see `titled`.
    "xTitle": "",
    "yTitle": "",
    # Names of the classes that have means, and of those of the confusion with its chosen cell.
    "classes": [],
    "labels": [],
    # Whether there is one row only, which then has its labels below.
    "single": False,
    "target": -1,
    "output": -1,
    # Which curves, and the step that was kept or -1.
    "panel": 0,
    "chosen": -1,
    # How many tokens were written, their labels, the chosen one or -1, and where the bars end.
    "steps": 1,
    "stepLabels": [],
    "step": -1,
    "top": 1,
    # How weights become colors, where the colors end, and what the legend says of both.
    "scale": "sqrt",
    "ceiling": 1,
    "legendTicks": [0, 1],
    "legendLabels": ["0", "1"],
    "legendTitle": "attention weight",
    # Which keys are left out: 0 none, 1 special ones, 2 sinks, 3 both.
    "hiding": 0,
    "patterns": [*HEAD_PATTERNS, NO_PATTERN],
    # Which heads are wanted, and which statistics the scatter compares them by.
    "wanted": "",
    "across": "",
    "up": "",
    "acrossStart": 0,
    "acrossEnd": 1,
    "upStart": 0,
    "upEnd": 1,
    # The colors of the page's style, for charts that no page has told its own.
    "dark": False,
    "bg": "#ffffff",
    "fg": "#1d2127",
    "muted": "#626a76",
    "rule": "#e2e3df",
    "accent": "#c03c08",
    "gold": "#cf9400",
    "scheme": "attnlight",
    # Of two heads that are compared.
    "first": "#3a53a8",
    "second": "#a85510",
}
SKIN = ("dark", "bg", "fg", "muted", "rule", "accent", "gold", "scheme")
SIDES = ("first", "second")

expr = alt.ExprRef

# Pixels that a label of the smallest type needs.
_LEAST_ROOM = 6.4


def layered(*layers: alt.Chart, width: int, height: int) -> alt.LayerChart:
    """The layers on top of each other, at a size that holds until the page sets its own."""
    return alt.LayerChart(layer=list(layers), width=width, height=height)


def with_parameters(chart: alt.LayerChart, *names: str) -> alt.LayerChart:
    """The chart with the named parameters and those of the skin, for the page to set."""
    return chart.add_params(
        *(alt.param(name=name, value=PARAMETERS[name]) for name in (*names, *SKIN))
    )


def themed(chart: alt.LayerChart, **axis: Any) -> alt.LayerChart:
    """The chart in the page's colors and type, without ticks and domain lines on its axes."""
    axis_style = {
        "labelColor": expr("muted"),
        "titleColor": expr("muted"),
        "gridColor": expr("rule"),
        "domainColor": expr("rule"),
        "tickColor": expr("rule"),
        "labelFont": FONT,
        "titleFont": FONT,
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "ticks": False,
        "domain": False,
        "labelPadding": 6,
        **axis,
    }
    # `configure` replaces what earlier `configure_*` calls set, so it comes first.
    return (
        chart.configure(background="transparent", font=FONT, padding=2)
        .configure_view(stroke=None)
        .configure_axis(**axis_style)
        .configure_legend(
            labelColor=expr("muted"),
            titleColor=expr("muted"),
            labelFont=FONT,
            titleFont=FONT,
            labelFontSize=11,
            titleFontSize=11,
            titleFontWeight="normal",
            symbolStrokeColor=expr("muted"),
        )
    )


def titled(parameter: str) -> str:
    """A title that is the value of a parameter, as `attnreport.report.compile` understands it."""
    return f"{{{parameter}}}"


def one_row() -> alt.InlineData:
    """Data of a layer that draws a single mark."""
    return alt.InlineData(values=[{}])


def unit_scale(size: str, *, downwards: bool = False) -> alt.Scale:
    """A linear scale from 0 to the parameter `size`, one unit per position."""
    domain = [expr(size), 0] if downwards else [0, expr(size)]
    return alt.Scale(domain=domain, nice=False, zero=False)


def thinned(labels: str, ticks: str, side: str) -> str:
    """The label of a tick, or of every second or third one where there is no room for all.

    Args:
        labels: The parameter with the labels of all positions.
        ticks: The parameter with the ticks, in equal steps.
        side: `width` or `height`, along which they stand.
    """
    place = f"floor(datum.value) / (length({ticks}) > 1 ? {ticks}[1] - {ticks}[0] : 1)"
    step = f"max(1, ceil({_LEAST_ROOM} * length({ticks}) / {side}))"
    return f"({place}) % {step} ? '' : {labels}[floor(datum.value)]"


def pick_head() -> alt.Parameter:
    """A click on a mark with `layer` and `head` chooses that head; the page listens for `pick`."""
    return alt.selection_point(
        name="pick", fields=["layer", "head"], on="click", empty=False, toggle=False, clear=False
    )
