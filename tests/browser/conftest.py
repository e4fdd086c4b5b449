"""One browser for all tests, an empty and offline window for each."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from tests.browser.chromium import find_chromium
from tests.browser.report_page import ReportPage
from tests.browser.reports import REPORTS
from tests.browser.windows import Windows

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]

Visit = Callable[..., ReportPage]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test in this folder needs the browser."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def windows() -> Iterator[Windows]:
    """Windows of one browser for all tests of a session."""
    path = find_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield Windows(browser)
        browser.close()


@pytest.fixture(scope="session")
def report_file(tmp_path_factory) -> Callable[[str], Path]:
    """A function that gives the file of a named report, written when it is first asked for."""
    folder = tmp_path_factory.mktemp("reports")

    def file_of(name: str) -> Path:
        path = folder / f"{name}.html"
        if not path.exists():
            path.write_text(REPORTS[name](), encoding="utf-8", newline="\n")
        return path

    return file_of


@pytest.fixture
def visit(windows: Windows, report_file: Callable[[str], Path]) -> Iterator[Visit]:
    """A function that opens a report, by its name or its path, in a window of its own.

    After the test, no page it opened may have complained, broken its policy or asked the network
    for anything.
    """
    opened: list[ReportPage] = []

    def visit_report(
        report: str | Path, link: str = "", *, wait: bool = True, **options: Any
    ) -> ReportPage:
        path = report if isinstance(report, Path) else report_file(report)
        found = ReportPage(windows.lend(options), path)
        opened.append(found)
        if wait:
            found.open(link)
        else:
            found.page.goto(found.address + link)
        return found

    yield visit_report
    complaints = [complaint for report in opened for complaint in report.all_complaints()]
    for report in opened:
        report.leave()
        windows.take_back(report.page)
    assert complaints == []


@pytest.fixture
def damaged(report_file, tmp_path):
    """A function that writes a copy of a report with one change to its text."""

    def copy_of(name, change):
        page = change(report_file(name).read_text(encoding="utf-8"))
        path = tmp_path / "damaged.html"
        path.write_text(page, encoding="utf-8", newline="\n")
        return path

    return copy_of
