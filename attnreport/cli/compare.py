"""`attnreport compare`: what changed from one recording to another, head by head."""

import json
from typing import Any

import click

from attnreport.cli.program import CONTEXT_SETTINGS, debug_option
from attnreport.cli.results import working
from attnreport.cli.table import line_width
from attnreport.cli.terminal import say


@click.command(context_settings=CONTEXT_SETTINGS)
@click.argument("first")
@click.argument("second")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with all heads.")
@click.option(
    "--most",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    metavar="COUNT",
    help="Heads to list at most, the most changed first.",
)
@debug_option
def compare(first: str, second: str, as_json: bool, most: int) -> None:
    """Say which heads changed most between two recordings.

    FIRST and SECOND are folders or addresses of recordings: of one model on two inputs, or of two
    checkpoints or models of one shape on the same inputs. Examples are matched by name; if no name
    is in both and each has one example, these are compared. Maps are matched by name, or else by
    group and layer, and tokens are aligned.

    How much a head changed is the mean Jensen-Shannon distance between its rows in both, over what
    both may look at: 0 if they are the same, 1 if they look at no position in common.
    """
    from attnreport.analysis import compare as compared
    from attnreport.cli import comparison_text
    from attnreport.store import load_recording

    one, other = load_recording(first), load_recording(second)
    with working("Comparing the heads"):
        found = compared(one, other)
    if as_json:
        data: dict[str, Any] = {"first": first, "second": second, **comparison_text.as_data(found)}
        say(json.dumps(data, indent=2, allow_nan=False))
        return
    blocks = (
        comparison_text.summary(found, first, second),
        list(found.notes),
        comparison_text.most_changed(found, most, line_width()),
    )
    say("\n\n".join("\n".join(block) for block in blocks if block))
