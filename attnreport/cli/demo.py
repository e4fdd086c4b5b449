"""`attnreport demo`: train a small model, and see its attention."""

from pathlib import Path

import click

from attnreport.cli.program import CONTEXT_SETTINGS, debug_option
from attnreport.cli.results import check_targets, finish, quiet_option, report_options, save_option
from attnreport.cli.terminal import say


@click.command(context_settings=CONTEXT_SETTINGS)
@click.argument("name", required=False)
@report_options
@save_option
@click.option("--list", "list_demos", is_flag=True, help="List the demos.")
@click.option(
    "--attention", metavar="NAME", help="Which attention the model has; --list shows the choices."
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
    attention: str | None,
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
        width = max(len(each) for each in DEMOS)
        for each, known in DEMOS.items():
            say(f"{each:<{width}}  {known.description}")
            for option, choices in known.options.items():
                say(f"{'':<{width}}  --{option} {', '.join(choices)}")
        return
    name = next(iter(DEMOS)) if name is None else name
    if name not in DEMOS:
        raise click.UsageError(f"There is no demo {name!r}. Choose one of {', '.join(DEMOS)}.")
    options = {} if attention is None else {"attention": attention}
    report = Path(f"{name}.html") if output is None else output
    check_targets(report, force=force, save=save)
    recording = run_demo(name, seed=seed, fresh=fresh, progress=not quiet, **options)
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
