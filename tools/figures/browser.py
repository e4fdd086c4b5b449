"""Takes pictures of parts of a report, in light and dark."""

import io
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

READY = "document.documentElement.dataset.ready === 'true'"
# The page draws in frames, and colors fade in.
SETTLED_S = 1.0
SHARPNESS = 1.5
MARGIN = 8
COLORS = 256
# The bar sticks to the top and would stand in front of what is below it; long texts are cut.
SHOW_WHOLE = """
document.querySelector("#bar").style.position = "static";
for (const strip of document.querySelectorAll(".strip")) {
  strip.classList.remove("cut");
  strip.style.maxHeight = "none";
}
"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser."""
    path = os.environ.get("ATTNREPORT_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def take(browser: Browser, address: str, part: str, width: int, *, dark: bool) -> bytes:
    """The picture of a part of a report, as PNG.

    Args:
        browser: A browser.
        address: Address of the report, with its deep link.
        part: Selector of the part.
        width: Of the window, in pixels.
        dark: Whether the page is dark.
    """
    page = browser.new_page(
        viewport={"width": width, "height": 1000},
        color_scheme="dark" if dark else "light",
        device_scale_factor=SHARPNESS,
    )
    try:
        return _picture(page, address, part)
    finally:
        page.close()


def _picture(page: Page, address: str, part: str) -> bytes:
    page.goto(address)
    # The page's policy forbids the scripts by which Playwright itself waits.
    while not page.evaluate(READY):
        time.sleep(0.05)
    page.evaluate(SHOW_WHOLE)
    element = page.locator(part)
    element.scroll_into_view_if_needed()
    time.sleep(SETTLED_S)
    box = element.bounding_box()
    if box is None:
        raise SystemExit(f"{part} is not shown in {address}.")
    top = page.evaluate("scrollY")
    clip = {
        "x": max(0, box["x"] - MARGIN),
        "y": max(0, box["y"] + top - MARGIN),
        "width": box["width"] + 2 * MARGIN,
        "height": box["height"] + 2 * MARGIN,
    }
    return _small(page.screenshot(clip=clip, full_page=True))


def _small(png: bytes) -> bytes:
    """The picture with few colors, of which charts have few anyway: a third of the bytes."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    packed = io.BytesIO()
    picture.quantize(COLORS, dither=Image.Dither.NONE).save(packed, "PNG", optimize=True)
    return packed.getvalue()


def address_of(report: Path, link: str) -> str:
    """The address of a report with its deep link."""
    return report.resolve().as_uri() + link
