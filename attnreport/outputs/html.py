"""Writes a report or a comparison as one HTML file, whole or not at all."""

import os
import tempfile
from pathlib import Path

from attnreport._errors import ReportError
from attnreport.recording import Recording
from attnreport.report import render_comparison, render_report
from attnreport.report.packing import DEFAULT_BUDGET_MB, Encoding

# Every report carries this near its start; see templates/report.html.jinja.
_SIGNATURE = b'<meta name="generator" content="attnreport'
_SIGNATURE_WITHIN = 2048


def write_report(
    recording: Recording,
    path: str | os.PathLike[str],
    *,
    force: bool = False,
    title: str | None = None,
    precision: Encoding | None = None,
    budget_mb: float = DEFAULT_BUDGET_MB,
    templates: Path | None = None,
) -> Path:
    """Writes the report and returns its path.

    An earlier report at the path is replaced; the old one stays until the new one is complete.

    Args:
        recording: What to show.
        path: Where to write.
        force: Also replace a file that is not a report of attnreport.
        title: See `attnreport.render_report`, as for the rest.
        precision: How to store the weights.
        budget_mb: Size the page should stay below.
        templates: Folder whose templates replace the built-in ones.

    Raises:
        ReportError: The path cannot be written, holds a foreign file, or the recording is too
            large for the budget.
    """
    target = Path(path)
    require_writable(target, force=force)
    page = render_report(
        recording, title=title, precision=precision, budget_mb=budget_mb, templates=templates
    )
    _replace(target, page.encode("utf-8"))
    return target


def write_comparison(
    first: Recording,
    second: Recording,
    path: str | os.PathLike[str],
    *,
    force: bool = False,
    title: str | None = None,
    precision: Encoding | None = None,
    budget_mb: float = DEFAULT_BUDGET_MB,
    templates: Path | None = None,
) -> Path:
    """Writes a page that says what changed from one recording to another, and returns its path.

    An earlier report at the path is replaced; the old one stays until the new one is complete.

    Args:
        first: A on the page: one input, checkpoint or model.
        second: B on the page: what it is compared with.
        path: Where to write.
        force: Also replace a file that is not a report of attnreport.
        title: See `attnreport.render_comparison`, as for the rest.
        precision: How to store the weights.
        budget_mb: Size the page should stay below.
        templates: Folder whose templates replace the built-in ones.

    Raises:
        ReportError: The path cannot be written, holds a foreign file, or the recordings are too
            large for the budget.
        InvalidAttentionError: Nothing of the two recordings can be compared.
    """
    target = Path(path)
    require_writable(target, force=force)
    page = render_comparison(
        first, second, title=title, precision=precision, budget_mb=budget_mb, templates=templates
    )
    _replace(target, page.encode("utf-8"))
    return target


def require_writable(path: Path, *, force: bool = False) -> None:
    """Raises early what writing a report to the path would raise late.

    Raises:
        ReportError: The folder is missing or read-only, the path is a folder, or it holds a file
            that is not a report of attnreport and `force` is false.
    """
    try:
        problem = _problem(path, force=force)
    except OSError as error:
        problem = f"{path} cannot be used: {error.strerror}. Choose another place."
    if problem:
        raise ReportError(problem)


def _problem(path: Path, *, force: bool) -> str:
    """Why no report can be written to the path; empty if one can."""
    if path.is_dir():
        return f"{path} is a folder. Give the name of a file, such as report.html."
    folder = path.parent
    if not folder.is_dir():
        return f"There is no folder {folder} to write {path.name} into. Create it first."
    if reason := _refuses_files(folder):
        return f"The folder {folder} is not writable: {reason}. Choose another one."
    if path.exists() and not path.is_file():
        # A device or a pipe would be replaced by a file, or be waited for without end.
        return f"{path} is not a file that a report can replace. Choose another name."
    if path.exists() and not force and not _is_report(path):
        return (
            f"{path} exists and is not an attnreport report. Choose another name, or replace it "
            "with --force (`force=True`)."
        )
    return ""


def _refuses_files(folder: Path) -> str:
    """Why no file can be created in a folder; empty if one can.

    Permissions do not tell: a disk may be full, or a file system take no files at all.
    """
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".attnreport."):
            return ""
    except OSError as error:
        return error.strerror or str(error)


def _is_report(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(_SIGNATURE_WITHIN)
    return not start or _SIGNATURE in start


def _replace(target: Path, content: bytes) -> None:
    """Writes beside the target first, so that a crash or a full disk leaves the old file."""
    part = None
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=".attnreport.", suffix=".part")
        part = Path(name)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # A temporary file is private; a report should be as readable as any file of its owner.
        umask = os.umask(0)
        os.umask(umask)
        part.chmod(0o666 & ~umask)
        part.replace(target)
    except OSError as error:
        raise ReportError(f"{target} could not be written: {error.strerror or error}.") from error
    finally:
        if part:
            part.unlink(missing_ok=True)
