"""Drives one report in a real browser, and listens for everything it must not do."""

import base64
import time
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from playwright.sync_api import ConsoleMessage, Page, Request

PATIENCE_S = 30.0
POLL_S = 0.015

# The page draws hovering once per frame, and catches up with whatever came meanwhile.
SETTLE = """async () => {
  for (let i = 0; i < 2; i++) {
    await new Promise((resume) => requestAnimationFrame(resume));
    await attnreport.idle();
  }
  await new Promise((resume) => requestAnimationFrame(resume));
}"""

# The middle of a cell in the window, from what is drawn and not from what Vega believes.
CELL_POINT = """([q, k, name]) => {
  const view = attnreport.view(name);
  const canvas = document.querySelector(`#chart-${name} canvas`);
  const box = canvas.getBoundingClientRect();
  const shrunk = box.width / parseFloat(canvas.style.width);
  const [left, top] = view.origin();
  const x = box.left + (left + view.scale("x")(k + 0.5)) * shrunk;
  const y = box.top + (top + view.scale("y")(q + 0.5)) * shrunk;
  return [x, y];
}"""

# The color in the middle of each given cell, as red, green and blue.
CELL_COLORS = """([cells, name]) => {
  const view = attnreport.view(name);
  const canvas = document.querySelector(`#chart-${name} canvas`);
  // A copy, because a canvas that is read often is drawn in another way.
  const copy = new OffscreenCanvas(canvas.width, canvas.height);
  const context = copy.getContext("2d", { willReadFrequently: true });
  context.drawImage(canvas, 0, 0);
  const ratio = canvas.width / parseFloat(canvas.style.width);
  const [left, top] = view.origin();
  return cells.map(([q, k]) => {
    const x = Math.floor((left + view.scale("x")(k + 0.5)) * ratio);
    const y = Math.floor((top + view.scale("y")(q + 0.5)) * ratio);
    return [...context.getImageData(x, y, 1, 1).data].slice(0, 3);
  });
}"""

# Every so many pixels of a picture: rows, columns, and the bytes in base64.
PIXELS = """async ([data, step]) => {
  const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
  const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
  const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.floor(side / step));
  const context = new OffscreenCanvas(width, height).getContext("2d");
  // Drawn smaller without smoothing, each pixel is one of those of the picture.
  context.imageSmoothingEnabled = false;
  context.drawImage(bitmap, 0, 0, width * step, height * step, 0, 0, width, height);
  const pixels = context.getImageData(0, 0, width, height).data;
  let text = "";
  for (let at = 0; at < pixels.length; at += 8192)
    text += String.fromCharCode(...pixels.subarray(at, at + 8192));
  return [height, width, btoa(text)];
}"""


