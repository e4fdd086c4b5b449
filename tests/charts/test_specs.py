import re
from collections.abc import Iterator
from typing import Any

import pytest

from attnreport.analysis import HEAD_PATTERNS, NO_PATTERN
from attnreport.charts.scatter import _LOOKS as LOOKS
from attnreport.charts.theme import PARAMETERS, SKIN
from tests.charts.every_chart import every_chart, spec_of

NAMES = sorted(every_chart())
# What Vega knows in every expression.
BUILT_IN = {"datum", "width", "height", "LN2", "true", "false", "null"}
# Properties whose text is an expression.
EXPRESSIONS = ("expr", "calculate", "filter", "labelExpr", "test")


def objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from objects(item)


def names_in(expression: str) -> set[str]:
    """Variables of a Vega expression: no text, no property after a dot, no function."""
    code = re.sub(r"'[^']*'|\"[^\"]*\"", "", expression)
    return set(re.findall(r"(?<![\w.])[A-Za-z_]\w*\b(?!\s*\()", code)) - BUILT_IN


def names_used(spec: dict[str, Any]) -> set[str]:
    found = set()
    for node in objects(spec):
        for key in EXPRESSIONS:
            if isinstance(node.get(key), str):
                found |= names_in(node[key])
        if str(node.get("url", "")).startswith("attn:"):
            found |= set(re.findall(r"\{(\w+)\}", node["url"]))
        if re.fullmatch(r"\{\w+\}", str(node.get("title", ""))):
            found.add(node["title"][1:-1])
    return found


def names_declared(spec: dict[str, Any]) -> set[str]:
    return {parameter["name"] for parameter in spec["params"]}


def test_variables_of_an_expression_are_told_from_text_properties_and_functions():
    assert names_in("'attn:' + stack + f(datum.q + 1.5) == q && \"no\" != width") == {"stack", "q"}


@pytest.mark.parametrize("name", NAMES)
def test_no_weight_is_in_a_spec(name):
    spec = spec_of(name)
    values = [node["values"] for node in objects(spec) if isinstance(node.get("values"), list)]
    assert all(value == [{}] for value in values)
    assert all(rows == [{}] for rows in spec.get("datasets", {}).values())
    addresses = [node["url"] for node in objects(spec) if isinstance(node.get("url"), str)]
    assert all(address.startswith("attn:") for address in addresses)


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_that_a_chart_uses_is_declared(name):
    spec = spec_of(name)
    assert names_used(spec) <= names_declared(spec)


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_that_a_chart_declares_is_used(name):
    spec = spec_of(name)
    # Each one declared makes the page redraw the chart when it changes.
    assert names_declared(spec) - set(SKIN) - {"pick"} <= names_used(spec)


@pytest.mark.parametrize("name", NAMES)
def test_every_chart_follows_the_colors_of_the_page(name):
    assert set(SKIN) <= names_declared(spec_of(name)) <= set(PARAMETERS) | {"pick"}


@pytest.mark.parametrize("name", NAMES)
def test_an_explicit_tick_list_is_not_thinned(name):
    for node in objects(spec_of(name)):
        axis = node.get("axis")
        if isinstance(axis, dict) and "values" in axis:
            assert "tickCount" in axis


@pytest.mark.parametrize("name", ["overview", "pair", "scatter"])
def test_charts_of_heads_let_the_reader_pick_one(name):
    (pick,) = [p for p in spec_of(name)["params"] if p["name"] == "pick"]
    assert pick["select"]["fields"] == ["layer", "head"]
    assert pick["select"]["on"] == "click"


def test_every_pattern_has_a_look_and_every_look_a_pattern():
    assert list(LOOKS) == [*HEAD_PATTERNS, NO_PATTERN]


def test_no_two_patterns_look_the_same():
    assert len(set(LOOKS.values())) == len(LOOKS)


def test_a_pattern_looks_the_same_in_every_report():
    scales = [
        node["scale"] for node in objects(spec_of("scatter")) if "range" in node.get("scale", {})
    ]
    assert [scale["domain"] for scale in scales] == [list(LOOKS), list(LOOKS)]
    assert [scale["range"] for scale in scales] == [
        [color for color, _ in LOOKS.values()],
        [shape for _, shape in LOOKS.values()],
    ]


def test_the_legend_lists_the_patterns_that_the_report_names():
    spec = spec_of("scatter")
    del spec["config"]
    legends = [node["legend"] for node in objects(spec) if node.get("legend")]
    assert [legend["values"] for legend in legends] == [{"expr": "patterns"}]
