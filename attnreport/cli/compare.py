"""`attnreport compare`: what changed from one recording to another, head by head."""

import functools
import json
import math
from pathlib import Path
from typing import Any

import click

from attnreport.cli.program import CONTEXT_SETTINGS, debug_option
from attnreport.cli.results import check_budget, check_targets, report_options, working, write
from attnreport.cli.table import line_width
from attnreport.cli.terminal import say


@click.command(context_settings=CONTEXT_SETTINGS)
@click.argument("first")
@click.argument("second")
@report_options
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
def compare(
    first: str,
    second: str,
    output: Path | None,
    title: str | None,
    force: bool,
    open_page: bool,
    precision: str | None,
    budget_mb: float | None,
    as_json: bool,
    most: int,
) -> None:
    """Say which heads changed most between two recordings, and write a page of it with -o.

    FIRST and SECOND are folders or addresses of recordings: of one model on two inputs, or of two
    checkpoints or models of one shape on the same inputs. Examples are matched by name; if no name
    is in both and each has one example, these are compared. Maps are matched by name, or else by
    group and layer, and tokens are aligned.

    How much a head changed is the mean Jensen-Shannon distance between its rows in both, over what
    both may look at: 0 if they are the same, 1 if they look at no position in common.

    The page, which calls FIRST A and SECOND B, shows each head in both and what changed.
    """
    from attnreport.analysis import compare as compared
    from attnreport.cli import comparison_text
    from attnreport.store import load_recording

    _require_page(output, title, force, open_page, precision, budget_mb)
    if output is not None:
        if as_json:
            raise click.UsageError("Choose one of -o, which writes a page, and --json.")
        check_targets(output, force=force)
    one, other = load_recording(first), load_recording(second)
    with working("Comparing the heads"):
        found = compared(one, other)
    if output is not None:
        from attnreport.outputs import write_comparison

        maps = (each.first for example in found.examples for each in example.maps)
        weights = 2 * sum(math.prod(attention.weights.shape) for attention in maps)
        check_budget(weights, precision=precision, budget_mb=budget_mb)
        write(
            functools.partial(write_comparison, one, other, output),
            "the comparison",
            open_page=open_page,
            force=force,
            title=title,
            precision=precision,
            budget_mb=budget_mb,
        )
        return
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


def _require_page(output: Path | None, *options: object) -> None:
    """Raises if options of a page are given where none is written."""
    if output is None and any(options):
        raise click.UsageError(
            "--title, --force, --open, --precision and --budget are about the page: say with -o "
            "where to write it."
        )