class ReportPage:
    """A report that is open in a browser.

    Attributes:
        page: The page, for whatever has no word of its own here.
        complaints: What the page must not do and did: errors, warnings, requests.
        expected: Texts that a complaint may contain, for tests that damage a report.
    """

    def __init__(self, page: Page, path: Path) -> None:
        self.page = page
        self.address = path.as_uri()
        self.complaints: list[str] = []
        self.expected: list[str] = []
        self._ears = {
            "console": self._hear,
            "pageerror": lambda error: self.complaints.append(f"error: {error}"),
            "request": self._see_request,
        }
        for event, ear in self._ears.items():
            page.on(event, ear)

    def open(self, link: str = "") -> "ReportPage":
        """Opens the report at a deep link and waits until it is drawn."""
        self.page.goto(self.address + link)
        self.until("document.documentElement.dataset.ready === 'true'")
        self.settle()
        return self

    def leave(self) -> None:
        """Listens no longer to what the window does."""
        for event, ear in self._ears.items():
            self.page.remove_listener(event, ear)

    def until(self, condition: str) -> None:
        """Waits for an expression to be true. Playwright's own way is stopped by the policy."""
        deadline = time.monotonic() + PATIENCE_S
        while not self.page.evaluate(condition):
            if time.monotonic() > deadline:
                raise AssertionError(f"Never true: {condition}. Complaints: {self.complaints}")
            time.sleep(POLL_S)

    def settle(self) -> None:
        """Waits until every view shows the state."""
        self.page.evaluate(SETTLE)

    def state(self) -> dict[str, Any]:
        """What is chosen."""
        return self.page.evaluate("attnreport.state()")

    def choose(self, **change: Any) -> None:
        """Changes what is chosen, as a link does."""
        self.page.evaluate("(change) => attnreport.choose(change)", change)
        self.settle()

    def weights(self, stack: int, layer: int, head: int) -> list[list[float]]:
        """The weights of one head as the page has them."""
        return self.page.evaluate("(place) => attnreport.weight(...place)", [stack, layer, head])

    def press(self, *keys: str) -> None:
        """Presses keys, one after the other."""
        for key in keys:
            self.page.keyboard.press(key)
        self.settle()

    def click(self, selector: str) -> None:
        """Clicks what a reader sees at the selector."""
        self.page.click(selector)
        self.settle()

    def cell_point(self, q: int, k: int, chart: str = "heatmap") -> tuple[float, float]:
        """Where a cell of a matrix stands in the window, scrolled into view."""
        x, y = self.page.evaluate(CELL_POINT, [q, k, chart])
        # The bar sticks to the top and would be in the way.
        height, bar = self.page.evaluate(
            "[innerHeight, document.querySelector('#bar').getBoundingClientRect().bottom]"
        )
        if not max(bar, 0) + 4 < y < height - 4:
            self.page.evaluate("(by) => scrollBy({top: by, behavior: 'instant'})", y - height * 0.6)
            self.settle()
            x, y = self.page.evaluate(CELL_POINT, [q, k, chart])
        return x, y

    def hover_cell(self, q: int, k: int, chart: str = "heatmap") -> None:
        """Moves the pointer onto a cell of a matrix."""
        self.page.mouse.move(*self.cell_point(q, k, chart))
        self.settle()

    def click_cell(self, q: int, k: int, chart: str = "heatmap") -> None:
        """Clicks a cell of a matrix."""
        self.page.mouse.click(*self.cell_point(q, k, chart))
        self.settle()

    def cell_colors(
        self, cells: list[tuple[int, int]], chart: str = "heatmap"
    ) -> list[tuple[int, ...]]:
        """Colors drawn in the middle of the cells of a matrix."""
        return [tuple(color) for color in self.page.evaluate(CELL_COLORS, [cells, chart])]

    def text(self, selector: str) -> str:
        """What is written in the first element at the selector."""
        return self.page.locator(selector).first.text_content() or ""

    def shown(self, name: str) -> str:
        """The text that captions show for a name."""
        return self.text(f"[data-show={name}]")

    def tooltip(self) -> list[str] | None:
        """Texts of the tooltip in order, or None while there is none."""
        if self.page.locator("#tip").is_hidden():
            return None
        return self.page.locator("#tip > *").all_text_contents()

    def pixels(self, png: bytes, *, every: int = 1) -> UInt8[np.ndarray, "row column channel"]:
        """Colors and opacity of a picture, or of every so many of its rows and columns."""
        data = base64.b64encode(png).decode()
        height, width, colors = self.page.evaluate(PIXELS, [data, every])
        found = np.frombuffer(base64.b64decode(colors), dtype=np.uint8)
        return found.reshape(height, width, 4)

    def ends_of_colors(self, name: str) -> tuple[float, float]:
        """The weights at which the colors of a chart begin and end, by its linear legend."""
        view = f"attnreport.view('{name}').signal"
        ticks = self.page.evaluate(f"{view}('legendTicks')")
        weights = [float(text) for text in self.page.evaluate(f"{view}('legendLabels')")]
        slope, low = np.polyfit(ticks, weights, 1)
        return float(low), float(low + slope)

    def picture(self, selector: str) -> UInt8[np.ndarray, "row column channel"]:
        """The colors of an element, as they are on the screen."""
        return self.pixels(self.page.locator(selector).screenshot())

    def canvas(self, name: str) -> bytes:
        """What is drawn in the canvas of a chart, as PNG."""
        data = self.page.evaluate(
            "(name) => document.querySelector(`#chart-${name} canvas`).toDataURL()", name
        )
        return base64.b64decode(data.partition(",")[2])

    def all_complaints(self) -> list[str]:
        """Everything that the page must not do and did, less what the test expects."""
        violations = self.page.evaluate("window.violations ?? []")
        found = [*self.complaints, *(f"policy: {violation}" for violation in violations)]
        return [text for text in found if not any(part in text for part in self.expected)]

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"console {message.type}: {message.text}")

    def _see_request(self, request: Request) -> None:
        if not request.url.startswith((self.address, "blob:", "data:")):
            self.complaints.append(f"request: {request.url}")
