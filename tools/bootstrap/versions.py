"""Environments with the oldest and the newest JAX, one for each Python of the machine."""

import dataclasses
import os
import re
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from bootstrap.processes import ROOT, Outcome, Step, answer, require, run

PYTHONS = ("3.11", "3.12", "3.13")
FOLDER = ROOT / ".venv-versions"
TESTED = ("jax", "flax")
# What runs programs, and so meets another JAX first.
QUICK = (
    "tests/capture/test_replay.py",
    "tests/capture/test_replay_branches.py",
    "tests/capture/test_replay_edits.py",
    "tests/capture/test_replay_loops.py",
    "tests/capture/test_transformation.py",
    "tests/capture/test_trace.py",
    "tests/capture/test_nnx.py",
    "tests/capture/test_linen.py",
    "tests/capture/test_names.py",
)


# A part of that, for a second version beside the whole suite.
FEW = ("tests/capture/test_replay.py", "tests/capture/test_transformation.py")


@dataclasses.dataclass(frozen=True)
class Combination:
    """A Python, and how old what it runs is.

    Attributes:
        python: Its version, such as `3.12`.
        program: The interpreter.
        age: `oldest` for the lowest JAX and Flax that pyproject.toml allows, or `newest`.
    """

    python: str
    program: str
    age: str

    @property
    def name(self) -> str:
        """Such as `3.12-oldest`."""
        return f"{self.python}-{self.age}"

    @property
    def order(self) -> tuple[list[int], bool]:
        """Sorts from old to new."""
        return [int(part) for part in self.python.split(".")], self.age == "newest"

    @property
    def interpreter(self) -> Path:
        """The interpreter of its environment."""
        folder = "Scripts" if os.name == "nt" else "bin"
        return FOLDER / self.name / folder / "python"


def combinations() -> list[Combination]:
    """Every combination that this machine can run."""
    found = [(version, program) for version in PYTHONS if (program := _interpreter(version))]
    return [Combination(*each, age) for each in found for age in ("oldest", "newest")]


def second() -> Combination | None:
    """The oldest JAX on the newest Python that does not run this; None if there is no other."""
    ours = ".".join(map(str, sys.version_info[:2]))
    others = [each for each in combinations() if each.python != ours and each.age == "oldest"]
    return max(others, key=lambda each: each.order, default=None)


def prepare(combination: Combination, *, group: str = "test") -> dict[str, str]:
    """Makes the environment of a combination, or keeps it; gives the variables to run it with.

    Args:
        combination: What to install.
        group: The group of pyproject.toml with what its tests need: `versions` is enough for `FEW`.
    """
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    environment.pop("PYTHONPATH", None)
    pip = [combination.interpreter, "-m", "pip", "install", "--quiet"]
    pins = lowest_versions() if combination.age == "oldest" else [*TESTED]
    steps = [
        Step(
            f"environment {combination.name}",
            [combination.program, "-m", "venv", _folder(combination)],
        ),
        Step("install pip", [*pip, "--upgrade", "pip>=25.1"]),
        Step("install attnreport", [*pip, "--upgrade", "--editable", ".", "--group", group, *pins]),
    ]
    for step in steps:
        require(step, environment, otherwise=f"`{step.name}` failed: see what it says above.")
    return environment


def tested(
    combination: Combination, arguments: Sequence[str], environment: Mapping[str, str]
) -> Outcome:
    """Runs pytest in the environment of a combination."""
    code = "import jax, flax; print(f'JAX {jax.__version__}, Flax {flax.__version__}')"
    versions = answer(combination.interpreter, "-c", code, environment=environment)
    command = [combination.interpreter, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    return run(Step(f"Python {combination.python}, {versions}", command), environment)


def lowest_versions() -> list[str]:
    """The lowest versions that pyproject.toml allows, as requirements for pip."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    bounds = dict(
        match.groups()
        for each in project["project"]["dependencies"]
        if (match := re.fullmatch(r"([\w-]+)>=([\d.]+)", each))
    )
    return [f"{name}=={bounds[name]}" for name in TESTED]


def _folder(combination: Combination) -> Path:
    return FOLDER / combination.name


def _interpreter(version: str) -> str | None:
    """The interpreter of a version; None if the machine has none that starts."""
    ours = ".".join(map(str, sys.version_info[:2]))
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    kept = [str(path) for path in sorted(pyenv.glob(f"{version}.*/bin/python"))]
    for program in [sys.executable] if version == ours else [f"python{version}", *kept]:
        if answer(program, "-c", _SAY_VERSION) == version:
            return program
    return None


_SAY_VERSION = "import sys; print('%d.%d' % sys.version_info[:2])"
