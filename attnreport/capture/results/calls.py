"""What each attention of a run gives, and how calls come to one batch."""

import dataclasses
import operator
from collections.abc import Iterator, Sequence

import numpy as np

from attnreport._errors import CaptureError
from attnreport.capture.results.scoring import CallScoring
from attnreport.recording import Check, Kind


@dataclasses.dataclass(frozen=True)
class Call:
    """One attention of a run, the layers of a loop apart.

    Attributes:
        name: Its name, with the number of the call or layer where there are several.
        path: Its name without the number of the layer.
        weights: `[batch, head, query, key]`.
        mask: Boolean and of the rank of the weights, the axis of heads may have length 1; None
            when nothing was masked.
        deterministic: Whether the weights do without random numbers; None when not verified.
        kind: What attends to what.
        normalized: Whether its rows are meant to sum to one.
        checks: What was verified about it.
        layer: Number of its layer in the model; None if it is told by its place.
        scoring: What its weights were computed from; None where that was not asked for or cannot
            be had.
    """

    name: str
    path: str
    weights: np.ndarray
    mask: np.ndarray | None
    deterministic: bool | None
    kind: Kind
    normalized: bool
    checks: tuple[Check, ...] = ()
    layer: int | None = None
    scoring: CallScoring | None = None


def with_one_batch(calls: Sequence[Call], examples: int | None) -> list[Call]:
    """The calls with one batch size, that of the examples.

    A call without a batch holds for all examples. With a single example, a longer batch holds
    parts of it, such as the windows of a picture, and becomes one call a part. So it does where
    batches differ in such a way that no axis can hold examples, as rows and columns of one picture
    do. Parts are told by their place, not by the number of their layer.

    Args:
        calls: Weights as `[batch, head, query, key]`.
        examples: Length of the leading axis of the inputs, None when there is none.

    Raises:
        CaptureError: Batches may hold several parts of each example, so that examples cannot be
            told from parts.
    """
    sizes = {len(call.weights) for call in calls}
    if examples == 1:
        return [part for call in calls for part in _parts(call)]
    smallest = min(sizes - {1}, default=1)
    if any(size % smallest for size in sizes - {1}):
        noted = [dataclasses.replace(call, checks=(*call.checks, _ONE_EXAMPLE)) for call in calls]
        return [part for call in noted for part in _parts(call)]
    parts = examples and any(size > examples and size % examples == 0 for size in sizes)
    if parts or len(sizes - {1}) > 1:
        raise CaptureError(
            f"Attention in this model runs on batches of {', '.join(map(str, sorted(sizes)))}"
            f"{f', and its inputs hold {examples} examples' if examples else ''}, so "
            "examples cannot be told from parts of examples, such as windows. Capture one "
            "example at a time."
        )
    return [_repeated(call, max(sizes)) for call in calls]


_ONE_EXAMPLE = Check(
    "guess",
    detail="Attention in this model runs on batches of different sizes, none of which can be that "
    "of the examples, so all are taken for parts of one example, such as its rows or columns.",
)


def _parts(call: Call) -> Iterator[Call]:
    count = len(call.weights)
    for number in range(count):
        part = slice(number, number + 1)
        yield dataclasses.replace(
            call,
            name=call.name if count == 1 else f"{call.name} (part {number + 1})",
            weights=call.weights[part],
            mask=None if call.mask is None else call.mask[part],
            scoring=None if call.scoring is None else call.scoring.map(operator.itemgetter(part)),
            layer=call.layer if count == 1 else None,
        )


def _repeated(call: Call, count: int) -> Call:
    if len(call.weights) == count:
        return call
    shared = (call.weights, call.mask)
    weights, mask = (a if a is None else np.repeat(a, count, axis=0) for a in shared)
    scoring = call.scoring and call.scoring.map(lambda each: np.repeat(each, count, axis=0))
    return dataclasses.replace(call, weights=weights, mask=mask, scoring=scoring)
