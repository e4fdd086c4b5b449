"""Every mechanism has a page, and each page has its parts."""

import re
from pathlib import Path
from types import ModuleType

import pytest

import attnreport.nn

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = {path.stem: path.read_text(encoding="utf-8") for path in DOCS.glob("mechanisms/*.md")}
# Parts of mechanisms that no page is about.
PARTS = {"GatedRecurrentUnit", "PositionBias", "Score", "SCORES", "sow_attention"}
MOST_BYTES = 1_500_000


# Modules are there too, and their names are public through the package.
NAMES = {
    name
    for name, value in vars(attnreport.nn).items()
    if not name.startswith("_") and not isinstance(value, ModuleType)
}


@pytest.mark.parametrize("name", sorted(NAMES - PARTS))
def test_every_name_of_nn_is_on_a_page(name):
    assert any(re.search(rf"\b{name}\b", text) for text in PAGES.values())


@pytest.mark.parametrize("page", sorted(PAGES))
def test_a_page_has_its_parts(page):
    text = PAGES[page]
    headings = ["When to use it", "What its attention tells, and what not", "Source"]
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == headings
    assert text.count("$$") >= 2
    assert re.search(r"\(\d{4}\), \"", text.partition("## Source")[2])
    assert re.findall(r"!\[[^\]]{20,}\]\((.*?)\)\n\n\*[^*]+\*\n", text) == [
        f"../figures/{page}.png"
    ]
    assert "{{" not in text


def test_the_tables_of_the_demos_are_those_that_were_published():
    published = ROOT.joinpath("benchmarks", "README.md").read_text(encoding="utf-8").splitlines()
    text = DOCS.joinpath("demos.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) > 20
    assert not set(rows) - set(published)


def test_figures_are_those_of_the_pages_and_small():
    figures = set(DOCS.joinpath("figures").iterdir())
    wanted = {f"{page}{shade}.png" for page in PAGES for shade in ("", "-dark")}
    assert {path.name for path in figures} == wanted
    assert sum(path.stat().st_size for path in figures) < MOST_BYTES


def test_the_figures_that_can_be_made_are_those_of_the_pages(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tools")
    from figures.catalog import FIGURES

    assert set(FIGURES) == set(PAGES)


def test_the_readme_leads_to_the_pages():
    assert "](docs/index.md)" in ROOT.joinpath("README.md").read_text(encoding="utf-8")
