"""Altair charts of attention. No weight is in one: rows come from `attn:` addresses."""

from attnreport.charts.catalog import every_chart as every_chart
from attnreport.charts.channels import channels_chart as channels_chart
from attnreport.charts.channels import class_channels_chart as class_channels_chart
from attnreport.charts.confusion import confusion_chart as confusion_chart
from attnreport.charts.entropy import entropy_chart as entropy_chart
from attnreport.charts.head_grid import changes_chart as changes_chart
from attnreport.charts.head_grid import pair_chart as pair_chart
from attnreport.charts.heatmap import difference_chart as difference_chart
from attnreport.charts.heatmap import heatmap_chart as heatmap_chart
from attnreport.charts.heatmap import row_chart as row_chart
from attnreport.charts.lines import lines_chart as lines_chart
from attnreport.charts.map import map_chart as map_chart
from attnreport.charts.overview import overview_chart as overview_chart
from attnreport.charts.paired_row import paired_row_chart as paired_row_chart
from attnreport.charts.scatter import scatter_chart as scatter_chart
from attnreport.charts.steps import steps_chart as steps_chart
from attnreport.charts.training import training_chart as training_chart
