"""Trains a small translator, or takes it from the cache, and reports on its attention.

python examples/translate.py report.html [gru or transformer] [quick]
"""

import sys

from attnreport import write_report
from attnreport.tasks import run_demo


def main(path: str = "translate.html", model: str = "gru", pace: str = "") -> None:
    recording = run_demo("translation", quick=pace == "quick", model=model)
    for metric in recording.metrics:
        print(f"{metric.value:12.4g}  {metric.name}")
    print(write_report(recording, path))


if __name__ == "__main__":
    main(*sys.argv[1:])
