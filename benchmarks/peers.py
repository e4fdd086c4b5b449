"""Compares reports with pages of other tools that hold the same attention, in one run."""

import argparse
import dataclasses
import importlib.util
import itertools
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from browsing import chromium, page_of, until_drawn, until_repainted
from peer_pages import bertviz_libraries, write_altair_rows, write_bertviz
from playwright.sync_api import Browser
from printing import print_heading, print_table, times
from workloads import WORKLOADS, weights_in

from attnreport import Recording, write_report

REPEATS = 5
SWITCHES = 12
PATIENCE_S = 15
# So tall a window that no view is out of sight when a head is switched: a report draws only
# what can be seen.
TALL = 4000


@dataclasses.dataclass(frozen=True)
class Tool:
    """One way to make a page of attention.

    Attributes:
        name: What to call it in the table.
        write: Makes the page.
        drawn: A condition in the page that holds once there is something to see.
        switch: A script function that shows another layer or head, given a running number; empty
            if the page has no such thing.
        cases: Workloads it is tried on.
    """

    name: str
    write: Callable[[Recording, Path], object]
    drawn: str
    switch: str
    cases: tuple[str, ...] = ("6×12×30²", "6×12×128²", "1×2×512²")


def select(query: str) -> str:
    """A script function that chooses the next entry of a menu."""
    return f"""(number) => {{
      const menu = document.querySelector("{query}");
      menu.selectedIndex = number % menu.options.length;
      menu.dispatchEvent(new Event("change", {{ bubbles: true }}));
    }}"""


TOOLS = (
    Tool(
        "attnreport",
        write_report,
        'document.documentElement.dataset.ready === "true"',
        """async (number) => {
          const { heads } = attnreport.stack();
          attnreport.choose({ layer: number % heads.length, head: number % heads[0] });
          await attnreport.idle();
        }""",
    ),
    Tool(
        "BertViz head view",
        lambda recording, target: write_bertviz("head_view", recording, target),
        'document.querySelector("#vis line") !== null',
        select("#layer"),
    ),
    Tool(
        "BertViz model view",
        lambda recording, target: write_bertviz("model_view", recording, target),
        'document.querySelector("#vis line") !== null',
        "",
        cases=("6×12×30²",),
    ),
    Tool(
        "Altair rows",
        write_altair_rows,
        'document.querySelector("canvas.marks") !== null',
        select(".vega-bindings select[name=H]"),
    ),
)


@dataclasses.dataclass(frozen=True)
class Result:
    """What one tool did with one workload: bytes, seconds and milliseconds."""

    weights: int
    size: int
    written: float
    opened: float
    switched: float | None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chromium", help="the browser to use instead of Playwright's own")
    arguments = parser.parse_args()
    require_peers()
    libraries = bertviz_libraries()
    with tempfile.TemporaryDirectory() as folder, chromium(arguments.chromium) as browser:
        print_heading("Against other tools", chromium=browser.version)
        print(f"BertViz {version('bertviz')} with torch {version('torch')}.\n")
        sentence = WORKLOADS["6×12×30²"]()
        for tool in TOOLS:  # once for nothing: a first call also imports
            tool.write(sentence, Path(folder) / f"{tool.name}.html")
        results: dict[str, Result] = {}
        for case in TOOLS[0].cases:
            recording = WORKLOADS[case]()
            results = {
                tool.name: measured(tool, recording, Path(folder), browser, libraries)
                for tool in TOOLS
                if case in tool.cases
            }
            print_results(case, results)
        print_largest(Path(folder), results["BertViz head view"])


def require_peers() -> None:
    missing = [name for name in ("bertviz", "torch") if importlib.util.find_spec(name) is None]
    if missing:
        print(
            "The tools to compare with are not installed: pip install bertviz torch, here or in "
            "an environment of their own beside attnreport.",
            file=sys.stderr,
        )
        raise SystemExit(2)
    if shutil.which("npm") is None:
        print("BertViz loads scripts from npm packages; install Node.js with npm.", file=sys.stderr)
        raise SystemExit(2)


def measured(
    tool: Tool, recording: Recording, folder: Path, browser: Browser, libraries: dict[str, str]
) -> Result:
    target = folder / f"{tool.name}.html"

    def write() -> float:
        start = time.perf_counter()
        tool.write(recording, target)
        return time.perf_counter() - start

    def open_page() -> float:
        with page_of(browser, target, libraries=libraries) as page:
            return until_drawn(page, tool.drawn)

    written = median_of(write, REPEATS)
    opened = median_of(open_page, REPEATS)
    switched = None
    if tool.switch:
        with page_of(browser, target, libraries=libraries, height=TALL) as page:
            until_drawn(page, tool.drawn)
            page.wait_for_load_state("load")
            numbers = itertools.count(1)
            switched = median_of(
                lambda: until_repainted(page, tool.switch, next(numbers)), SWITCHES
            )
    size = target.stat().st_size
    return Result(weights_in(recording), size, written, opened, switched)


def median_of(measure: Callable[[], float], repeats: int) -> float:
    """Median of several measurements; of fewer once they take too long."""
    start = time.perf_counter()
    samples = []
    while len(samples) < repeats and time.perf_counter() - start < PATIENCE_S:
        samples.append(measure())
    return statistics.median(samples)


def print_results(case: str, results: dict[str, Result]) -> None:
    """A table for one workload; in brackets how many times as much as attnreport."""
    own = results["attnreport"]
    rows = []
    for name, result in results.items():
        cells = [
            (f"{result.size / 1e6:.2f} MB", result.size / own.size),
            (f"{result.written:.2f} s", result.written / own.written),
            (f"{result.opened:,.0f} ms", result.opened / own.opened),
        ]
        if result.switched is not None and own.switched is not None:
            cells.append((f"{result.switched:,.0f} ms", result.switched / own.switched))
        shown = [text if result is own else f"{text} ({times(ratio)})" for text, ratio in cells]
        shown.insert(1, f"{result.size / result.weights:.1f}")
        rows.append([name, *shown, *["–"] * (4 - len(cells))])
    title = f"{case} = {own.weights:,} weights"
    print_table([title, "file", "bytes per weight", "written", "opened", "head switched"], rows)


def print_largest(folder: Path, peer: Result) -> None:
    """The shape of BERT-base, for which the peer's file can only be computed."""
    recording = WORKLOADS["12×12×512²"]()
    weights = weights_in(recording)
    own = write_report(recording, folder / "largest.html").stat().st_size
    computed = weights * peer.size / peer.weights
    name = "BertViz head view, computed from its bytes per weight above"
    print_table(
        [f"12×12×512² = {weights:,} weights", "file"],
        [
            ["attnreport", f"{own / 1e6:,.0f} MB"],
            [name, f"{computed / 1e6:,.0f} MB ({times(computed / own)})"],
        ],
    )


if __name__ == "__main__":
    main()
