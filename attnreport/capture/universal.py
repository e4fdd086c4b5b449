"""Captures a call of any function as attention calls, each with the checks of its own numbers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from attnreport._errors import CaptureError
from attnreport.capture.choice.options import Options, few
from attnreport.capture.choice.selection import Grouping, usual_group
from attnreport.capture.extraction.attention import Attention, Captured
from attnreport.capture.extraction.proofs import row_tolerance
from attnreport.capture.failures import INSTEAD, EngineError, failure_sentence, plain_output
from attnreport.capture.planning.plan import plan_of
from attnreport.capture.planning.planned import Plan, Planned
from attnreport.capture.program.origin import origin_of
from attnreport.capture.program.trace import (
    Traced,
    is_array,
    is_module,
    pure_call,
    require_no_tracers,
    require_values,
    trace,
)
from attnreport.capture.replay.comparison import difference_note, largest_difference
from attnreport.capture.results.calls import Call
from attnreport.capture.results.outcome import Outcome
from attnreport.capture.results.unstacking import calls_of, not_kept
from attnreport.capture.transformation import run_plan

# A row may miss one by rounding, more so in formats with few bits.
_PRODUCT_TOLERANCE = 1e-2


def capture_call(
    function: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    *,
    options: Options,
    verify: bool,
    group: Grouping = usual_group,
) -> Outcome:
    """Runs `function(*args, **kwargs)` and takes its attention out.

    Args:
        function: Any function that JAX can trace, or a model that can be called.
        args: Its positional arguments.
        kwargs: Its keyword arguments.
        options: What to take.
        verify: Whether to run it once more without capture, to compare the outputs.
        group: From name and kind to the stack in which layers are numbered.

    Raises:
        CaptureError: It holds no attention that can be captured, or cannot be traced.
        EngineError: Capture itself failed; it carries the output.
    """
    origin = origin_of(function, args, kwargs)
    traced = trace(function, args, kwargs)
    require_values(traced)
    require_no_tracers(traced)
    plan, output, attention = _run(traced, options, origin["model"], group)
    notes = [*plan.said, *plan.notes]
    doubts: list[str] = []
    calls: list[Call] = []
    for planned in plan.kept:
        captured = attention[planned.name]
        reason = _doubt(planned.name, captured)
        if reason:
            doubts.append(reason)
        else:
            calls.extend(calls_of(planned, captured, verify=verify))
            notes += not_kept(planned, captured)
    if not calls:
        raise CaptureError(" ".join([*doubts, *notes]) or _nothing(plan, origin["model"]))
    notes += doubts
    difference = None
    if verify:
        # Traced anew: the function may do something else each time it is called.
        plain = plain_output(pure_call(function, args, kwargs))
        difference = largest_difference(plain, output)
        notes.append(difference_note(plain, difference))
    return Outcome(
        calls=tuple(calls),
        notes=tuple(note for note in notes if note),
        output_difference=difference,
        examples=_examples(args, kwargs),
        **origin,
    )


def _run(
    traced: Traced, options: Options, model: str, group: Grouping
) -> tuple[Plan, Any, Attention]:
    """The plan of a program, its output and its attention."""
    try:
        plan = plan_of(traced, options, model, group)
        if not plan.kept:
            raise CaptureError(_nothing(plan, model))
        return plan, *run_plan(traced, plan)
    except CaptureError:
        raise
    except Exception as error:
        # If the program itself fails, it does so here again, with its own error.
        output = plain_output(traced)
        message = f"{failure_sentence(error, INSTEAD)} This error holds its output, as `output`."
        raise EngineError(message, output) from error


def _nothing(plan: Plan, model: str) -> str:
    left_out = [each for each in plan.attentions if not each.kept]
    guessed = [each for each in left_out if each.choice.left_out == "guess"]
    if guessed:
        why = guessed[0].about.fallbacks or ("Only its numbers tell whether it is attention.",)
        return (
            f"Of the attention found, {few([each.name for each in guessed])} is left out, because "
            f"`strict` refuses what is only a guess: {why[0]}"
        )
    if left_out:
        return (
            f"Of the attention found ({few([_with_kind(each) for each in left_out])}), nothing was "
            "asked for. Widen `select` or `kinds`."
        )
    return " ".join(
        [
            f"No attention was found in `{model}`: weights that are normalized over positions, "
            "computed from the inputs, and multiplied with values that are then summed.",
            *plan.said,
            "If the model has attention of another form, return its weights and use "
            "`Recording.from_arrays`.",
        ]
    )


def _doubt(name: str, captured: Captured) -> str:
    """Why the weights of an attention are not to be trusted; empty if they are."""
    if not np.asarray(captured.ran).any():
        return f"{name} did not run: another branch was taken."
    proof, tolerance = captured.proof, row_tolerance(captured.about.precision)
    smallest, error = float(np.min(proof.smallest)), float(np.max(proof.row_error))
    largest = float(np.max(proof.largest_sum))
    product = float(np.max(np.nan_to_num(proof.product_error, nan=0.0)))
    missed = (
        f"{name} is left out: its weights times its values miss the program's own result by "
        f"{product:.2g} of its largest number, so they were not read right."
    )
    if not np.isfinite([smallest, largest]).all():
        # Weights that a fused kernel does not bear out are made NaN on the device.
        return missed if product else f"{name} has weights that are not finite, so it is left out."
    if smallest < -tolerance:
        return f"{name} ({captured.form}) has negative weights, so it is left out."
    if captured.about.sums == "to be measured" and error > tolerance:
        return (
            f"{name} is made of scores, but its rows do not sum to one (up to {error:.2g} off), "
            "so it is left out: it may be linear attention, or one block of keys of several."
        )
    if captured.about.sums != "free" and largest > 1 + tolerance:
        return f"{name} has rows that sum to {largest:.4g}, so it is left out."
    return missed if product > _PRODUCT_TOLERANCE else ""


def _with_kind(planned: Planned) -> str:
    return f"{planned.name}, of kind `{planned.site.kind}`"


def _examples(args: Sequence[Any], kwargs: Mapping[str, Any]) -> int | None:
    """Length of the leading axis of the inputs: of the arguments that are arrays themselves."""
    inputs = [each for each in (*args, *kwargs.values()) if is_array(each) and not is_module(each)]
    return max((np.shape(each)[0] for each in inputs if np.ndim(each) > 1), default=None)
