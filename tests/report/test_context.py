"""The template's context and the templates say the same, in both directions."""

import dataclasses
import inspect
import typing

import pytest
from jinja2 import meta, nodes

from attnreport._resources import templates_root
from attnreport.report.assets import Assets
from attnreport.report.blocks import Block
from attnreport.report.context import (
    CheckRow,
    ExampleCard,
    FindingText,
    HeadRow,
    MetricText,
    OtherCheckRow,
    ReportContext,
)
from attnreport.report.environment import template_environment


def template_names() -> list[str]:
    root = templates_root()
    sections = root.joinpath("sections").iterdir()
    return [
        "report.html.jinja",
        "when.jinja",
        *sorted(f"sections/{section.name}" for section in sections),
    ]


def trees() -> dict[str, nodes.Template]:
    environment = template_environment()
    assert environment.loader is not None
    return {
        name: environment.parse(environment.loader.get_source(environment, name)[0])
        for name in template_names()
    }


def attributes_by_variable() -> dict[str, set[str]]:
    """For each variable of the templates, the attributes that they ask it for."""
    found: dict[str, set[str]] = {}
    for tree in trees().values():
        for node in tree.find_all(nodes.Getattr):
            if isinstance(node.node, nodes.Name):
                found.setdefault(node.node.name, set()).add(node.attr)
    return found


def fields_of(kind: type) -> set[str]:
    return {field.name for field in dataclasses.fields(kind)}


def test_the_templates_use_every_field_of_the_context_and_no_other():
    assert attributes_by_variable()["report"] == fields_of(ReportContext)


@pytest.mark.parametrize(
    ("variable", "kind"),
    [
        ("finding", FindingText),
        ("example", ExampleCard),
        ("row", HeadRow),
        ("check", CheckRow),
        ("other", OtherCheckRow),
        ("metric", MetricText),
        ("block", Block),
    ],
)
def test_the_templates_use_every_field_of_each_part_and_no_other(variable, kind):
    methods = {name for name, value in vars(kind).items() if inspect.isfunction(value)}
    assert attributes_by_variable()[variable] - methods == fields_of(kind)


def test_the_templates_use_every_asset_and_no_other():
    used = {
        node.attr
        for tree in trees().values()
        for node in tree.find_all(nodes.Getattr)
        if isinstance(node.node, nodes.Getattr) and node.node.attr == "assets"
    }
    assert used == fields_of(Assets)


def test_the_templates_need_nothing_but_the_report():
    for name, tree in trees().items():
        assert meta.find_undeclared_variables(tree) <= {"report"}, name


def test_every_section_is_part_of_the_report():
    included = {
        node.template.value
        for tree in trees().values()
        for node in tree.find_all(nodes.Include)
        if isinstance(node.template, nodes.Const)
    }
    assert included == set(template_names()) - {"report.html.jinja", "when.jinja"}


@pytest.mark.parametrize(
    "kind",
    [
        ReportContext,
        FindingText,
        ExampleCard,
        HeadRow,
        CheckRow,
        OtherCheckRow,
        MetricText,
        Assets,
        Block,
    ],
)
def test_every_field_is_documented_and_nothing_can_be_changed(kind):
    documented = typing.cast(str, kind.__doc__)
    for name in fields_of(kind):
        assert f"{name}: " in documented
    assert kind.__dataclass_params__.frozen


def test_only_what_cannot_hold_markup_is_left_unescaped():
    unescaped = {
        node.node.attr
        for tree in trees().values()
        for node in tree.find_all(nodes.Filter)
        if node.name == "safe" and isinstance(node.node, nodes.Getattr)
    }
    assert unescaped == {"policy", "css", "boot", "runtime", "first_atlas", "text"}
