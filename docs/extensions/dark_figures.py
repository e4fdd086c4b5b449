"""Shows `figure-dark.png` in place of `figure.png` where the page is dark.

Pages name the light picture alone, so that they can be read on sites that know nothing of this.
"""

from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx


def add_dark(app: Sphinx, document: nodes.document) -> None:
    """Puts the dark picture beside each light one; the theme shows one of them."""
    folder = Path(app.env.doc2path(app.env.docname)).parent
    for light in list(document.findall(nodes.image)):
        name = light["uri"].removesuffix(".png") + "-dark.png"
        if not folder.joinpath(name).is_file():
            continue
        dark = light.deepcopy()
        dark["uri"] = name
        light["classes"].append("only-light")
        dark["classes"].append("only-dark")
        light.parent.insert(light.parent.index(light) + 1, dark)


def setup(app: Sphinx) -> dict[str, Any]:
    """Registers the step, before Sphinx collects the pictures of a page."""
    app.connect("doctree-read", add_dark, priority=400)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
