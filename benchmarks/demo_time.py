"""Measures how long the demo takes: training from scratch, and again with the model kept."""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from printing import held, print_heading, print_table

BUDGET_S = 90
# What the installed `attnreport` command runs.
COMMAND = "import sys; from attnreport.cli.main import main; sys.exit(main())"


def main() -> None:
    print_heading("Demo")
    with tempfile.TemporaryDirectory() as folder:
        fresh, processor = timed_demo(Path(folder))
        again, _ = timed_demo(Path(folder))
        (kept,) = Path(folder).glob("cache/*/summary.json")
        summary = json.loads(kept.read_text(encoding="utf-8"))
    training = sum(seconds for *_, seconds in summary["history"])
    print_table(
        ["training", "whole command", "its processor time", "the second time", "exact sentences"],
        [
            [
                held(training, BUDGET_S, " s"),
                f"{fresh:.0f} s",
                f"{processor:.0f} s",
                f"{again:.1f} s",
                f"{summary['facts']['quality']['sentences']:.1%}",
            ]
        ],
    )


def timed_demo(folder: Path) -> tuple[float, float]:
    """Seconds that `attnreport demo` takes, and seconds of all processors together."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", COMMAND, "demo", "--quiet", "-o", folder / "report.html"],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "ATTNREPORT_CACHE": str(folder / "cache")},
    )
    took = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
