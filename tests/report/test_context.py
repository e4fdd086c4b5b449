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
    ChangeRow,
    CheckRow,
    ComparisonContext,
    ExampleCard,
    FindingText,
    HeadRow,
    MetricText,
    OtherCheckRow,
    PageContext,
    ReportContext,
    SideText,
)
from attnreport.report.environment import template_environment

PAGES: dict[str, type] = {
    "report.html.jinja": ReportContext,
    "comparison.html.jinja": ComparisonContext,
}


def source_of(name: str) -> str:
    environment = template_environment()
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]


def trees(page: str) -> dict[str, nodes.Template]:
    """The template of a page and all that it is made of."""
    found: dict[str, nodes.Template] = {}
    waiting = [page]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = template_environment().parse(source_of(name))
            waiting += [each for each in meta.find_referenced_templates(found[name]) if each]
    return found


def all_trees() -> dict[str, nodes.Template]:
    return {name: tree for page in PAGES for name, tree in trees(page).items()}


def attributes_by_variable(found: dict[str, nodes.Template]) -> dict[str, set[str]]:
    """For each variable of the templates, the attributes that they ask it for."""
    asked: dict[str, set[str]] = {}
    for tree in found.values():
        for node in tree.find_all(nodes.Getattr):
            if isinstance(node.node, nodes.Name):
                asked.setdefault(node.node.name, set()).add(node.attr)
    return asked


def fields_of(kind: type) -> set[str]:
    return {field.name for field in dataclasses.fields(kind)}


@pytest.mark.parametrize("page", PAGES)
def test_the_templates_use_every_field_of_the_context_and_no_other(page):
    assert attributes_by_variable(trees(page))["report"] == fields_of(PAGES[page])


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
        ("side", SideText),
        ("change", ChangeRow),
    ],
)
def test_the_templates_use_every_field_of_each_part_and_no_other(variable, kind):
    methods = {name for name, value in vars(kind).items() if inspect.isfunction(value)}
    assert attributes_by_variable(all_trees())[variable] - methods == fields_of(kind)


def test_the_templates_use_every_asset_and_no_other():
    used = {
        node.attr
        for tree in all_trees().values()
        for node in tree.find_all(nodes.Getattr)
        if isinstance(node.node, nodes.Getattr) and node.node.attr == "assets"
    }
    assert used == fields_of(Assets)


def test_the_templates_need_nothing_but_the_report():
    for name, tree in all_trees().items():
        # What two matrices are called is said by the section that includes them.
        given = {"report", "names"} if name == "sections/sides.html.jinja" else {"report"}
        assert meta.find_undeclared_variables(tree) <= given, name


def test_every_template_is_part_of_a_page():
    root = templates_root()
    sections = {f"sections/{each.name}" for each in root.joinpath("sections").iterdir()}
    pages = {each.name for each in root.iterdir() if each.name.endswith(".jinja")}
    assert set(all_trees()) == sections | pages


@pytest.mark.parametrize(
    "kind",
    [
        PageContext,
        ReportContext,
        ComparisonContext,
        SideText,
        ChangeRow,
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
    documented = "".join(typing.cast(str, each.__doc__) for each in kind.__mro__[:-1])
    for name in fields_of(kind):
        assert f"{name}: " in documented
    assert kind.__dataclass_params__.frozen


def test_only_what_cannot_hold_markup_is_left_unescaped():
    unescaped = {
        node.node.attr
        for tree in all_trees().values()
        for node in tree.find_all(nodes.Filter)
        if node.name == "safe" and isinstance(node.node, nodes.Getattr)
    }
    assert unescaped == {"policy", "css", "boot", "runtime", "first_atlas", "text"}
