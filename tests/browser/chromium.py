"""Finds the browser for the tests."""

import os
import shutil
from pathlib import Path

import pytest

VARIABLE = "ATTNREPORT_CHROMIUM"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def find_chromium() -> str:
    """Path of a Chromium.

    A machine without one fails, because nobody would miss tests that are skipped.
    """
    named = os.environ.get(VARIABLE)
    found = named or next(filter(None, map(shutil.which, NAMES)), None)
    if found is None or not Path(found).is_file():
        what = f"{VARIABLE} names {named!r}, which is no file" if named else "none was found"
        pytest.fail(
            f"The browser tests need a Chromium, but {what}. Install Chromium or Chrome, name one "
            f"in {VARIABLE}, run `python tools/test.py`, which gets one, or leave these tests out "
            "with `-m 'not browser'`.",
            pytrace=False,
        )
    return found
