"""The Jinja2 environment: templates from the package or a user's folder, and safe output."""

import functools
import json
from pathlib import Path

import jinja2
from markupsafe import Markup

from attnreport._errors import ReportError
from attnreport._resources import read_text

# The HTML parser ends a script at the first "</script", whatever JSON says, and "<!--" opens a
# state in which that end is missed. Escaping "<" covers both.
_UNSAFE_IN_SCRIPT = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"}


def json_script(data: object, *, element_id: str) -> Markup:
    """The data as an inert `<script type="application/json">` element."""
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    for character, escape in _UNSAFE_IN_SCRIPT.items():
        text = text.replace(character, escape)
    return Markup('<script type="application/json" id="{}">{}</script>').format(
        element_id, Markup(text)
    )


def printable(value: object) -> object:
    """Text that HTML can hold: NUL and lone halves of surrogate pairs become visible marks."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return value.replace("\0", "␀").encode("utf-8", "replace").decode("utf-8")
    return value


@functools.lru_cache(maxsize=8)
def template_environment(folder: Path | None = None) -> jinja2.Environment:
    """The environment for reports.

    Args:
        folder: Templates in it replace built-in ones of the same name; such a template can extend
            the built-in one as `attnreport:report.html.jinja`.
    """
    builtin = jinja2.FunctionLoader(_builtin_source)
    loaders: list[jinja2.BaseLoader] = [
        builtin,
        jinja2.PrefixLoader({"attnreport": builtin}, delimiter=":"),
    ]
    if folder is not None:
        loaders.insert(0, jinja2.FileSystemLoader(folder))
    return jinja2.Environment(
        loader=jinja2.ChoiceLoader(loaders),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=printable,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _builtin_source(name: str) -> str | None:
    try:
        return read_text(name)
    except ReportError:
        return None
