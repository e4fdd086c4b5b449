"""Charts and text to one page."""

from attnreport.report.comparison import render_comparison as render_comparison
from attnreport.report.report import render_report as render_report
