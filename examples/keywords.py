"""Trains a small text classifier on Python's own help, and reports which words it goes by.

python examples/keywords.py report.html [additive or self-attentive] [quick]
"""

import sys

from attnreport import write_report
from attnreport.tasks import run_demo


def main(path: str = "keywords.html", attention: str = "additive", pace: str = "") -> None:
    recording = run_demo("keywords", quick=pace == "quick", attention=attention)
    for metric in recording.metrics:
        print(f"{metric.value:8.3f}  {metric.name}")

    # Of a few passages the label and the heaviest words.
    for example in recording.examples[:8]:
        attention = example.maps[0]
        weights = attention.array()[0].mean(axis=0)
        words = dict.fromkeys(attention.key.labels[place] for place in weights.argsort()[::-1])
        verdict = "right" if example.output == example.target else f"it is {example.target}"
        print(f"{example.output} ({verdict}): {' '.join(list(words)[:5])}")
    print(write_report(recording, path))


if __name__ == "__main__":
    main(*sys.argv[1:])
