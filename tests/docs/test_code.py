"""The code of the documentation runs, and prints what the comments beside it say."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
PRINTED = re.compile(r"^print\(.*\)  # (.*)$", re.MULTILINE)


def blocks(page: str) -> list[str]:
    return BLOCK.findall(DOCS.joinpath(page).read_text(encoding="utf-8"))


CODE = [(page, number) for page in PAGES for number in range(len(blocks(page)))]


def test_there_is_code_on_each_page_of_a_mechanism():
    pages = [page for page in PAGES if page.startswith("mechanisms/")]
    assert len(pages) > 20
    assert all(len(blocks(page)) == 1 for page in pages)
    assert blocks("capture.md")


@pytest.mark.parametrize(("page", "number"), CODE, ids=[f"{page}-{n}" for page, n in CODE])
def test_the_code_runs_and_prints_what_it_says(page, number, capsys, tmp_path, monkeypatch):
    code = blocks(page)[number]
    monkeypatch.chdir(tmp_path)
    exec(compile(code, page, "exec"), {"__name__": "__main__"})
    printed = capsys.readouterr().out.splitlines()
    assert printed == PRINTED.findall(code)
    assert len(printed) == len(re.findall(r"^print\(", code, re.MULTILINE))


@pytest.mark.parametrize("page", [page for page in PAGES if page.startswith("mechanisms/")])
def test_the_code_of_a_mechanism_is_short(page):
    lines = blocks(page)[0].splitlines()
    assert len([line for line in lines if line.strip()]) <= 12
    assert max(map(len, lines)) <= 100
