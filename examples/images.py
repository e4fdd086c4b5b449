"""Trains a network that reads digits among clutter, and reports on whether it looks at them.

python examples/images.py report.html [non-local, none, se, eca, cbam or vit] [quick]

The scanned digits need scikit-learn: pip install 'attnreport[examples]'
"""

import sys

from attnreport import write_report
from attnreport.tasks import run_demo


def main(path: str = "images.html", attention: str = "non-local", pace: str = "") -> None:
    options = {"model": "vit"} if attention == "vit" else {"attention": attention}
    recording = run_demo("images", quick=pace == "quick", **options)
    for metric in recording.metrics:
        print(f"{metric.value:8.1%}  {metric.name}")
    print(write_report(recording, path))


if __name__ == "__main__":
    main(*sys.argv[1:])
