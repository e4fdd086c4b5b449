"""`attnreport stats`: the statistics of all heads of a recording, and the patterns they show."""

import fnmatch
import json
from pathlib import Path
from typing import Any

import click

from attnreport._errors import ReportError, UnknownNameError
from attnreport.cli.choices import Numbers
from attnreport.cli.program import CONTEXT_SETTINGS, debug_option
from attnreport.cli.results import working
from attnreport.cli.statistics import PATTERNS, STATISTICS, Known, SeveralKnown
from attnreport.cli.table import line_width
from attnreport.cli.terminal import say, write_text


@click.command(context_settings=CONTEXT_SETTINGS)
@click.argument("recording")
@click.option("--json", "form", flag_value="json", help="Print JSON, with chance and spread.")
@click.option("--csv", "form", flag_value="csv", help="Print CSV, one line a head.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Where to write it; standard output if left out.",
)
@click.option("--force", is_flag=True, help="Also replace a file that exists.")
@click.option(
    "--columns",
    type=SeveralKnown(STATISTICS),
    metavar="NAME,…",
    help=f"Statistics in the table: {', '.join(STATISTICS)}; or all.",
)
@click.option(
    "--sort",
    type=Known(STATISTICS),
    metavar="NAME",
    help="Statistic to sort by, the highest first; in the order of layers if left out.",
)
@click.option("--reverse", is_flag=True, help="Sort the lowest first.")
@click.option("--layers", type=Numbers(), metavar="NUMBERS", help="Layers to show, such as 0-3,7.")
@click.option("--heads", type=Numbers(), metavar="NUMBERS", help="Heads to show, such as 0-3,7.")
@click.option(
    "--pattern",
    "patterns",
    type=Known(PATTERNS),
    multiple=True,
    metavar="NAME",
    help=f"Show only heads with this pattern: {', '.join(PATTERNS)}. May be given again.",
)
@click.option(
    "--map",
    "maps",
    multiple=True,
    metavar="NAME",
    help="Show only maps of this name, in which * stands for anything. May be given again.",
)
@click.option(
    "--example",
    "examples",
    multiple=True,
    metavar="NAME",
    help="Measure only this example, by its name or its number from 0. May be given again.",
)
@click.option(
    "--most",
    type=click.IntRange(min=1),
    metavar="COUNT",
    help="Heads to show at most; 48 in a table and all in JSON and CSV if left out.",
)
@click.option("--all", "everything", is_flag=True, help="Show all heads in a table too.")
@debug_option
def stats(
    recording: str,
    form: str | None,
    output: Path | None,
    force: bool,
    columns: tuple[str, ...] | None,
    sort: str | None,
    reverse: bool,
    layers: tuple[int, ...] | None,
    heads: tuple[int, ...] | None,
    patterns: tuple[str, ...],
    maps: tuple[str, ...],
    examples: tuple[str, ...],
    most: int | None,
    everything: bool,
) -> None:
    """Print statistics of every head, and the patterns that heads show.

    RECORDING is a folder that `attnreport run --save` or `recording.save(…)` wrote, or a gs://,
    s3:// or https:// address of one. A value is the mean over the rows of a head, and over the
    examples. A pattern is shown where at least half of the examples that tell of it have it;
    where not all have it, the table says how many do.
    """
    from attnreport.store import load_recording

    _check(output, force=force, most=most, everything=everything, reverse=reverse, sort=sort)
    loaded = _chosen(load_recording(recording), examples)
    found = _measured(loaded, layers=layers, maps=maps)
    found = [
        head for head in found if (heads is None or head.head in heads) and _has_any(head, patterns)
    ]
    if sort is not None:
        from attnreport.cli.head_table import ranked

        found = ranked(found, sort, reverse=reverse)
    text = _written(
        recording,
        loaded,
        found,
        form=form,
        columns=_columns(columns, sort),
        most=None if everything else most,
        everything=everything,
        width=line_width() if output is None else None,
    )
    if output is None:
        say(text.removesuffix("\n"))
    else:
        write_text(output, text)
        say(f"Statistics: {output.absolute()}")


