"""`attnreport demo`: train a small model, and see its attention."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from attnreport.cli.program import CONTEXT_SETTINGS, debug_option
from attnreport.cli.results import check_targets, finish, quiet_option, report_options, save_option
from attnreport.cli.terminal import say


@click.command(context_settings=CONTEXT_SETTINGS)
@click.argument("name", required=False)
@report_options
@save_option
@click.option("--list", "list_demos", is_flag=True, help="List the demos.")
@click.option("--model", metavar="KIND", help="Which model to train; --list shows the choices.")
@click.option(
    "--attention", metavar="KIND", help="Which attention it has; --list shows the choices."
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Learn from your own data; --list shows in which form.",
)
@click.option(
    "--quick", is_flag=True, help="Use few data and steps: done in seconds, learned little."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the training.")
@click.option("--fresh", is_flag=True, help="Train again, even if a trained model is kept.")
@quiet_option
@debug_option
def demo(
    name: str | None,
    output: Path | None,
    title: str | None,
    force: bool,
    open_page: bool,
    precision: str | None,
    budget_mb: float | None,
    save: str | None,
    list_demos: bool,
    model: str | None,
    attention: str | None,
    data: Path | None,
    quick: bool,
    seed: int,
    fresh: bool,
    quiet: bool,
) -> None:
    """Train a small model here and write a report of its attention.

    NAME is one of the demos that --list shows; the first of them if left out. The trained model
    is kept, so the next time is quick. The report is NAME.html unless -o says otherwise.
    """
    from attnreport.tasks import DEMOS, run_demo

    if list_demos:
        for line in _listed(DEMOS):
            say(line)
        return
    name = next(iter(DEMOS)) if name is None else name
    if name not in DEMOS:
        raise click.UsageError(f"There is no demo {name!r}. Choose one of {', '.join(DEMOS)}.")
    chosen = {"model": model, "attention": attention}
    options = {option: choice for option, choice in chosen.items() if choice is not None}
    report = Path(f"{name}.html") if output is None else output
    check_targets(report, force=force, save=save)
    recording = run_demo(
        name, seed=seed, fresh=fresh, progress=not quiet, quick=quick, data=data, **options
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


def _listed(demos: Mapping[str, Any]) -> Iterator[str]:
    """Lines about each demo, its options, and the data it takes."""
    width = max(len(name) for name in demos)
    for name, demo in demos.items():
        yield f"{name:<{width}}  {demo.description}"
        for option, choices in demo.options.items():
            needed = " ".join(demo.only_with.get(option, ()))
            with_it = f" (with --{needed})" if needed else ""
            yield f"{'':<{width}}  --{option} {', '.join(choices)}{with_it}"
        if demo.data:
            yield f"{'':<{width}}  --data {demo.data}"
