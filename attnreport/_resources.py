"""Finds the files that a browser reads: templates, styles, scripts.

They live beside the package in a checkout and inside it in a wheel, which may be a zip file.
"""

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from attnreport._errors import ReportError

# `site-packages/templates` may belong to someone else, so the folder's name alone proves nothing.
_SENTINEL = "report.html.jinja"


def templates_root() -> Traversable:
    """Folder of the built-in templates, in an installed wheel and in a checkout alike.

    Raises:
        ReportError: The package was installed without its templates.
    """
    in_wheel = files("attnreport") / "templates"
    in_checkout = Path(__file__).parents[1] / "templates"
    for root in (in_wheel, in_checkout):
        if root.joinpath(_SENTINEL).is_file():
            return root
    raise ReportError(
        f"attnreport is installed without its templates: no {_SENTINEL!r} in {in_wheel} or "
        f"{in_checkout}. Reinstall it with `pip install --force-reinstall attnreport`."
    )


def read_text(name: str) -> str:
    """Text of one built-in file, exactly as it is stored.

    Args:
        name: Path below the templates, such as `"static/vega/vega.js"`.

    Raises:
        ReportError: There is no such file, or the templates themselves are missing.
    """
    file = templates_root().joinpath(*name.split("/"))
    if not file.is_file():
        raise ReportError(f"attnreport has no built-in file {name!r} in {templates_root()}.")
    # Bytes, not text: translated line ends would no longer match the hashes in the page's policy.
    return file.read_bytes().decode("utf-8")
