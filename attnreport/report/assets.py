"""Code and style of the page, packed, and the policy that lets nothing else run."""

import base64
import dataclasses
import functools
import hashlib
import json
import zlib
from collections.abc import Mapping
from typing import Any, Literal

from attnreport._resources import read_text
from attnreport.report.packing import as_text

STYLES = (
    "colors",
    "page",
    "examples",
    "charts",
    "heads",
    "bar",
    "tokens",
    "generation",
    "sides",
    "maps",
    "computed",
    "proof",
    "prose",
    "tables",
    "overlays",
    "screens",
    "print",
)


@dataclasses.dataclass(frozen=True)
class Assets:
    """What a page needs besides its content.

    Attributes:
        css: The style sheet.
        boot: The one script in the page as text; it unpacks the others.
        runtime: Compiled charts, Vega and the page's own scripts, deflated, in base64.
        policy: Content security policy: no request of any kind, and only these scripts.
    """

    css: str
    boot: str
    runtime: str
    policy: str


def build_assets(
    specs: Mapping[str, Any], *, script: Literal["page", "comparison"] = "page"
) -> Assets:
    """The assets of a page with the given compiled charts, run by the named script."""
    scripts = (
        read_text("static/vega/vega.js").strip(),
        read_text(f"static/{script}.js").strip(),
    )
    boot = read_text("static/boot.js").strip()
    charts = json.dumps(specs, separators=(",", ":"), sort_keys=True)
    hashes = " ".join(script_hash(script) for script in (boot, *scripts))
    policy = (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
    return Assets(style_sheet(), boot, _packed("\0".join((charts, *scripts))), policy)


def style_sheet() -> str:
    """The style of the page, its parts in the order in which later ones overrule earlier ones."""
    return "\n".join(read_text(f"static/style/{name}.css") for name in STYLES)


def script_hash(script: str) -> str:
    """The script's hash as a source of a content security policy (W3C CSP Level 3)."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


@functools.lru_cache(maxsize=4)
def _packed(text: str) -> str:
    return as_text(zlib.compress(text.encode(), 9))
