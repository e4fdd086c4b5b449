"""`attnreport run`: see the attention of a pretrained model on one's own text."""

import functools
from pathlib import Path

import click

from attnreport.cli.program import CONTEXT_SETTINGS, debug_option
from attnreport.cli.results import (
    check_budget,
    check_targets,
    finish,
    quiet_option,
    report_options,
    save_option,
)


@click.command(context_settings=CONTEXT_SETTINGS)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--text", "texts", multiple=True, help="A text to read; may be given again.")
@click.option(
    "--text-file",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    metavar="FILE",
    help="A file with one text per line; - is standard input.",
)
@click.option(
    "--trust/--no-trust",
    default=None,
    help="Also run the model without each head and without some of the tokens, to say which heads "
    "it needs and whether to trust its attention. Done for short texts unless refused.",
)
@click.option("--strict", is_flag=True, help="Refuse attention that is only a guess.")
@click.option(
    "--queries-and-keys",
    is_flag=True,
    help="Keep queries and keys, so that the page shows how each weight was computed.",
)
@report_options
@save_option
@quiet_option
@debug_option
def run(
    folder: Path,
    texts: tuple[str, ...],
    text_file: Path | None,
    trust: bool | None,
    strict: bool,
    queries_and_keys: bool,
    output: Path | None,
    title: str | None,
    force: bool,
    open_page: bool,
    precision: str | None,
    budget_mb: float | None,
    save: str | None,
    quiet: bool,
) -> None:
    """Write a report of a pretrained model's attention on your own text.

    DIR is a Hugging Face model folder of the BERT family: config.json, model.safetensors and
    tokenizer.json. The report is named after it unless -o says otherwise.
    """
    wanted = [*texts, *_lines(text_file)]
    if not wanted:
        raise click.UsageError('There is nothing to read. Give --text "…" or --text-file FILE.')
    report = Path(f"{folder.resolve().name}.html") if output is None else output
    check_targets(report, force=force, save=save)
    from attnreport.tasks import record_texts

    recording = record_texts(
        folder,
        [_valid(text) for text in wanted],
        check_size=functools.partial(
            check_budget,
            precision=precision,
            budget_mb=budget_mb,
            instead=", or give fewer or shorter texts",
        ),
        strict=strict,
        queries_and_keys=queries_and_keys,
        trust=trust,
        progress=not quiet,
    )
    finish(
        recording,
        report,
        force=force,
        open_page=open_page,
        save=save,
        title=title,
        precision=precision,
        budget_mb=budget_mb,
    )


def _lines(file: Path | None) -> list[str]:
    """The lines of the file that are not blank."""
    if file is None:
        return []
    with click.open_file(str(file), "rb") as stream:
        content = stream.read()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise click.UsageError(
            f"Line {line} of {file} is not UTF-8. Save the file as UTF-8 text."
        ) from error
    # Only line feeds end a line: a text may hold any other character.
    return [line.removesuffix("\r") for line in text.split("\n") if line.strip()]


def _valid(text: str) -> str:
    """The text, if the shell passed it as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise click.UsageError(f"The text {text!r} is not UTF-8.") from error
    return text
