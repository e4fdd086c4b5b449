"""Opens pages in a real Chromium that cannot reach the network, and times what they do."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, Route, sync_playwright

# Resolves once a condition holds and what it made is on the screen: the frame after it has
# been handed over when a task runs that was queued inside that frame.
_PAINTED = """
const painted = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
"""

# Times a page's start from the moment navigation began.
_OPENED = (
    """async () => {"""
    + _PAINTED
    + """
  while (!(CONDITION)) await new Promise((again) => setTimeout(again, 2));
  await painted();
  return performance.now();
}"""
)

# Runs an action in the page; its time ends when the result is painted.
_ACTED = (
    """async (argument) => {"""
    + _PAINTED
    + """
  await painted();
  const start = performance.now();
  await (ACTION)(argument);
  await painted();
  return performance.now() - start;
}"""
)


@contextmanager
def chromium(executable: str | None = None) -> Iterator[Browser]:
    """A headless Chromium: the given one, else Playwright's own, else the system's."""
    with sync_playwright() as playwright:
        own = Path(playwright.chromium.executable_path)
        found = executable or (None if own.exists() else shutil.which("chromium"))
        arguments = ["--disable-gpu", "--disable-background-networking"]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            arguments.append("--no-sandbox")  # the sandbox refuses to run for root
        browser = playwright.chromium.launch(executable_path=found, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def page_of(
    browser: Browser,
    file: Path,
    *,
    libraries: dict[str, str] | None = None,
    height: int = 900,
) -> Iterator[Page]:
    """A page in a context of its own, its file just being opened.

    Args:
        browser: Where to open it.
        file: The page.
        libraries: Scripts to answer requests with, by the end of their address. Every other
            request fails; without libraries so do all.
        height: Height of the window, in pixels.
    """
    context = browser.new_context(viewport={"width": 1280, "height": height})
    served = libraries or {}

    def answer(route: Route) -> None:
        for ending, script in served.items():
            if route.request.url.endswith(ending):
                return route.fulfill(body=script, content_type="text/javascript")
        return route.abort()

    context.route(re.compile("^https?:"), answer)
    page = context.new_page()
    page.set_default_timeout(0)
    try:
        page.goto(file.resolve().as_uri(), wait_until="commit")
        yield page
    finally:
        context.close()


def until_drawn(page: Page, condition: str) -> float:
    """Milliseconds from the start of navigation until `condition` holds and is painted."""
    return float(page.evaluate(_OPENED.replace("CONDITION", condition)))


def until_repainted(page: Page, action: str, argument: Any = None) -> float:
    """Milliseconds from the start of `action`, a script function, until it is painted."""
    return float(page.evaluate(_ACTED.replace("ACTION", action), argument))
