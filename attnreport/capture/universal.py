"""Captures a call of any function as attention calls, each with the checks of its own numbers."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

import jax
import numpy as np

from attnreport._errors import CaptureError
from attnreport.capture.attention import Captured
from attnreport.capture.calls import Call
from attnreport.capture.comparison import difference_note, largest_difference
from attnreport.capture.origin import origin_of
from attnreport.capture.outcome import Outcome
from attnreport.capture.plan import Options, Plan, plan_of
from attnreport.capture.trace import is_array, is_module, pure_call, trace
from attnreport.capture.transformation import run_plan
from attnreport.recording import Check, Kind

# A row may miss one by rounding, more so in formats with few bits.
_ROW_TOLERANCE = 1e-3
_PRODUCT_TOLERANCE = 1e-2


def capture_call(
    function: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    *,
    options: Options,
    verify: bool,
) -> Outcome:
    """Runs `function(*args, **kwargs)` and takes its attention out.

    Args:
        function: Any function that JAX can trace, or a model that can be called.
        args: Its positional arguments.
        kwargs: Its keyword arguments.
        options: What to take.
        verify: Whether to run it once more without capture, to compare the outputs.

    Raises:
        CaptureError: It holds no attention that can be captured, or cannot be traced.
    """
    origin = origin_of(function, args, kwargs)
    traced = trace(function, args, kwargs)
    plan = plan_of(traced, options, origin["model"])
    if not plan.kept:
        raise CaptureError(_nothing(plan, origin["model"]))
    output, attention = run_plan(traced, plan)
    notes = [*plan.said, *([DROPOUT] if plan.random else [])]
    calls: list[Call] = []
    for name, captured in attention.items():
        reason = _doubt(name, captured)
        if reason:
            notes.append(reason)
        else:
            calls.extend(_calls(name, captured, verify))
    if not calls:
        raise CaptureError(" ".join(notes) or _nothing(plan, origin["model"]))
    difference = None
    if verify:
        call = pure_call(function, args, kwargs)
        plain = jax.jit(call.function)(call.leaves)
        difference = largest_difference(plain, output)
        notes.append(difference_note(plain, difference))
    return Outcome(
        calls=tuple(calls),
        notes=tuple(note for note in notes if note),
        output_difference=difference,
        examples=_examples(args, kwargs),
        **origin,
    )


DROPOUT = (
    "The model drew random numbers while it ran, so dropout was on: this is one sample, with "
    "weights as they were before dropout zeroed some of them. Call `model.eval()`, or say "
    "`deterministic=True`, for the weights that it predicts with."
)


def _nothing(plan: Plan, model: str) -> str:
    left_out = [each.name for each in plan.attentions if not each.kept]
    if left_out:
        return (
            f"Of the attention found ({', '.join(left_out[:5])}), nothing was asked for. Widen "
            "`select` or `kinds`."
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
    proof = captured.proof
    smallest, error = float(np.min(proof.smallest)), float(np.max(proof.row_error))
    largest = float(np.max(proof.largest_sum))
    if not np.isfinite([smallest, largest]).all():
        return f"{name} has weights that are not finite, so it is left out."
    product = float(np.max(np.nan_to_num(proof.product_error, nan=0.0)))
    if smallest < -_ROW_TOLERANCE:
        return f"{name} ({captured.form}) has negative weights, so it is left out."
    if captured.about.sums == "to be measured" and error > _ROW_TOLERANCE:
        return (
            f"{name} is made of scores, but its rows do not sum to one (up to {error:.2g} off), "
            "so it is left out: it may be linear attention."
        )
    if captured.about.sums != "free" and largest > 1 + _tolerance(captured):
        return f"{name} has rows that sum to {largest:.4g}, so it is left out."
    if product > _PRODUCT_TOLERANCE:
        return (
            f"{name} is left out: its weights times its values miss the program's own result by "
            f"{product:.2g} of its largest number, so they were not read right."
        )
    return ""


def _tolerance(captured: Captured) -> float:
    narrow = getattr(captured.weights, "dtype", np.dtype("float32")).itemsize < 4
    return 0.05 if narrow else _ROW_TOLERANCE


def _calls(name: str, captured: Captured, verify: bool) -> Iterator[Call]:
    """The calls of one attention: layers apart, the steps of a decoder as queries."""
    weights = np.asarray(captured.weights)
    loops = captured.axes[: weights.ndim - 4]
    allowed = captured.others.get("allowed")
    arrays = [weights] if allowed is None else [weights, np.asarray(allowed)]
    arrays = [_trimmed(array, captured, loops) for array in arrays]
    if "step" in loops and weights.shape[-2] == 1:
        place = loops.index("step")
        arrays = [np.moveaxis(array[..., 0, :], place, -2) for array in arrays]
        loops = tuple(loop for number, loop in enumerate(loops) if number != place)
    weights, *masks = arrays
    if captured.about.reduction == "uint8":
        weights = _from_eight_bits(name, weights, captured)
    for index in np.ndindex(weights.shape[: len(loops)]):
        suffix = "".join(f"[{number}]" for number in index)
        yield Call(
            name=name + suffix,
            path=name,
            weights=weights[index],
            mask=_mask(masks[0][index]) if masks else None,
            deterministic=not captured.about.random if verify else None,
            kind=cast(Kind, captured.kind),
            normalized=captured.about.sums in ("one", "to be measured"),
            checks=_checks(captured),
        )


def _from_eight_bits(name: str, weights: np.ndarray, captured: Captured) -> np.ndarray:
    """Weights that were rounded to steps of 1/255; rows that summed to one do so again.

    Raises:
        CaptureError: Rounding left nothing of a row.
    """
    exact = weights.astype(np.float32) / 255
    if captured.about.sums != "one":
        return exact
    sums = exact.sum(-1, keepdims=True)
    if not sums.all():
        raise CaptureError(
            f"{name} has rows of {weights.shape[-1]} keys in which no weight is over 1/510, so "
            'eight bits hold nothing of them. Say `reduce="bfloat16"`.'
        )
    return exact / sums


def _mask(allowed: np.ndarray) -> np.ndarray | None:
    """The mask, with one head where all have the same; None if nothing is masked."""
    if allowed.all():
        return None
    same = (allowed == allowed[:, :1]).all()
    return allowed[:, :1] if same else allowed


def _trimmed(weights: np.ndarray, captured: Captured, loops: Sequence[str]) -> np.ndarray:
    """Weights without the entries of a `while` loop's buffer that it did not come to."""
    for axis, iterations in zip(range(len(loops)), captured.iterations, strict=False):
        count = int(np.max(iterations))
        weights = np.take(weights, range(min(count, weights.shape[axis])), axis=axis)
    return weights


def _checks(captured: Captured) -> tuple[Check, ...]:
    checks = [
        Check("form", detail=f"Recognized as {captured.form} ({captured.about.place or 'code'}).")
    ]
    product = np.asarray(captured.proof.product_error)
    if np.isnan(product).all():
        detail = (
            "Not multiplied out: the program changes the weights before it uses them (dropout, "
            "mixing of heads), or the dimensions of its result cannot be told apart."
        )
        checks.append(Check("weights times values", detail=detail))
    else:
        error = float(np.nanmax(product))
        detail = "Difference from the program's own result, relative to its largest number."
        checks.append(Check("weights times values", error, held=True, detail=detail))
    checks += [Check("guess", held=None, detail=sentence) for sentence in captured.fallbacks]
    return tuple(checks)


def _examples(args: Sequence[Any], kwargs: Mapping[str, Any]) -> int | None:
    """Length of the leading axis of the inputs: of the arguments that are arrays themselves."""
    inputs = [each for each in (*args, *kwargs.values()) if is_array(each) and not is_module(each)]
    return max((np.shape(each)[0] for each in inputs if np.ndim(each) > 1), default=None)
