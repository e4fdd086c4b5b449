"""Compiles Altair charts to Vega, with the three rewrites that Vega-Lite has no words for.

A chart names its data by address: `attn:row/{layer}/{head}` becomes a Vega signal, so that
changing a parameter loads other rows. A picture's address becomes a call of `attnImage`, a
function of the page that returns a canvas, because fetching a picture is asynchronous and
flickers. A title of nothing but `{name}` becomes a signal.

`tools/compile_charts.py` does this when the package is built: building and compiling the charts
takes longer than everything else about a small report.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import altair as alt
import vl_convert

_SCHEME = "attn:"


def to_vega(chart: alt.LayerChart) -> dict[str, Any]:
    """The chart as a Vega specification whose `attn:` addresses the page can answer."""
    spec = vl_convert.vegalite_to_vega(chart.to_json(indent=None, sort_keys=True))
    for node in _objects(spec):
        _make_address_a_signal(node)
        _make_picture_a_canvas(node)
        _make_title_a_signal(node)
    spec.pop("$schema", None)
    spec.pop("description", None)
    return spec


def address_expression(address: str) -> str:
    """The Vega expression of an address template.

    `attn:row/{layer}/{q}` becomes `"attn:row/"+layer+"/"+q`.
    """
    parts = re.split(r"\{(\w+)\}", address)
    return "+".join(
        part if index % 2 else json.dumps(part) for index, part in enumerate(parts) if part
    )


def transform_types(spec: dict[str, Any]) -> set[str]:
    """The names of all transforms in a Vega specification."""
    found = set()
    for node in _objects(spec):
        for transform in node.get("transform") or []:
            if isinstance(transform, dict):
                found.add(transform["type"])
    return found


def _make_address_a_signal(node: dict[str, Any]) -> None:
    url = node.get("url")
    if isinstance(url, str) and url.startswith(_SCHEME):
        node["url"] = {"signal": address_expression(url)}
        # The page answers with rows, not with text to parse.
        node.pop("format", None)


def _make_title_a_signal(node: dict[str, Any]) -> None:
    title = node.get("title")
    name = re.fullmatch(r"\{(\w+)\}", title) if isinstance(title, str) else None
    if name:
        node["title"] = {"signal": name[1]}


def _make_picture_a_canvas(node: dict[str, Any]) -> None:
    if node.get("type") == "image" and "encode" in node:
        update = node["encode"]["update"]
        update.pop("url", None)
        update.pop("description", None)
        update["image"] = {"signal": 'attnImage(datum["url"])'}


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every object of a JSON value, outermost first."""
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _objects(item)
