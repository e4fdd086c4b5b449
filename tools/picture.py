"""Takes the README's picture of a report: `python tools/picture.py report.html docs/images/x.png`.

Needs Playwright and a Chromium, as the tests do: run it in the environment of `tools/test.py`.
"""

import argparse
import os
import shutil
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

READY = "document.documentElement.dataset.ready === 'true'"


def take(page: Page, report: Path, picture: Path, height: int) -> None:
    page.goto(report.resolve().as_uri())
    # The page's policy forbids the scripts by which Playwright itself waits.
    while not page.evaluate(READY):
        time.sleep(0.05)
    # Small pictures are painted as they come into view, and colors fade in.
    time.sleep(1)
    page.screenshot(path=picture, clip={"x": 0, "y": 0, "width": 1280, "height": height})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--height", type=int, default=1560)
    parser.add_argument("--dark", action="store_true")
    options = parser.parse_args()
    chromium = os.environ.get("ATTNREPORT_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(
            viewport={"width": 1280, "height": options.height},
            color_scheme="dark" if options.dark else "light",
        )
        take(page, options.report, options.picture, options.height)
        browser.close()


if __name__ == "__main__":
    main()
