"""Runs programs, shows what they say, and keeps the time."""

import dataclasses
import os
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


class SetupError(Exception):
    """The machine cannot be made ready; the message says what is missing and what to do."""


@dataclasses.dataclass(frozen=True)
class Step:
    """One program to run, and where."""

    name: str
    command: Sequence[str | Path]
    folder: Path = ROOT


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a step went."""

    name: str
    code: int
    seconds: float


def say(text: str) -> None:
    """Prints at once, so that our lines and those of the programs stay in order."""
    print(text, flush=True)


def run(step: Step, environment: Mapping[str, str]) -> Outcome:
    """Runs a step with its output going straight through."""
    say(f"\n== {step.name}")
    start = time.monotonic()
    # Windows finds `npm.cmd` only through PATHEXT, which `which` knows and Popen does not.
    program = shutil.which(step.command[0], path=environment.get("PATH")) or step.command[0]
    try:
        code = subprocess.run(
            [program, *step.command[1:]], cwd=step.folder, env=dict(environment), check=False
        ).returncode
    except OSError as error:
        say(str(error))
        code = 127
    seconds = time.monotonic() - start
    say(f"== {step.name}: {'ok' if code == 0 else f'failed ({code})'} in {seconds:.1f} s")
    return Outcome(step.name, code, seconds)


def require(step: Step, environment: Mapping[str, str], *, otherwise: str) -> None:
    """Runs a step that everything after it depends on."""
    if run(step, environment).code != 0:
        raise SetupError(otherwise)


def answer(*command: str | Path, environment: Mapping[str, str] | None = None) -> str | None:
    """What a program prints, or None if it is not there or fails."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            check=True,
            encoding="utf-8",
            env=dict(os.environ if environment is None else environment),
            timeout=60,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
