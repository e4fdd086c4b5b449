import json
from collections.abc import Iterator
from typing import Any

import altair as alt
import pytest

from attnreport._resources import read_text
from attnreport.report.compile import address_expression, to_vega, transform_types
from tests.charts.every_chart import every_chart

# What reports carry; tests/charts/test_compiled.py compares it with what the charts compile to.
COMPILED = json.loads(read_text("static/charts.json"))["charts"]
NAMES = sorted(COMPILED)
# What the build of Vega in the page draws and lays out; manifest.json lists the transforms.
BUILT = set(json.loads(read_text("static/vega/manifest.json"))["transforms"])
MARKS = {"group", "image", "line", "rect", "rule", "symbol", "text"}


def objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from objects(item)


def chart_of(address: str) -> alt.LayerChart:
    points = alt.Chart(alt.UrlData(address)).mark_point().encode(x="a:Q")
    chart = alt.layer(points)
    chart = chart.add_params(alt.param(name="q", value=0))
    assert isinstance(chart, alt.LayerChart)
    return chart


@pytest.mark.parametrize(
    ("address", "expression"),
    [
        ("attn:heads", '"attn:heads"'),
        ("attn:row/{layer}/{q}", '"attn:row/"+layer+"/"+q'),
        ("attn:row/{layer}/{q}/end", '"attn:row/"+layer+"/"+q+"/end"'),
        ("{layer}", "layer"),
        ('attn:"/{q}', '"attn:\\"/"+q'),
    ],
)
def test_an_address_becomes_an_expression(address, expression):
    assert address_expression(address) == expression


def test_an_address_of_ours_becomes_a_signal_and_is_not_parsed_as_text():
    (data,) = [node for node in to_vega(chart_of("attn:row/{q}"))["data"] if "url" in node]
    assert data["url"] == {"signal": '"attn:row/"+q'}
    assert "format" not in data


def test_other_addresses_are_left_alone():
    # The page's loader refuses them, so that a mistake in a chart shows.
    (data,) = [node for node in to_vega(chart_of("rows.json"))["data"] if "url" in node]
    assert data["url"] == "rows.json"


@pytest.mark.parametrize(("title", "found"), [("{noun}", {"signal": "noun"}), ("a {noun}", None)])
def test_a_title_that_is_a_parameter_becomes_its_signal(title, found):
    points = alt.Chart(alt.UrlData("attn:row")).mark_point().encode(x=alt.X("a:Q", title=title))
    chart = alt.layer(points).add_params(alt.param(name="noun", value="weight"))
    titles = [axis["title"] for axis in to_vega(chart)["axes"] if "title" in axis]
    assert titles == [found or title]


@pytest.mark.parametrize("name", ["heatmap", "overview"])
def test_pictures_become_canvases_that_the_page_draws(name):
    pictures = [node for node in objects(COMPILED[name]) if node.get("type") == "image"]
    assert pictures
    for picture in pictures:
        update = picture["encode"]["update"]
        assert update["image"] == {"signal": 'attnImage(datum["url"])'}
        assert not {"url", "description"} & set(update)


@pytest.mark.parametrize("name", NAMES)
def test_no_address_is_left_for_the_network(name):
    for node in objects(COMPILED[name]):
        assert not isinstance(node.get("url"), str)
        assert not isinstance(node.get("href"), str)


@pytest.mark.parametrize("name", NAMES)
def test_every_transform_is_in_the_build_that_the_page_carries(name):
    spec = COMPILED[name]
    assert transform_types(spec) <= BUILT
    # These are implied by scales, legends and pictures, not written as transforms.
    assert {"axisticks", "bound", "collect", "encode", "legendentries", "mark", "render"} <= BUILT


@pytest.mark.parametrize("name", NAMES)
def test_every_mark_is_one_that_the_page_draws(name):
    marks = {
        node["type"]
        for node in objects(COMPILED[name])
        if "from" in node or "marks" in node
        if isinstance(node.get("type"), str)
    }
    assert marks
    assert marks <= MARKS


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_stays_a_signal_that_the_page_can_set(name):
    declared = {parameter["name"] for parameter in every_chart()[name].to_dict()["params"]}
    assert declared <= {signal["name"] for signal in COMPILED[name]["signals"]}


def test_transforms_are_found_wherever_they_stand():
    spec = {
        "data": [{"transform": [{"type": "filter"}]}],
        "marks": [{"marks": [{"transform": [{"type": "force"}]}]}],
    }
    assert transform_types(spec) == {"filter", "force"}
