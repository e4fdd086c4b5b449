"""Makes the figures of the documentation: `python tools/make_figures.py [NAME …]`.

Each is a part of a report on a model that is trained here, from seeds, and is taken in light and
in dark. The demos take their models from the cache, or train them, which takes half an hour the
first time. Needs what the tests need, and Pillow; run it in the environment of `tools/test.py`.
"""

import argparse
import tempfile
from pathlib import Path

from figures.browser import address_of, chromium, take
from figures.catalog import FIGURES

from attnreport import write_report

FOLDER = Path(__file__).parents[1] / "docs" / "figures"


def make(name: str, browser, reports: Path) -> None:
    figure = FIGURES[name]
    report = reports / f"{name}.html"
    recording = figure.recording()
    write_report(recording, report)
    for dark in (False, True):
        address = address_of(report, figure.link)
        picture = take(browser, address, figure.part, figure.width, dark=dark)
        path = FOLDER / f"{name}{'-dark' if dark else ''}.png"
        path.write_bytes(picture)
        print(f"{path.name}: {len(picture) / 1000:.0f} kB. {recording.source.data}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(FIGURES))
    names = parser.parse_args().names or list(FIGURES)
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as reports, chromium() as browser:
        for name in names:
            make(name, browser, Path(reports))


if __name__ == "__main__":
    main()
