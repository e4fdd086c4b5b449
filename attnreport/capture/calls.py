"""Turns what modules sowed into maps: calls apart, layers apart, examples in front."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np

from attnreport._errors import CaptureError
from attnreport.capture.execution import Run
from attnreport.capture.sown import MASK, SAME_INPUT, WEIGHTS


@dataclasses.dataclass(frozen=True)
class Call:
    """What one call of one module sowed.

    Attributes:
        name: Module path, with the number of the call or layer where there are several.
        path: Module path alone.
        weights: `[…, head, query, key]`, first with the axes that transformations put in front,
            and after `attention_calls` as `[batch, head, query, key]`.
        mask: Boolean and of the rank of the weights, axes may have length 1; None when the call
            told none.
        same_input: Whether queries and keys come from the same array; None when not told.
        deterministic: Whether a second run gave the same weights; None when there was none.
    """

    name: str
    path: str
    weights: np.ndarray
    mask: np.ndarray | None
    same_input: bool | None
    deterministic: bool | None


def attention_calls(run: Run, examples: int | None) -> list[Call]:
    """Every attention call in forward order, weights as `[batch, head, query, key]`.

    A stack of layers that was scanned or vmapped becomes one call a layer; a decoder that was
    scanned over time, one query a step, becomes one call whose queries are the steps.

    Args:
        run: What the program gave.
        examples: Length of the leading axis of the inputs, None when it is not one length.

    Raises:
        CaptureError: Weights have no batch axis, or no axis of heads; which is not known.
    """
    positions = {
        (path, index): position
        for path, facts in run.positions.items()
        for index, position in enumerate(facts[WEIGHTS])
    }
    ordered = sorted(positions, key=lambda place: positions[place])
    return [call for path, index in ordered for call in _apart(run, path, index, examples)]


def with_one_batch(calls: Sequence[Call], examples: int | None) -> list[Call]:
    """The calls with one batch size, that of the examples.

    A call without a batch holds for all examples. With a single example, a longer batch holds
    parts of it, such as the windows of a picture, and becomes one call a part.

    Args:
        calls: Weights as `[batch, head, query, key]`.
        examples: Length of the leading axis of the inputs, None when there is none.

    Raises:
        CaptureError: Batches differ otherwise, or hold several parts of each example, so that
            examples cannot be told from parts.
    """
    sizes = {len(call.weights) for call in calls}
    if examples == 1:
        return [part for call in calls for part in _parts(call)]
    parts = examples and any(size > examples and size % examples == 0 for size in sizes)
    if parts or len(sizes - {1}) > 1:
        raise CaptureError(
            f"Attention in this model runs on batches of {', '.join(map(str, sorted(sizes)))}"
            f"{f', and its inputs hold {examples} examples' if examples else ''}, so "
            "examples cannot be told from parts of examples, such as windows. Capture one "
            "example at a time."
        )
    return [_repeated(call, max(sizes)) for call in calls]


def _parts(call: Call) -> Iterator[Call]:
    count = len(call.weights)
    for number in range(count):
        part = slice(number, number + 1)
        yield dataclasses.replace(
            call,
            name=call.name if count == 1 else f"{call.name} (part {number + 1})",
            weights=call.weights[part],
            mask=None if call.mask is None else call.mask[part],
        )


def _repeated(call: Call, count: int) -> Call:
    if len(call.weights) == count:
        return call
    shared = (call.weights, call.mask)
    weights, mask = (a if a is None else np.repeat(a, count, axis=0) for a in shared)
    return dataclasses.replace(call, weights=weights, mask=mask)


def _apart(run: Run, path: str, index: int, examples: int | None) -> Iterator[Call]:
    facts = run.sown[path]
    weights = np.asarray(facts[WEIGHTS][index])
    told = _fact(facts, SAME_INPUT, index)
    mask = _fact(facts, MASK, index)
    again = None if run.again is None else np.asarray(run.again[path][WEIGHTS][index])
    if told is None and weights.ndim == 3 and examples and len(weights) == examples > 1:
        raise CaptureError(
            f"`{path}` sowed weights of shape {weights.shape}, whose first axis may be the "
            f"{examples} examples or as many heads. Sow them as [batch, head, query, key], with "
            "an axis of length 1 for a single head."
        )
    several = len(facts[WEIGHTS]) > 1
    call = Call(
        name=f"{path} (call {index + 1})" if several else path,
        path=path,
        weights=weights,
        mask=mask if mask is not None and mask.dtype == bool else None,
        same_input=None if told is None else bool(told.all()),
        deterministic=None if again is None else np.array_equal(weights, again),
    )
    stacked = max(0, weights.ndim - 4) if told is None else told.ndim
    return _unstacked(call, stacked, examples)


def _fact(facts: Any, name: str, index: int) -> np.ndarray | None:
    values: tuple[jax.Array, ...] = facts.get(name, ())
    # With fewer facts than calls, which call told which fact is not known.
    return np.asarray(values[index]) if len(values) == len(facts[WEIGHTS]) else None


def _unstacked(call: Call, stacked: int, examples: int | None) -> Iterator[Call]:
    """The layers of a call that has `stacked` axes of transformations in front."""
    rank = call.weights.ndim - stacked
    front = call.weights.shape[:stacked]
    if stacked == 1 and rank == 3 and front == (examples,):
        # `nnx.vmap` over the examples of a model that is written for one example.
        yield _with_batch(call, lambda array: array)
    elif stacked == 1 and call.weights.shape[-2] == 1 and front != (1,):
        yield _with_batch(call, _steps_as_queries)
    else:
        for index in np.ndindex(front):
            name = call.name + "".join(f"[{number}]" for number in index)
            layer = _with_batch(call, lambda array, index=index: array[index])
            yield dataclasses.replace(layer, name=name)


def _steps_as_queries(stack: np.ndarray) -> np.ndarray:
    """`[step, …, head, 1, key]` as `[…, head, step, key]`."""
    return np.moveaxis(stack[..., 0, :], 0, -2)


def _with_batch(call: Call, taken: Any) -> Call:
    """The call with `taken` applied to its arrays, and exactly one axis before the heads."""
    weights = taken(call.weights)
    mask = call.mask
    if mask is not None:
        # The axes in front are those of the weights, where only the examples may be shared.
        mask = np.broadcast_to(mask, (*call.weights.shape[:-3], *mask.shape[-3:]))
        mask = taken(np.broadcast_to(mask, (*mask.shape[:-2], *call.weights.shape[-2:])))
        mask = mask.reshape(-1, *mask.shape[-3:])
    weights = weights.reshape(-1, *weights.shape[-3:])
    return dataclasses.replace(call, weights=weights, mask=mask)
