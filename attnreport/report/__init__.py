"""Charts and text to one page."""

from attnreport.report.report import render_report as render_report
