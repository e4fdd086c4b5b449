"""Where a command puts its report and its recording, checked before the work begins."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import click

from attnreport.cli.terminal import readable_size, say, say_error

_Function = TypeVar("_Function", bound=Callable[..., Any])


def report_options(function: _Function) -> _Function:
    """Adds the options of every command that writes a report."""
    options = (
        click.option(
            "-o",
            "--output",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Where to write the report.",
        ),
        click.option("--title", help="Heading of the report."),
        click.option(
            "--force", is_flag=True, help="Also replace a file that is not an attnreport report."
        ),
        click.option("--open", "open_page", is_flag=True, help="Show the report in a browser."),
    )
    for option in reversed(options):
        function = option(function)
    return function


def save_option(function: _Function) -> _Function:
    """Adds `--save`, which keeps the recording."""
    return click.option(
        "--save",
        metavar="RECORDING",
        help="Also keep the recording: a folder, or a gs:// or s3:// address.",
    )(function)


def quiet_option(function: _Function) -> _Function:
    """Adds `--quiet`, which hides the progress."""
    return click.option("-q", "--quiet", is_flag=True, help="Show no progress.")(function)


def check_targets(report: Path, *, force: bool, save: str | None = None) -> None:
    """Raises what writing would raise at the end, before minutes of work are lost.

    Raises:
        ReportError: The report cannot be written.
        RecordingFileError: The recording cannot be written.
    """
    from attnreport.outputs import require_writable as require_report_writable

    require_report_writable(report, force=force)
    if save is not None:
        from attnreport.store import require_writable
        from attnreport.store.location import local_path

        path = local_path(save)
        if path is not None and path.absolute() == report.absolute():
            raise click.UsageError("The report and the recording need different names.")
        require_writable(save)


def finish(
    recording: Any,
    report: Path,
    *,
    force: bool,
    open_page: bool,
    save: str | None = None,
    **options: Any,
) -> None:
    """Writes the recording if that is wanted, then the report, and says where they are.

    Args:
        recording: What to show.
        report: Where to write the report.
        force: Also replace a file that is not a report.
        open_page: Show the report in a browser.
        save: Where to keep the recording.
        options: What else `attnreport.write_report` takes; None leaves its default.
    """
    from attnreport.outputs import write_report

    if save is not None:
        from attnreport.store import save_recording

        with _working("Saving the recording"):
            save_recording(recording, save)
        say(f"Recording: {_place(save)}")
    given = {name: value for name, value in options.items() if value is not None}
    with _working("Writing the report"):
        written = Path(write_report(recording, report, force=force, **given))
    say(f"Report: {_place(written)} ({readable_size(written.stat().st_size)})")
    if open_page and click.launch(str(written.absolute())):
        say_error("No browser could be started. Open the report yourself.")


@contextlib.contextmanager
def _working(what: str) -> Iterator[None]:
    """Shows that something is going on, if somebody is watching."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(f"{what} …"):
        yield


def _place(target: str | Path) -> str:
    from attnreport.store.location import local_path

    path = local_path(target)
    return str(target) if path is None else str(path.absolute())
