"""The tests' own eyes and ears: what they would miss, they could not report."""

import sys

import pytest

from tests.browser.chromium import NAMES, VARIABLE, find_chromium


def with_body(page, html):
    return page.replace("<main>", f"<main>{html}", 1)


@pytest.fixture
def changed(report_file, tmp_path):
    """A function that writes a copy of a report with something added at its start."""

    def copy_of(html):
        path = tmp_path / "changed.html"
        page = report_file("smallest").read_text(encoding="utf-8")
        path.write_text(with_body(page, html), encoding="utf-8", newline="\n")
        return path

    return copy_of


@pytest.mark.parametrize(
    ("html", "heard"),
    [
        ('<img alt="" src="https://x.test/a.png">', "policy: img-src"),
        ("<script>1</script>", "policy: script-src"),
        ('<p style="background:url(https://x.test/a.png)">', "policy: img-src"),
        ("<iframe src='https://x.test'></iframe>", "policy: frame-src"),
    ],
)
def test_what_a_report_must_not_do_is_heard(visit, changed, html, heard):
    report = visit(changed(html))
    assert any(text.startswith(heard) for text in report.all_complaints())
    report.expected.append("")  # and is what this test asked for


def test_requests_errors_and_warnings_are_heard(visit):
    report = visit("smallest", bypass_csp=True)
    report.page.evaluate("console.warn('a warning'); console.error('an error')")
    report.page.evaluate("setTimeout(() => { throw new Error('thrown'); })")
    report.page.evaluate("fetch('https://x.test/a').catch(() => {})")
    report.until("new Promise((resume) => setTimeout(() => resume(true), 50))")
    heard = " ".join(report.all_complaints())
    for text in ("a warning", "an error", "thrown", "request: https://x.test/a"):
        assert text in heard
    report.expected.append("")


def test_a_named_browser_is_taken(monkeypatch):
    monkeypatch.setenv(VARIABLE, sys.executable)
    assert find_chromium() == sys.executable


def test_a_browser_on_the_path_is_found(monkeypatch, tmp_path):
    program = tmp_path / NAMES[2]
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_chromium() == str(program)


@pytest.mark.parametrize("named", [None, "/nowhere/chromium"])
def test_a_machine_without_a_browser_fails_and_says_what_to_do(monkeypatch, tmp_path, named):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(VARIABLE, raising=False)
    if named:
        monkeypatch.setenv(VARIABLE, named)
    with pytest.raises(pytest.fail.Exception, match="Install Chromium or Chrome, name one in"):
        find_chromium()
