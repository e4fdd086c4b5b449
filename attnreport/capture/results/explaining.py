"""Gives the maps of a recording the queries and keys that their call has."""

import dataclasses
from typing import Literal

import numpy as np

from attnreport.capture.results.calls import Call
from attnreport.recording import AttentionMap, Recording, Scoring


def with_scoring(recording: Recording, call: Call, padding: Literal["right", "left"]) -> Recording:
    """The recording of one call, each example with its queries and keys if the call has them.

    Args:
        recording: One map per example; padding is cut off.
        call: The call.
        padding: The side on which shorter examples were padded.
    """
    if call.scoring is None:
        return recording
    examples = []
    for index, example in enumerate(recording.examples):
        (attention,) = example.maps
        explained = _explained(attention, call, index, padding)
        examples.append(dataclasses.replace(example, maps=(explained,)))
    return dataclasses.replace(recording, examples=tuple(examples))


def _explained(attention: AttentionMap, call: Call, index: int, padding: str) -> AttentionMap:
    scoring = call.scoring
    assert scoring is not None
    rows, columns = (
        _window(len(axis), whole, padding)
        for axis, whole in zip(
            (attention.query, attention.key), call.weights.shape[-2:], strict=True
        )
    )
    logits = None if scoring.logits is None else scoring.logits[index, :, rows, columns]
    bias = None if scoring.bias is None else _shared(scoring.bias[index, :, rows, columns])
    return dataclasses.replace(
        attention,
        logits=attention.logits if logits is None else logits,
        scoring=Scoring(
            scoring.queries[index, :, rows], scoring.keys[index, :, columns], scoring.scale, bias
        ),
    )


def _window(kept: int, whole: int, padding: str) -> slice:
    """Where the kept positions lie among all that the model had."""
    return slice(0, kept) if padding == "right" else slice(whole - kept, whole)


def _shared(bias: np.ndarray) -> np.ndarray:
    """The bias with one head where all have the same."""
    same = np.array_equal(bias, np.broadcast_to(bias[:1], bias.shape), equal_nan=True)
    return bias[:1] if same else bias
