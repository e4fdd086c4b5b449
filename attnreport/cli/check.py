"""`attnreport check`: whether the heads of a model still do what they did."""

import json
from collections.abc import Iterable
from typing import Any

import click

from attnreport.cli.program import CONTEXT_SETTINGS, debug_option, exit_on_error
from attnreport.cli.results import working
from attnreport.cli.statistics import TOLERANCES, Tolerance
from attnreport.cli.table import line_width
from attnreport.cli.terminal import say

# Exit codes as those of `diff`: a pipeline tells a model that changed from a check that failed.
DIFFERENT, TROUBLE = 1, 2


def _stated() -> str:
    return ", ".join(f"{name} {value:g}" for name, value in TOLERANCES.items())


@click.command(context_settings=CONTEXT_SETTINGS)
@click.argument("recording")
@click.option(
    "--against",
    "baseline",
    required=True,
    metavar="BASELINE",
    help="The recording to compare with: a folder or an address.",
)
@click.option(
    "--tolerance",
    "tolerances",
    type=Tolerance(),
    multiple=True,
    metavar="NAME=VALUE",
    help="How far a statistic of a head may be from the baseline, in its unit; inf ignores it. "
    f"May be given again. If left out: {_stated()}.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--most",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    metavar="COUNT",
    help="Heads to list at most, the farthest off first.",
)
@debug_option
def check(
    recording: str,
    baseline: str,
    tolerances: tuple[tuple[str, float], ...],
    as_json: bool,
    most: int,
) -> None:
    """Fail if heads do something else than in a baseline recording.

    RECORDING and BASELINE are of the same examples, by one model at two times. Compared is each
    statistic of each head that `attnreport stats` prints, and how far the head's rows are from
    those of the baseline (the mean Jensen-Shannon distance, from 0 to 1); of gates also their
    strength, as a multiple of the baseline's. Maps are matched by
    name, or else by group and layer. Examples, tokens, masks, maps and heads that are not the
    same are differences too.

    The exit code is 0 if all is within the tolerances, 1 if not, and 2 if nothing could be said.
    """
    exit_on_error(TROUBLE)
    from attnreport.analysis import check_drift
    from attnreport.store import load_recording

    here, there = load_recording(recording), load_recording(baseline)
    with working("Comparing the heads"):
        found = check_drift(here, there, dict(tolerances))
    if as_json:
        from attnreport.cli.drift_text import as_data

        data = {"recording": recording, "baseline": baseline, **as_data(found)}
        say(json.dumps(data, indent=2, allow_nan=False))
    else:
        _say(found, recording, baseline, most)
    if not found.within:
        raise click.exceptions.Exit(DIFFERENT)


def _say(found: Any, recording: str, baseline: str, most: int) -> None:
    from attnreport.cli import drift_text

    blocks: Iterable[list[str]] = (
        drift_text.verdict(found, recording, baseline),
        list(found.notes),
        drift_text.differences(found),
        drift_text.heads_beyond(found, most, line_width()),
        drift_text.worst_of_each(found, line_width()),
    )
    say("\n\n".join("\n".join(block) for block in blocks if block))
