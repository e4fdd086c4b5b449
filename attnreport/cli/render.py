"""`attnreport render`: a report of a saved recording, without the model and without JAX."""

from pathlib import Path, PurePosixPath

import click

from attnreport.cli.program import CONTEXT_SETTINGS, debug_option
from attnreport.cli.results import check_targets, finish, report_options


@click.command(context_settings=CONTEXT_SETTINGS)
@click.argument("recording")
@report_options
@debug_option
def render(
    recording: str,
    output: Path | None,
    title: str | None,
    force: bool,
    open_page: bool,
    precision: str | None,
    budget_mb: float | None,
) -> None:
    """Write a report of a saved recording.

    RECORDING is a folder that `attnreport run --save` or `recording.save(…)` wrote, or a gs://,
    s3:// or https:// address of one. The report is named after it unless -o says otherwise.
    """
    from attnreport.store import load_recording

    report = _default_name(recording) if output is None else output
    loaded = load_recording(recording)
    check_targets(report, force=force)
    finish(
        loaded,
        report,
        force=force,
        open_page=open_page,
        title=title,
        precision=precision,
        budget_mb=budget_mb,
    )


def _default_name(recording: str) -> Path:
    from attnreport.store.location import local_path

    path = local_path(recording)
    last = PurePosixPath(recording) if path is None else path.resolve()
    return Path(f"{last.name.removesuffix('.attn')}.html")
