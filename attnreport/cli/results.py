"""Where a command puts its report and its recording, checked before the work begins."""

import bisect
import contextlib
import functools
import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import click

from attnreport._errors import ReportError
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
        click.option(
            "--precision",
            type=click.Choice(["float32", "u16", "u8"]),
            help="How to store the weights; by default the most exact that fits the budget.",
        ),
        click.option(
            "--budget",
            "budget_mb",
            type=click.FloatRange(min=0, min_open=True),
            metavar="MB",
            help="Size that the report should stay below.",
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


def save_option(function: _Function) -> _Function:
    """Adds `--save`, which keeps the recording."""
    return click.option(
        "--save",
        metavar="RECORDING",
        help="Also keep the recording: a folder, or a gs:// or s3:// address. One that is there "
        "is replaced.",
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


def check_budget(
    weights: int, *, precision: str | None, budget_mb: float | None, instead: str = ""
) -> None:
    """Raises if a report of so many weights is larger than its budget.

    Args:
        weights: How many weights the report would hold.
        precision: How to store them; a choice of the user's knows no budget.
        budget_mb: Size that the report should stay below; None for the default.
        instead: What else than a larger budget helps, as the end of a sentence.

    Raises:
        ReportError: Not even the smallest encoding fits.
    """
    from attnreport.report.packing import DEFAULT_BUDGET_MB, choose_encoding

    def fits(megabytes: float) -> bool:
        try:
            choose_encoding(weights, budget_mb=megabytes)
        except ReportError:
            return False
        return True

    budget = DEFAULT_BUDGET_MB if budget_mb is None else budget_mb
    if precision is None and not fits(budget):
        needed = 1 + bisect.bisect_left(range(1, 2**40), True, key=fits)
        raise ReportError(
            f"The report would hold {weights:,} weights, too many for its budget of {budget:g} "
            f"MB. Allow more with `--budget {needed}`{instead}."
        )


def finish(
    recording: Any,
    report: Path,
    *,
    force: bool,
    open_page: bool,
    save: str | None = None,
    precision: str | None = None,
    budget_mb: float | None = None,
    **options: Any,
) -> None:
    """Writes the recording if that is wanted, then the report, and says where they are.

    Args:
        recording: What to show.
        report: Where to write the report.
        force: Also replace a file that is not a report.
        open_page: Show the report in a browser.
        save: Where to keep the recording.
        precision: How to store the weights.
        budget_mb: Size that the report should stay below.
        options: What else `attnreport.write_report` takes; None leaves its default.
    """
    from attnreport.outputs import write_report

    maps = (attention for example in recording.examples for attention in example.maps)
    weights = sum(math.prod(attention.weights.shape) for attention in maps)
    check_budget(weights, precision=precision, budget_mb=budget_mb)
    if save is not None:
        from attnreport.store import save_recording

        with working("Saving the recording"):
            save_recording(recording, save)
        say(f"Recording: {_place(save)}")
    write(
        functools.partial(write_report, recording, report),
        "the report",
        force=force,
        open_page=open_page,
        precision=precision,
        budget_mb=budget_mb,
        **options,
    )


def write(page: Callable[..., Any], what: str, *, open_page: bool, **options: Any) -> None:
    """Writes a page, says where it is, and shows it if that is wanted.

    Args:
        page: Writes it and returns its path; it takes the options.
        what: What it is, as the end of a sentence.
        open_page: Show it in a browser.
        options: What it takes; None leaves its default.
    """
    given = {name: value for name, value in options.items() if value is not None}
    with working(f"Writing {what}"):
        written = Path(page(**given))
    name = what.removeprefix("the ").capitalize()
    say(f"{name}: {_place(written)} ({readable_size(written.stat().st_size)})")
    if open_page and click.launch(str(written.absolute())):
        say_error(f"No browser could be started. Open {what} yourself.")


@contextlib.contextmanager
def working(what: str) -> Iterator[None]:
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
