"""Pages to places: a file."""

from attnreport.outputs.html import require_writable as require_writable
from attnreport.outputs.html import write_comparison as write_comparison
from attnreport.outputs.html import write_report as write_report
