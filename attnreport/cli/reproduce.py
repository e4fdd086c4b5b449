"""`attnreport reproduce`: a small script that shows how capture fails, to report it with."""

from pathlib import Path
from typing import Any

import click

from attnreport._errors import CaptureError
from attnreport.cli.choices import choice_options, chosen
from attnreport.cli.program import CONTEXT_SETTINGS, debug_option
from attnreport.cli.target import explained, loaded, target_argument
from attnreport.cli.terminal import say


@click.command(context_settings=CONTEXT_SETTINGS)
@target_argument
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    default=Path("reproduction.py"),
    show_default=True,
    help="Where to write the script.",
)
@click.option("--force", is_flag=True, help="Also replace a file that exists.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0),
    default=60.0,
    show_default=True,
    help="How long to look for a smaller program that fails in the same way.",
)
@choice_options
@debug_option
def reproduce(target: str, output: Path, force: bool, seconds: float, **options: Any) -> None:
    """Write a script that shows how capture fails on a model, to report it with.

    FUNCTION of MODULE is as in `attnreport plan`. The script holds operations, shapes and number
    formats, and nothing else of the model: all arrays in it are random, and names of modules,
    functions and files are left out. If capture fails on the model, it holds the smallest part
    found that fails in the same way; if not, all of the program.
    """
    if output.exists() and not force:
        raise CaptureError(f"{output} exists. Give another name, or --force to replace it.")
    if not output.absolute().parent.is_dir():
        raise CaptureError(f"There is no folder {output.parent}. Make it first, or name another.")
    with loaded(target) as (model, args, kwargs):
        from attnreport.capture.choice.options import Options
        from attnreport.capture.reproduction import reproduction_of

        wanted = Options(**chosen(**options))
        with explained("The model cannot be traced"):
            found = reproduction_of(model, *args, options=wanted, seconds=seconds, **kwargs)
    output.write_text(found.script, encoding="utf-8")
    say(f"Reproduction: {output.absolute()} ({found.lines} operations)")
    if found.failure is not None:
        say(f"It fails with {found.failure}.")
    elif found.original is not None:
        say(
            f"Capture fails on the whole program with {found.original}, but not on the part of it "
            "that can be written down."
        )
    else:
        say("Capture does not fail on this program, so the script holds all of it.")
    if found.missing:
        say(f"Inputs stand for what cannot be written down: {', '.join(found.missing)}.")
