"""`attnreport info`: what a saved recording holds."""

import click

from attnreport.cli.program import CONTEXT_SETTINGS, debug_option
from attnreport.cli.terminal import say


@click.command(context_settings=CONTEXT_SETTINGS)
@click.argument("recording")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@debug_option
def info(recording: str, as_json: bool) -> None:
    """Print what a saved recording holds, without reading its weights.

    RECORDING is a folder that `attnreport run --save` or `recording.save(…)` wrote, or a gs://,
    s3:// or https:// address of one.
    """
    from attnreport.store import recording_info
    from attnreport.store.summary import as_json as to_json
    from attnreport.store.summary import as_text

    found = recording_info(recording)
    say(to_json(found) if as_json else as_text(found))
