"""What all commands share: options, and what the user sees when something goes wrong."""

import traceback
from collections.abc import Callable
from typing import Any, TypeVar

import click

from attnreport._errors import AttnReportError
from attnreport.cli.terminal import say, say_error

CONTEXT_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
INTERRUPTED = 130  # what shells report for a process that Ctrl-C ended: 128 + SIGINT

_DEBUG = "attnreport.debug"
_FAILURE = "attnreport.failure"
_Function = TypeVar("_Function", bound=Callable[..., Any])


class Program(click.Group):
    """A group of commands whose errors are one or two sentences, and a traceback on request."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order in which one needs them."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command; see `click.Group.invoke`."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except KeyboardInterrupt as interrupt:
            say_error(str(interrupt) or "Interrupted.")
            raise click.exceptions.Exit(INTERRUPTED) from None
        except Exception as error:
            if ctx.meta.get(_DEBUG):
                say_error(traceback.format_exc().rstrip())
            else:
                say_error(f"Error: {_message(error)}")
            raise click.exceptions.Exit(ctx.meta.get(_FAILURE, 1)) from None


def exit_on_error(code: int) -> None:
    """Makes the running command exit with this code when something goes wrong."""
    click.get_current_context().meta[_FAILURE] = code


def debug_option(function: _Function) -> _Function:
    """Adds `--debug`, which works before and after the name of the command."""
    return click.option(
        "--debug",
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_remember_debug,
        help="Show the traceback of an error.",
    )(function)


def version_option(function: _Function) -> _Function:
    """Adds `--version`."""
    return click.option(
        "--version",
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_print_version,
        help="Show the version and exit.",
    )(function)


def _print_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if not value or ctx.resilient_parsing:
        return
    import importlib.metadata

    try:
        version = importlib.metadata.version("attnreport")
    except importlib.metadata.PackageNotFoundError:  # a checkout that is not installed
        version = "uninstalled"
    say(f"attnreport {version}")
    ctx.exit()


def _remember_debug(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        ctx.meta[_DEBUG] = True


def _message(error: Exception) -> str:
    if isinstance(error, AttnReportError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename is not None else ""
        return f"{place}{error.strerror}."
    return (
        f"Something unexpected happened ({type(error).__name__}: {error}). Run the command again "
        "with --debug, and report what it shows."
    )
