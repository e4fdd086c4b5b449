"""All charts of a report by name. They depend on no recording, so they are compiled beforehand."""

import altair as alt

from attnreport.charts.channels import channels_chart, class_channels_chart
from attnreport.charts.confusion import confusion_chart
from attnreport.charts.deletion import deletion_chart
from attnreport.charts.entropy import entropy_chart
from attnreport.charts.flow import flow_chart
from attnreport.charts.head_grid import changes_chart, pair_chart
from attnreport.charts.heatmap import difference_chart, heatmap_chart, row_chart
from attnreport.charts.lines import lines_chart
from attnreport.charts.map import map_chart
from attnreport.charts.overview import overview_chart
from attnreport.charts.paired_row import paired_row_chart
from attnreport.charts.scatter import scatter_chart
from attnreport.charts.steps import steps_chart
from attnreport.charts.training import training_chart


def every_chart() -> dict[str, alt.LayerChart]:
    """Every chart there is, by the name of its place on the page."""
    return {
        "changes": changes_chart(),
        "channels": channels_chart(),
        "class-channels": class_channels_chart(),
        "confusion": confusion_chart(),
        "deletion": deletion_chart(),
        "difference": difference_chart(),
        "entropy": entropy_chart(),
        "flow": flow_chart(),
        "heatmap": heatmap_chart(),
        "lines": lines_chart(),
        "map": map_chart(),
        "overview": overview_chart(),
        "pair": pair_chart(),
        "paired-row": paired_row_chart(),
        "row": row_chart(),
        "scatter": scatter_chart(),
        "steps": steps_chart(),
        "training": training_chart(),
    }
