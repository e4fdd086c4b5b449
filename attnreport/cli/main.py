"""The `attnreport` command with its subcommands."""

import click

from attnreport.cli.check import check
from attnreport.cli.compare import compare
from attnreport.cli.demo import demo
from attnreport.cli.info import info
from attnreport.cli.plan import plan
from attnreport.cli.program import CONTEXT_SETTINGS, Program, debug_option, version_option
from attnreport.cli.render import render
from attnreport.cli.reproduce import reproduce
from attnreport.cli.run import run
from attnreport.cli.stats import stats
from attnreport.cli.terminal import prepare_streams


@click.group(cls=Program, context_settings=CONTEXT_SETTINGS)
@debug_option
@version_option
def program() -> None:
    """See what attention does in a model: one self-contained, offline HTML report.

    Start with `attnreport demo`, which trains a small translator and opens no connection.
    """


for command in (demo, run, render, info, stats, compare, check, plan, reproduce):
    program.add_command(command)


def main() -> None:
    """Runs the command that `sys.argv` asks for, and exits."""
    prepare_streams()
    program(prog_name="attnreport")