def _check(
    output: Path | None,
    *,
    force: bool,
    most: int | None,
    everything: bool,
    reverse: bool,
    sort: str | None,
) -> None:
    """Refuses what cannot be meant, before anything is read."""
    if everything and most is not None:
        raise click.UsageError("--all and --most contradict each other. Give one of them.")
    if reverse and sort is None:
        raise click.UsageError("--reverse says how to sort, and --sort by what. Give --sort too.")
    if output is None:
        return
    if output.exists() and not force:
        raise ReportError(f"{output} exists. Give another name, or --force to replace it.")
    if not output.absolute().parent.is_dir():
        raise ReportError(f"There is no folder {output.parent}. Make it first, or name another.")


def _chosen(recording: Any, names: tuple[str, ...]) -> Any:
    if not names:
        return recording
    known = {example.name for example in recording.examples}
    chosen = [int(each) if each not in known and each.isdecimal() else each for each in names]
    return recording.select(examples=chosen)


def _measured(
    recording: Any, *, layers: tuple[int, ...] | None, maps: tuple[str, ...]
) -> list[Any]:
    """The heads of the maps that are wanted, over all examples."""
    from attnreport.analysis import summarize_examples

    def wanted(attention: Any, layer: int) -> bool:
        named = not maps or any(fnmatch.fnmatchcase(attention.name, each) for each in maps)
        return named and (layers is None or layer in layers)

    with working("Measuring the heads"):
        found = summarize_examples(recording.examples, wanted=wanted)
    if not found:
        from attnreport.recording import layer_numbers
        from attnreport.recording.layers import numbers_text

        here = [number for each in recording.examples for number in layer_numbers(each.maps)]
        names = list(dict.fromkeys(m.name for each in recording.examples for m in each.maps))
        listed = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
        raise UnknownNameError(
            f"No map is left. The recording has layers {numbers_text(here)} and the maps {listed}. "
            "Choose --layers and --map among them."
        )
    return found


def _has_any(head: Any, patterns: tuple[str, ...]) -> bool:
    from attnreport.cli.head_table import shows

    return not patterns or any(shows(head, name) for name in patterns)


def _columns(given: tuple[str, ...] | None, sort: str | None) -> tuple[str, ...]:
    """What the table shows; what it is sorted by is among it."""
    from attnreport.cli.head_table import COLUMNS

    columns = COLUMNS if given is None else given
    return columns if sort is None or sort in columns else (sort, *columns)


def _written(
    location: str,
    recording: Any,
    heads: list[Any],
    *,
    form: str | None,
    columns: tuple[str, ...],
    most: int | None,
    everything: bool,
    width: int | None,
) -> str:
    from attnreport.cli import head_table

    if form == "csv":
        return head_table.as_csv(heads[:most])
    if form == "json":
        return json.dumps(_data(location, recording, heads[:most]), indent=2, allow_nan=False)
    title = _title(location, recording, len(heads))
    if not heads:
        return f"{title}\n\nNo head shows that."
    limit = len(heads) if everything else most or head_table.MOST
    return f"{title}\n\n{head_table.as_table(heads, columns, most=limit, width=width)}"


def _title(location: str, recording: Any, heads: int) -> str:
    examples = len(recording.examples)
    counts = (
        f"{heads:,} head{'' if heads == 1 else 's'} in "
        f"{examples:,} example{'' if examples == 1 else 's'}"
    )
    model = " ".join(recording.source.model.split())
    return f"{location}: {counts}" + (f"\nmodel: {model}" if model else "")


def _data(location: str, recording: Any, heads: list[Any]) -> dict[str, Any]:
    from attnreport.analysis import HEAD_PATTERNS, MEASURES
    from attnreport.cli.head_table import as_data

    return {
        "recording": location,
        "model": recording.source.model,
        "examples": [example.name for example in recording.examples],
        "heads": as_data(heads),
        "statistics": {
            name: {"unit": measure.unit, "meaning": measure.meaning}
            for name, measure in MEASURES.items()
        },
        "patterns": dict(HEAD_PATTERNS),
    }
