"""Small programs on which capture fails like on the caller's, without the caller's numbers."""

import dataclasses
import importlib.metadata
from collections.abc import Callable, Mapping
from typing import Any

import jax

from attnreport._errors import CaptureError
from attnreport.capture.choice.options import Options
from attnreport.capture.failures import Failure, failure_of
from attnreport.capture.planning.plan import plan_of
from attnreport.capture.program.trace import Traced, trace
from attnreport.capture.reproduction.script import HEADER, is_writable, loaded, script_of
from attnreport.capture.reproduction.shrinking import shrunk
from attnreport.capture.reproduction.sketch import Sketch, sketch_of
from attnreport.capture.transformation import program_with_attention


@dataclasses.dataclass(frozen=True)
class Reproduction:
    """A program to report.

    Attributes:
        script: Source of a Python script that runs by itself.
        failure: How capture fails on it; None if it does not.
        original: How capture fails on the caller's program; None if it does not.
        lines: How many operations the program has.
        missing: Operations of the caller's program that cannot be written down; their results are
            inputs of the script's.
    """

    script: str
    failure: Failure | None
    original: Failure | None
    lines: int
    missing: tuple[str, ...]

    def __str__(self) -> str:
        return self.script


def reproduction_of(
    function: Callable[..., Any],
    *args: Any,
    options: Options | None = None,
    seconds: float = 60.0,
    **kwargs: Any,
) -> Reproduction:
    """A script that shows how capture fails on a call, without the caller's numbers.

    It holds the operations of the traced program with the shapes and formats of its arrays, and
    nothing of their contents: inputs and constants are random, or one number where all are equal.
    Names of modules, functions and files are left out. If capture fails while it reads or rewrites
    the program, operations are taken away as long as it fails in the same place. If it does not,
    the script holds the whole program, to report attention that is missing or wrong.

    Args:
        function: As in `with_attention`.
        args: Arguments of the call; arrays may be `jax.ShapeDtypeStruct`.
        options: What was to be captured. Names to select are left out, because arrays have others
            in the script.
        seconds: How long to look for a smaller program.
        kwargs: Keyword arguments of the call.

    Raises:
        CaptureError: The call cannot be traced.
    """
    chosen = _without_names(options or Options())
    traced = trace(function, args, kwargs)
    original = _failure(traced, chosen)
    header: dict[str, Any] = {}
    exec(HEADER, header)

    def fails(sketch: Sketch) -> bool:
        return original is not None and _failure_of(sketch, header, chosen) == original

    whole, missing = _writable(sketch_of(traced.closed))
    small = whole
    if fails(whole):
        flat, _ = _writable(sketch_of(traced.closed, flat=True))
        small = shrunk(flat if fails(flat) else whole, fails, seconds=seconds)
    failure = _failure_of(small, header, chosen)
    comment = _comment(failure, original, missing)
    script = script_of(small, comment, _given(chosen))
    return Reproduction(script, failure, original, len(small.lines), missing)


def _failure_of(sketch: Sketch, header: Mapping[str, Any], options: Options) -> Failure | None:
    program, shapes = loaded(sketch, header)
    try:
        traced = trace(program, shapes, {})
    except Exception:  # a part of a program need not be one
        return None
    return _failure(traced, options)


def _failure(traced: Traced, options: Options) -> Failure | None:
    """How capture fails on a program, without running it; None if it does not."""
    try:
        plan = plan_of(traced, options)
        jax.eval_shape(program_with_attention(traced, plan), traced.leaves)
    except CaptureError:
        return None
    except Exception as error:
        return failure_of(error)
    return None


def _writable(sketch: Sketch) -> tuple[Sketch, tuple[str, ...]]:
    """The part of a program that can be written down, and what is missing."""
    lines = {line for line in sketch.lines if is_writable(line)}
    missing = dict.fromkeys(line.primitive for line in sketch.lines if line not in lines)
    return (sketch.only(lines) if missing else sketch), tuple(missing)


def _without_names(options: Options) -> Options:
    """The options without what names attentions, which are called otherwise in the script."""
    keys = options.heads if isinstance(options.heads, Mapping) else ()
    named = any(isinstance(key, str) and key != "*" for key in keys)
    return dataclasses.replace(options, select=None, heads=None if named else options.heads)


def _given(options: Options) -> Mapping[str, Any]:
    """The options that are not the usual ones."""
    usual = Options()
    values = {each.name: getattr(options, each.name) for each in dataclasses.fields(options)}
    return {name: value for name, value in values.items() if value != getattr(usual, name)}


def _comment(failure: Failure | None, original: Failure | None, missing: tuple[str, ...]) -> str:
    versions = ", ".join(
        f"{name} {importlib.metadata.version(name)}" for name in ("attnreport", "jax")
    )
    if failure is not None:
        first = f"attnreport fails on this program ({_kind(failure)})."
    elif original is not None:
        first = (
            f"attnreport fails on the whole program ({_kind(original)}), but not on this part of "
            "it."
        )
    else:
        first = "What attnreport finds in this program is to be looked at."
    sentences = [
        first,
        f"Written by `attnreport reproduce` with {versions}; all arrays hold random numbers.",
    ]
    if missing:
        sentences.append(f"Inputs stand for what these made: {', '.join(missing)}.")
    return "\n\n".join(sentences) + "\n"


def _kind(failure: Failure) -> str:
    """A failure without its message, which may hold names of the caller's."""
    return f"{failure.kind} in {failure.place or 'JAX'}"
