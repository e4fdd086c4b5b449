"""Sphinx settings: `python -m sphinx -W -n -b html docs OUT` builds the documentation."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

project = "attnreport"
extensions = ["myst_parser", "formulas", "dark_figures"]
exclude_patterns = ["images", "extensions", "figures"]

myst_enable_extensions = ["dollarmath"]
# Links to headings, such as `capture.md#an-example`.
myst_heading_anchors = 3

html_theme = "furo"
html_title = "attnreport"
html_static_path = ["static"]
html_css_files = ["docs.css"]
html_copy_source = False
html_show_copyright = False
html_math_renderer = "mathml"
pygments_style = "friendly"
pygments_dark_style = "monokai"
