"""Where trained models are kept between runs, and under which key."""

import contextlib
import hashlib
import importlib.resources
import os
import sys
from collections.abc import Iterator, Sequence
from importlib.resources.abc import Traversable
from pathlib import Path

# The code that every trained model depends on: a change in any of it makes it another model.
SOURCES = ("nn", "tasks/checkpoints.py", "tasks/interrupts.py", "tasks/training.py")


def cache_folder() -> Path:
    """The folder in which attnreport keeps trained models.

    `ATTNREPORT_CACHE` names it; without that it is `attnreport` in the user's cache folder.
    """
    chosen = os.environ.get("ATTNREPORT_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA")
        return Path(base) / "attnreport" if base else Path.home() / "AppData/Local/attnreport"
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "attnreport"


def cache_key(*parts: object, sources: Sequence[str] = ()) -> str:
    """A short key of the given values and of all code that a trained model depends on.

    Args:
        parts: Numbers, texts, and dataclasses of these: they are told apart by their `repr`.
        sources: Files and folders of code, as paths inside of the package, besides `SOURCES`.
    """
    digest = hashlib.sha256()
    package = importlib.resources.files("attnreport")
    for name, text in _sources(package, (*SOURCES, *sources)):
        digest.update(f"{name}\n{text}\n".encode())
    digest.update(repr(parts).encode())
    return digest.hexdigest()[:16]


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keeps other processes from training the same model in the same folder at the same time.

    They wait until this one is done, and then find its result. On systems without `fcntl` nothing
    is locked.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _sources(package: Traversable, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    for name in names:
        yield from _python_files(package.joinpath(*name.split("/")), name)


def _python_files(item: Traversable, name: str) -> Iterator[tuple[str, str]]:
    """Name and text of a Python file, or of all those in a folder."""
    if item.is_file():
        yield name, item.read_text(encoding="utf-8")
        return
    for child in sorted(item.iterdir(), key=lambda child: child.name):
        if child.name.endswith(".py") or (child.is_dir() and child.name != "__pycache__"):
            yield from _python_files(child, f"{name}/{child.name}")
