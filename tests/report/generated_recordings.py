"""Recordings of texts that were written token by token."""

from collections.abc import Sequence

import numpy as np

from attnreport.recording import (
    AttentionMap,
    Example,
    Generation,
    Recording,
    TokenAxis,
    recording_from_steps,
)
from tests.report.recordings import HOSTILE, softmax_weights

PROMPT = ("<s>", "the", "cat", "sat")
WRITTEN = ("on", "the", "mat", "</s>")
PROBABILITIES = (0.75, 0.5, 0.03125, 1.0)
ENTROPIES = (0.5, 1.0, 3.25, 0.0)


def causal_weights(layers: int, heads: int, tokens: int) -> np.ndarray:
    """Random attention to what stands before."""
    weights = softmax_weights(layers, heads, tokens, tokens) * np.tri(tokens)
    return (weights / weights.sum(-1, keepdims=True)).astype(np.float32)


def steps_recording(prompt: Sequence[str], generation: Generation) -> Recording:
    """Two layers of two heads that read a prompt at once, and then all but the last token."""
    rows = len(prompt) + len(generation) - 1
    whole = causal_weights(2, 2, rows)
    ends = [len(prompt), *range(len(prompt) + 1, rows + 1)]
    steps = [
        [layer[:, start:end, :end] for layer in whole]
        for start, end in zip([0, *ends[:-1]], ends, strict=True)
    ]
    return recording_from_steps(steps, prompt, generation, group="decoder self-attention")


def generated_recording() -> Recording:
    """A decoder alone, with how sure it was of each token."""
    return steps_recording(PROMPT, Generation(WRITTEN, PROBABILITIES, ENTROPIES))


def unlikely_recording() -> Recording:
    """A decoder that gave hardly anything to the token that it wrote first."""
    return steps_recording(PROMPT, Generation(WRITTEN, (4e-7, *PROBABILITIES[1:])))


def pieces_recording() -> Recording:
    """Tokens that are pieces of words, of which nothing but their attention is known."""
    return steps_recording(("▁un", "believ", "able"), Generation(("▁cat", "s", "▁sle", "ep")))


def hostile_generation() -> Recording:
    """A prompt and an output of the tokens that break pages."""
    written = HOSTILE[4:]
    sure = tuple(1 / (2 + place) for place in range(len(written)))
    return steps_recording(HOSTILE[:4], Generation(tuple(written), sure, sure))


def translation_recording() -> Recording:
    """An encoder, and a decoder that looks at it and at what it wrote."""
    source = TokenAxis(("die", "Katze", "saß", "</s>"), special=(3,))
    written = ("the", "cat", "sat")
    read, words = TokenAxis(("<s>", *written[:-1]), special=(0,)), TokenAxis(written)
    encoder, cross = softmax_weights(1, 2, 4, 4)[0], softmax_weights(1, 2, 3, 4)[0]
    maps = (
        AttentionMap("cross", cross, words, source, kind="cross", first_step=0),
        AttentionMap("decoder", causal_weights(1, 2, 3)[0], read, read, first_step=0),
        AttentionMap("encoder", encoder, source, source, group="encoder"),
    )
    generation = Generation(written, (0.5, 0.25, 0.125))
    return Recording((Example("cat", maps, "die Katze saß", generation=generation),))
