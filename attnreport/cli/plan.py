"""`attnreport plan`: which attention a model has, without running it."""

import contextlib
import importlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from attnreport._errors import CaptureError, UnknownNameError
from attnreport.cli.program import CONTEXT_SETTINGS, debug_option
from attnreport.cli.terminal import say


@click.command(context_settings=CONTEXT_SETTINGS)
@click.argument("target", metavar="MODULE:FUNCTION")
@click.option("--select", multiple=True, help="Pattern of names to keep; may be given again.")
@click.option("--reduce", help="Reduction on the device, such as uint8 or top-8.")
@click.option("--strict", is_flag=True, help="Leave out what is only a guess.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@debug_option
def plan(
    target: str, select: tuple[str, ...], reduce: str | None, strict: bool, as_json: bool
) -> None:
    """Print every attention of a model, found without running it.

    FUNCTION of MODULE takes no arguments and returns what to look at: a tuple of a model or
    function, its positional arguments as a tuple, and perhaps its keyword arguments as a
    dictionary. Arrays may be jax.ShapeDtypeStruct. MODULE is imported with the current folder on
    the path.
    """
    with _current_folder_on_path():
        model, args, kwargs = _returned(_function(target), target)
        found = _plan(model, args, kwargs, select=select or None, reduce=reduce, strict=strict)
    say(json.dumps(_plain(found), indent=2) if as_json else str(found))


def _plan(model: Any, args: Sequence[Any], kwargs: Mapping[str, Any], **choices: Any) -> Any:
    from attnreport.capture.plan import UNLIMITED, Options
    from attnreport.capture.transformation import plan_attention

    options = Options(budget=UNLIMITED, **choices)
    with _explained("The model cannot be traced"):
        return plan_attention(model, *args, options=options, **kwargs)


@contextlib.contextmanager
def _current_folder_on_path() -> Iterator[None]:
    before = list(sys.path)
    sys.path.insert(0, str(Path.cwd()))
    try:
        yield
    finally:
        sys.path[:] = before


@contextlib.contextmanager
def _explained(what: str) -> Iterator[None]:
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
    with _explained(f"The module {name} cannot be imported"):
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


def _returned(
    function: Callable[[], Any], target: str
) -> tuple[Any, Sequence[Any], Mapping[str, Any]]:
    with _explained(f"{target} cannot be called without arguments or failed"):
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


def _plain(plan: Any) -> dict[str, Any]:
    """The plan as JSON has it."""
    return {
        "attentions": [
            {
                "name": each.name,
                "kind": each.about.kind,
                "form": each.about.form,
                "axes": list(each.about.axes),
                "shape": list(each.shape),
                "bytes": each.bytes,
                "kept": each.kept,
                "place": each.about.place,
                "guesses": list(each.about.fallbacks),
                "random": each.about.random,
            }
            for each in plan.attentions
        ],
        "bytes": plan.bytes,
        "notes": list(plan.said),
    }
