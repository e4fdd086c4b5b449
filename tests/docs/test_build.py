"""The documentation builds without a warning, and asks no network for anything."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
SPHINX = ("-m", "sphinx", "-W", "--keep-going", "-n", "-q", "-b", "html")


def build(source: Path, target: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *SPHINX, source, target], capture_output=True, text=True, cwd=target.parent
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("docs") / "html"
    done = build(DOCS, folder)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return folder


class Fetched(HTMLParser):
    """Collects what a browser gets by itself when it opens a page."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.mathml = 0

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        self.mathml += tag == "math"
        if tag in ("script", "img", "source", "iframe") and named.get("src"):
            self.addresses.append(named["src"])
        if tag == "link" and named.get("rel") in ("stylesheet", "icon", "preload", "preconnect"):
            self.addresses.append(named["href"])


def read(page: Path) -> Fetched:
    fetched = Fetched()
    fetched.feed(page.read_text(encoding="utf-8"))
    return fetched


def test_every_page_is_built(site):
    names = {path.relative_to(DOCS).with_suffix(".html") for path in DOCS.rglob("*.md")}
    assert all(site.joinpath(name).is_file() for name in names)


def test_nothing_is_fetched_from_a_network(site):
    for page in site.rglob("*.html"):
        for address in read(page).addresses:
            assert not re.match(r"(\w+:)?//", address), f"{page.name}: {address}"
    for style in site.rglob("*.css"):
        assert not re.search(r"(url\(|@import)\s*['\"]?(\w+:)?//", style.read_text("utf-8"))


def test_formulas_are_drawn_without_scripts(site):
    for page in site.glob("mechanisms/*.html"):
        fetched = read(page)
        assert fetched.mathml > 1, page.name
        assert not any("mathjax" in address.lower() for address in fetched.addresses), page.name


def test_each_figure_has_a_light_and_a_dark_picture(site):
    for page in site.glob("mechanisms/*.html"):
        text = page.read_text(encoding="utf-8")
        pictures = re.findall(r'<img [^>]*class="(only-\w+)[^>]*>', text)
        assert sorted(pictures) == ["only-dark", "only-light"], page.name


def test_a_formula_that_cannot_be_drawn_fails_the_build(tmp_path):
    source = tmp_path / "docs"
    source.mkdir()
    for name in ("conf.py", "extensions", "static"):
        source.joinpath(name).symlink_to(DOCS / name)
    source.joinpath("index.md").write_text("# A page\n\n$$\\nosuchmacro{x}$$\n", encoding="utf-8")
    done = build(source, tmp_path / "html")
    assert done.returncode != 0
    assert "This formula cannot be drawn" in done.stderr
