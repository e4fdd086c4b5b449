import os
import re
from pathlib import Path

import pytest

VARIABLE = "ATTNREPORT_AXE"
AXE = Path(__file__).parents[2] / "tools" / "node_modules" / "axe-core" / "axe.min.js"
PHONE = {"width": 390, "height": 844}
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core, which finds what people with assistive technology trip over."""
    path = Path(os.environ.get(VARIABLE, AXE))
    if not path.is_file():
        pytest.fail(
            f"axe-core is not in {path}. Run `npm ci` in tools/, or `python tools/test.py`, which "
            f"does it; or name an axe.min.js in {VARIABLE}.",
            pytrace=False,
        )
    return path.read_text(encoding="utf-8")


def violations(report, axe):
    report.page.evaluate(axe)
    found = report.page.evaluate(
        "async (tags) => (await axe.run(document, { runOnly: tags })).violations", RULES
    )
    return [
        f"{violation['id']}: {node['html'][:120]} {node['failureSummary']}"
        for violation in found
        for node in violation["nodes"]
    ]


@pytest.mark.parametrize(
    "name", ["self", "translator", "hostile", "pictures", "generated", "scored"]
)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(visit, axe, name, scheme):
    report = visit(name, color_scheme=scheme, bypass_csp=True)
    report.page.evaluate("document.querySelectorAll('details').forEach((d) => (d.open = true))")
    assert violations(report, axe) == []


@pytest.mark.parametrize("name", ["two-texts", "two-translators", "two-hostile"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_a_comparison(visit, axe, name, scheme):
    report = visit(name, color_scheme=scheme, bypass_csp=True)
    report.page.evaluate("document.querySelectorAll('details').forEach((d) => (d.open = true))")
    assert violations(report, axe) == []


def test_axe_finds_nothing_with_two_heads_side_by_side(visit, axe):
    report = visit("self", bypass_csp=True)
    report.choose(layer=0, head=0, beside={"layer": 1, "head": 2})
    assert violations(report, axe) == []


@pytest.mark.parametrize("stack", [0, 2])
def test_axe_finds_nothing_in_gates_and_maps(visit, axe, stack):
    report = visit("pictures", bypass_csp=True)
    report.choose(stack=stack, target=1, output=2)
    assert violations(report, axe) == []


@pytest.mark.parametrize("name", ["self", "translator", "pictures", "two-texts"])
def test_axe_finds_nothing_on_a_phone(visit, axe, name):
    report = visit(name, viewport=PHONE, is_mobile=True, has_touch=True, bypass_csp=True)
    assert violations(report, axe) == []


def test_axe_finds_nothing_in_a_list_of_heads(visit, axe):
    report = visit("patterned", bypass_csp=True)
    report.choose(order="sink", pattern="sink", limits={"entropy": [0.5, 3]})
    assert violations(report, axe) == []


def test_axe_finds_nothing_while_the_help_is_open(visit, axe):
    report = visit("self", bypass_csp=True)
    report.press("?")
    assert violations(report, axe) == []


def test_axe_would_find_something(visit, axe):
    report = visit("self", bypass_csp=True)
    report.page.evaluate("document.querySelector('main').append(document.createElement('img'))")
    assert any(found.startswith("image-alt") for found in violations(report, axe))


def test_every_chart_keeps_the_words_of_the_template(visit):
    report = visit("self")
    charts = report.page.locator(".chart")
    for number in range(charts.count()):
        label = charts.nth(number).get_attribute("aria-label") or ""
        assert "Vega" not in label
        assert len(label.split()) >= 4
        assert charts.nth(number).get_attribute("role") in ("group", "img")
        assert charts.nth(number).get_attribute("aria-roledescription") is None


def test_marks_that_stand_for_heads_have_names(visit):
    report = visit("self")
    for chart in ("pair", "scatter"):
        names = report.page.locator(f"#chart-{chart} svg path[aria-label^='Layer']")
        found = {names.nth(i).get_attribute("aria-label").split(":")[0] for i in range(6)}
        assert found == {f"Layer {layer}, head {head}" for layer in range(2) for head in range(3)}


def test_the_live_region_says_what_is_chosen(visit):
    report = visit("self")
    report.choose(layer=1, head=2, q=4, k=2)
    said = report.text("#live")
    assert re.fullmatch(r"Layer 1, head 2, [a-z ]+\. fox to quick: [\d.e-]+\.", said)
    report.press("j")
    assert "jump to quick" in report.text("#live")


def test_the_live_region_is_silent_while_the_pointer_moves(visit):
    report = visit("self")
    report.choose(layer=1, head=2, q=4, k=2)
    said = report.text("#live")
    report.hover_cell(8, 8)
    assert report.text("#live") == said


def test_the_page_is_silent_when_it_opens(visit):
    assert visit("self").text("#live") == ""


def test_charts_that_nobody_can_see_are_not_reached_by_the_tab_key(visit):
    report = visit("translator")
    hidden = report.page.evaluate(
        """[...document.querySelectorAll("[tabindex='0']")].filter(
        (e) => e.offsetParent === null && e.checkVisibility()).length"""
    )
    assert hidden == 0
