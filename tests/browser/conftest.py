"""One browser for all tests, a new and offline window for each."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.chromium import find_chromium
from tests.browser.report_page import ReportPage
from tests.browser.reports import REPORTS

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
# Without smooth scrolling, things stand still where a test has just seen them.
USUAL = {
    "offline": True,
    "viewport": {"width": 1280, "height": 900},
    "reduced_motion": "reduce",
}

Visit = Callable[..., ReportPage]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test in this folder needs the browser."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for all tests of a session."""
    path = find_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
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
def visit(browser: Browser, report_file: Callable[[str], Path]) -> Iterator[Visit]:
    """A function that opens a report, by its name or its path, in a window of its own.

    After the test, no page it opened may have complained, broken its policy or asked the network
    for anything.
    """
    opened: list[ReportPage] = []

    def visit_report(
        report: str | Path, link: str = "", *, wait: bool = True, **options: Any
    ) -> ReportPage:
        path = report if isinstance(report, Path) else report_file(report)
        context = browser.new_context(**{**USUAL, **options})
        context.set_default_timeout(10_000)
        found = ReportPage(context.new_page(), path)
        opened.append(found)
        if wait:
            found.open(link)
        else:
            found.page.goto(found.address + link)
        return found

    yield visit_report
    complaints = [complaint for report in opened for complaint in report.all_complaints()]
    for report in opened:
        report.page.context.close()
    assert complaints == []
