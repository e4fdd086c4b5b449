"""What `MODULE:FUNCTION` on the command line leads to: a call that shall be looked at."""

import contextlib
import importlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from attnreport._errors import CaptureError, UnknownNameError

Target = tuple[Any, Sequence[Any], Mapping[str, Any]]

target_argument = click.argument("target", metavar="MODULE:FUNCTION")


@contextlib.contextmanager
def loaded(target: str) -> Iterator[Target]:
    """A model or function, its arguments and its keyword arguments, from the current folder.

    Args:
        target: Module and function, `models.bert:example`.

    Raises:
        CaptureError: The user's code failed, or returned something else.
        UnknownNameError: The module has no such function.
    """
    before = list(sys.path)
    sys.path.insert(0, str(Path.cwd()))
    try:
        yield _returned(_function(target), target)
    finally:
        sys.path[:] = before


@contextlib.contextmanager
def explained(what: str) -> Iterator[None]:
    """Turns whatever the user's code raises into a sentence."""
    try:
        yield
    except CaptureError:
        raise
    except Exception as error:
        lines = str(error).strip().splitlines()
        message = f": {lines[0].rstrip('.')}" if lines else ""
        raise CaptureError(
            f"{what} ({type(error).__name__}{message}). Add --debug to see where."
        ) from error


def _function(target: str) -> Callable[[], Any]:
    name, colon, attribute = target.partition(":")
    if not (name and colon and attribute):
        raise click.UsageError(
            f"{target!r} is not of the form MODULE:FUNCTION, such as models.bert:example."
        )
    with explained(f"The module {name} cannot be imported"):
        module = importlib.import_module(name)
    function = getattr(module, attribute, None)
    if not callable(function):
        others = [key for key, value in vars(module).items() if _is_own(value, name)]
        raise UnknownNameError(
            f"The module {name} has no function {attribute}. It has "
            f"{', '.join(others) or 'none of its own'}."
        )
    return function


def _is_own(value: Any, module: str) -> bool:
    return callable(value) and getattr(value, "__module__", None) == module


def _returned(function: Callable[[], Any], target: str) -> Target:
    with explained(f"{target} cannot be called without arguments or failed"):
        found = function()
    match found:
        case (model, tuple() | list() as args):
            return model, args, {}
        case (model, tuple() | list() as args, dict() as kwargs):
            return model, args, kwargs
    raise CaptureError(
        f"{target} returned a {type(found).__name__}. Return a tuple of a model or function, its "
        "positional arguments as a tuple, and perhaps its keyword arguments as a dictionary."
    )
