"""Measures how much slower `attnreport --help` is than Python itself."""

import statistics
import subprocess
import sys
import time

from printing import held, print_heading, print_table

BUDGET_MS = 100
REPEATS = 15
# What the installed `attnreport` command runs.
COMMAND = "import sys; from attnreport.cli.main import main; sys.exit(main())"


def main() -> None:
    commands = {
        "python": [sys.executable, "-c", "pass"],
        "attnreport": [sys.executable, "-c", COMMAND, "--help"],
        "import": [sys.executable, "-c", "import attnreport"],
    }
    samples: dict[str, list[float]] = {name: [] for name in commands}
    # Taken in turns, so that a busy moment of the machine hits all of them.
    for _ in range(REPEATS + 1):
        for name, command in commands.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            samples[name].append(1000 * (time.perf_counter() - start))
    # The first round fills the file caches.
    bare, command, package = (statistics.median(times[1:]) for times in samples.values())
    print_heading("Start")
    print_table(
        ["bare Python", "`attnreport --help`", "above bare Python", "`import attnreport`"],
        [
            [
                f"{bare:.0f} ms",
                f"{command:.0f} ms",
                held(command - bare, BUDGET_MS, " ms"),
                f"{package - bare:+.0f} ms",
            ]
        ],
    )


if __name__ == "__main__":
    main()
