"""Measures reports in a browser: opening, switching the head, hovering over the heatmap."""

import argparse
import statistics
import tempfile
from pathlib import Path

from browsing import chromium, page_of, until_drawn, until_repainted
from playwright.sync_api import Browser, Page
from printing import held, print_heading, print_table
from workloads import WORKLOADS

from attnreport import write_report

CASES = ["6×12×30²", "6×12×128²", "12×12×512²", "64×4×4×65²"]
OPENINGS = 9
SWITCHES = 24
HOVERS = 40

# Budgets in milliseconds; for switching one per case.
FIRST_PAINT, FIRST_HEATMAP, HOVER = 150, 300, 16
SWITCH = {"6×12×30²": 33, "6×12×128²": 100, "12×12×512²": 100, "64×4×4×65²": 100}

READY = 'document.documentElement.dataset.ready === "true"'
# A busy browser reports its first paint some time after it happened.
STARTED = """async () => {
  const paint = () => performance.getEntriesByName("first-contentful-paint")[0];
  while (!paint()) await new Promise((again) => setTimeout(again, 5));
  return {
    ...attnreport.marks,
    paint: paint().startTime,
    parsed: performance.getEntriesByType("navigation")[0].domInteractive,
  };
}"""
STALLS = """new Promise((done) => {
  new PerformanceObserver((list) => done(Math.max(...list.getEntries().map((e) => e.duration))))
    .observe({ type: "longtask", buffered: true });
  setTimeout(() => done(0), 500);
})"""
SWITCH_HEAD = "async (place) => { attnreport.choose(place); await attnreport.idle(); }"
# What one hover costs: the page notes how long it took to bring its views up to date.
FORGET_UPDATE = "() => { attnreport.marks.update = null; }"
LAST_UPDATE = """async () => {
  for (let frame = 0; frame < 30 && attnreport.marks.update === null; frame++) {
    await new Promise((next) => requestAnimationFrame(next));
    await attnreport.idle();
  }
  return attnreport.marks.update;
}"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chromium", help="the browser to use instead of Playwright's own")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, chromium(arguments.chromium) as browser:
        print_heading("Reports in a browser", chromium=browser.version)
        files = {name: Path(folder) / f"{number}.html" for number, name in enumerate(CASES)}
        for name, file in files.items():
            write_report(WORKLOADS[name](), file)
        columns = ["opening", "first paint", "overview", "heatmap", "all views", "file parsed",
                   "longest stall"]  # fmt: skip
        print_table(columns, [opening_row(browser, name, file) for name, file in files.items()])
        columns = ["using", "switch head", "… until painted", "slowest", "hover", "slowest"]
        print_table(columns, [using_row(browser, name, file) for name, file in files.items()])


def opening_row(browser: Browser, name: str, file: Path) -> list[str]:
    """Medians over several openings in a browser that has opened the file before."""
    samples = []
    for _ in range(OPENINGS + 1):
        with page_of(browser, file) as page:
            until_drawn(page, READY)
            page.wait_for_load_state("load")
            samples.append(page.evaluate(STARTED) | {"stall": page.evaluate(STALLS)})
    median = {key: statistics.median(s[key] for s in samples[1:]) for key in samples[0]}
    return [
        name,
        held(median["paint"], FIRST_PAINT, " ms"),
        f"{median['overview']:.0f} ms",
        held(median["heatmap"], FIRST_HEATMAP, " ms"),
        f"{median['all']:.0f} ms",
        f"{median['parsed']:.0f} ms",
        f"{median['stall']:.0f} ms",
    ]


def using_row(browser: Browser, name: str, file: Path) -> list[str]:
    # Views outside the window are not drawn, so a tall one makes a switch draw all of them.
    with page_of(browser, file, height=4000) as page:
        until_drawn(page, READY)
        page.wait_for_load_state("load")
        switches, painted = switch_times(page)
    with page_of(browser, file) as page:
        until_drawn(page, READY)
        page.wait_for_load_state("load")
        hovers = hover_times(page)
    return [
        name,
        held(statistics.median(switches), SWITCH[name], " ms"),
        f"{statistics.median(painted):.0f} ms",
        f"{max(switches):.0f} ms",
        held(statistics.median(hovers), HOVER, " ms"),
        f"{max(hovers):.0f} ms",
    ]


def switch_times(page: Page) -> tuple[list[float], list[float]]:
    """Milliseconds of the page's own work for each switch, and until each was painted."""
    layers = page.evaluate("attnreport.stack().heads")
    places = [
        {"layer": i % len(layers), "head": (7 * i + 1) % min(layers)} for i in range(SWITCHES)
    ]
    work, painted = [], []
    for place in places:
        painted.append(until_repainted(page, SWITCH_HEAD, place))
        work.append(page.evaluate("attnreport.marks.update"))
    return work, painted


def hover_times(page: Page) -> list[float]:
    """Milliseconds of the page's own work while a real pointer wanders over the heatmap."""
    picture = page.locator("#chart-heatmap canvas")
    picture.scroll_into_view_if_needed()
    box = picture.bounding_box()
    assert box
    times = []
    for step in range(HOVERS):
        across, down = (step * 37 % 100) / 100, (step * 61 % 100) / 100
        page.evaluate(FORGET_UPDATE)
        page.mouse.move(
            box["x"] + box["width"] * (0.2 + 0.7 * across),
            box["y"] + box["height"] * (0.2 + 0.6 * down),
        )
        took = page.evaluate(LAST_UPDATE)
        if took is not None:
            times.append(took)
    assert len(times) > HOVERS / 2, "the pointer missed the heatmap"
    return times


if __name__ == "__main__":
    main()
