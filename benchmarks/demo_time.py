"""Measures how long the demos take: training from scratch, with the model kept, and --quick."""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from printing import held, print_heading, print_table

from attnreport.tasks import DEMOS

BUDGET_S, QUICK_BUDGET_S = 180, 20
# What the installed `attnreport` command runs.
COMMAND = "import sys; from attnreport.cli.main import main; sys.exit(main())"


class Took(NamedTuple):
    """Seconds that a command took: by the clock, and of all processors together."""

    clock: float
    processor: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--all", action="store_true", help="each attention too, not only each model of each demo"
    )
    every = parser.parse_args().all
    print_heading("Demo")
    columns = ["demo", "training", "whole command", "its processor time", "the second time"]
    print_table(
        [*columns, "`--quick`", "its processor time"],
        (row_of(name, options) for name in DEMOS for options in choices(name, every=every)),
    )


def choices(name: str, *, every: bool) -> list[list[str]]:
    """The options of a demo that lead to other models: none for the usual one, then the others."""
    options = DEMOS[name].options
    found = [["--model", each] for each in options.get("model", ())[1:]]
    attentions = options.get("attention", ())[1:] if every else ()
    return [[], *(["--attention", each] for each in attentions), *found]


def row_of(name: str, options: list[str]) -> list[str]:
    """How long one demo takes, as a row of the table."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        fresh = timed_demo(place, "cache", name, *options)
        again = timed_demo(place, "cache", name, *options)
        training = sum(training_time(kept) for kept in place.glob("cache/*/summary.json"))
        quick = timed_demo(place, "quick", name, *options, "--quick")
    return [
        f"`{' '.join([name, *options])}`",
        f"{training:.0f} s",
        held(fresh.clock, BUDGET_S, " s"),
        f"{fresh.processor:.0f} s",
        f"{again.clock:.1f} s",
        held(quick.clock, QUICK_BUDGET_S, " s"),
        f"{quick.processor:.0f} s",
    ]


def training_time(summary: Path) -> float:
    """Seconds that one model of a demo was trained; some train a baseline beside it."""
    history = json.loads(summary.read_text(encoding="utf-8"))["history"]
    return sum(seconds for *_, seconds in history)


def timed_demo(folder: Path, cache: str, *arguments: str) -> Took:
    """How long `attnreport demo` takes with trained models kept in a folder."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run(
        [
            sys.executable,
            "-c",
            COMMAND,
            "demo",
            *arguments,
            "--quiet",
            "-o",
            folder / "report.html",
        ],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "ATTNREPORT_CACHE": str(folder / cache)},
    )
    took = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Took(took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


if __name__ == "__main__":
    main()
