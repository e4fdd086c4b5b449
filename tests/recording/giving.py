"""Weights to make recordings of, and what comes of them."""

import re

import numpy as np
import pytest

from attnreport._errors import InvalidAttentionError
from attnreport.recording import Recording

TOKENS = ["[CLS]", "the", "fox", "[SEP]"]


def only_maps(recording: Recording):
    (example,) = recording.examples
    return example.maps


def refused(message: str):
    return pytest.raises(InvalidAttentionError, match=re.escape(message))


def uniform(*shape: int) -> np.ndarray:
    return np.full(shape, 1 / shape[-1])


CAUSAL = np.tril(np.ones((4, 4), dtype=bool))
LENGTHS = (5, 2, 3)


def padded_batch(softmax_weights, padding: str, *, masked: bool = True):
    """Weights `[batch, head, query, key]`, the mask that made them, and labels of what is real."""
    size = max(LENGTHS)
    real = np.arange(size) < np.array(LENGTHS)[:, np.newaxis]
    if padding == "left":
        real = real[:, ::-1]
    mask = np.broadcast_to(real[:, np.newaxis, np.newaxis], (3, 1, size, size))
    weights = softmax_weights(3, 2, size, size, mask=mask if masked else None)
    return weights, mask, [[f"w{i}" for i in range(length)] for length in LENGTHS]
