"""A Chromium for the browser tests: the machine's own, Playwright's, or the distribution's."""

import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from bootstrap.processes import SetupError, Step, answer, run, say
from bootstrap.python import python

VARIABLE = "ATTNREPORT_CHROMIUM"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


def prepare_browser(environment: Mapping[str, str]) -> dict[str, str]:
    """Finds or installs a Chromium.

    Returns:
        The environment, with the browser's path in `ATTNREPORT_CHROMIUM`.

    Raises:
        SetupError: There is no Chromium and none can be installed, or the named one is missing.
    """
    named = environment.get(VARIABLE)
    if named:
        if not _starts(named):
            raise SetupError(
                f"{VARIABLE} names {named!r}, which does not start. Point it at a Chromium or "
                "Chrome program, or unset it to let this script find one."
            )
        return dict(environment)
    for offer in (_on_path, _from_playwright, _from_apt):
        path = offer(environment)
        if path and _starts(path):
            say(f"\n== browser: {path}")
            return {**environment, VARIABLE: path}
    raise SetupError(
        "The browser tests need a Chromium, but none is on this machine, Playwright could not "
        "download one and no package manager could be used. Install Chromium or Chrome, or "
        f"name one in {VARIABLE}; `--fast` leaves the browser tests out."
    )


def _on_path(environment: Mapping[str, str]) -> str | None:
    found = (shutil.which(name, path=environment.get("PATH")) for name in NAMES)
    return next(filter(None, found), None)


def _from_playwright(environment: Mapping[str, str]) -> str | None:
    command = [python(), "-m", "playwright", "install", *playwright_arguments()]
    if run(Step("install Chromium through Playwright", command), environment).code != 0:
        return None
    where = (
        "from playwright.sync_api import sync_playwright\n"
        "with sync_playwright() as p: print(p.chromium.executable_path)"
    )
    return answer(python(), "-c", where, environment=environment)


def playwright_arguments(*, platform: str = sys.platform, root: bool | None = None) -> list[str]:
    """What `playwright install` is asked for: system libraries too, where it may install them."""
    may = is_root() if root is None else root
    return ["--with-deps", "chromium"] if platform == "linux" and may else ["chromium"]


def _from_apt(environment: Mapping[str, str]) -> str | None:
    if not apt_usable(environment):
        return None
    quiet = {**environment, "DEBIAN_FRONTEND": "noninteractive"}
    run(Step("update package lists", ["apt-get", "update", "-q"]), quiet)
    step = Step(
        "install Chromium through apt",
        ["apt-get", "install", "-q", "-y", "--no-install-recommends", "chromium"],
    )
    return _on_path(environment) if run(step, quiet).code == 0 else None


def apt_usable(environment: Mapping[str, str], *, root: bool | None = None) -> bool:
    """Whether this is a Debian or Ubuntu on which we may install packages."""
    may = is_root() if root is None else root
    return may and shutil.which("apt-get", path=environment.get("PATH")) is not None


def is_root() -> bool:
    """Whether this process may change the system; never so on Windows."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def _starts(path: str) -> bool:
    return Path(path).is_file() and bool(answer(path, "--version"))
