"""Writes formulas as MathML, which browsers draw themselves: no script, no font, no network.

The converter is the one that docutils brings along. Every formula is drawn at build time, so one
that it does not understand is a warning of the build and not a hole in the page.
"""

from typing import Any

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)


def visit_inline(translator: HTML5Translator, node: nodes.math) -> None:
    """Writes a formula within a line."""
    translator.body.append(_mathml(node, block=False))
    raise nodes.SkipNode


def visit_block(translator: HTML5Translator, node: nodes.math_block) -> None:
    """Writes a formula on a line of its own, which scrolls where it is too wide."""
    translator.body.append(f'<div class="formula">{_mathml(node, block=True)}</div>\n')
    raise nodes.SkipNode


def _mathml(node: nodes.Element, *, block: bool) -> str:
    text = node.astext()
    try:
        return tex2mathml(text, as_block=block)
    except MathError as error:
        logger.warning("This formula cannot be drawn: %s (%s)", text, error, location=node)
        return ""


def setup(app: Sphinx) -> dict[str, Any]:
    """Registers the renderer."""
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
