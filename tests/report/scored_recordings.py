"""Recordings with queries and keys, from which their weights can be computed again."""

import dataclasses

import numpy as np

from attnreport.recording import AttentionMap, Example, Recording, Scoring, TokenAxis
from tests.report.recordings import HOSTILE

TOKENS = ("[CLS]", "the", "cat", "un", "##believ", "##able", "sat", "[SEP]")
FEATURES, HEADS = 16, 2
CAP = 3.0


def softmax(logits: np.ndarray) -> np.ndarray:
    raised = np.exp(logits - logits.max(-1, keepdims=True))
    return raised / raised.sum(-1, keepdims=True)


def scored_map(
    name: str, axis: TokenAxis, *, kind: str = "plain", seed: int = 0, group: str = ""
) -> AttentionMap:
    """A head whose logits are what `kind` says: `plain`, `bias`, `causal`, `cap`, `sink`."""
    random = np.random.default_rng(seed)
    count = len(axis)
    query, key = random.normal(size=(2, HEADS, count, FEATURES)).astype(np.float32)
    scale = FEATURES**-0.5
    logits = scale * np.einsum("hqf,hkf->hqk", query, key, dtype=np.float64)
    bias = random.normal(size=(1, count, count)).astype(np.float32) if kind == "bias" else None
    logits = logits if bias is None else logits + bias
    logits = CAP * np.tanh(logits / CAP) if kind == "cap" else logits
    mask = np.tri(count, dtype=bool) if kind == "causal" else None
    weights = softmax(logits if mask is None else np.where(mask, logits, -np.inf))
    if kind == "sink":
        rest = np.exp(logits).sum(-1, keepdims=True)
        weights = weights * rest / (rest + np.exp(2.0))
    return AttentionMap(
        name,
        weights.astype(np.float32),
        axis,
        axis,
        mask=mask,
        normalized=kind != "sink",
        logits=logits.astype(np.float32) if kind == "cap" else None,
        scoring=Scoring(query, key, None if kind == "cap" else scale, bias),
        group=group or kind,
    )


def scored_recording() -> Recording:
    """A stack for each way in which logits come from queries and keys, and one without them."""
    axis = TokenAxis(TOKENS, special=(0, 7))
    kinds = ("plain", "bias", "causal", "cap", "sink")
    maps = [scored_map(kind, axis, kind=kind, seed=n) for n, kind in enumerate(kinds)]
    other = dataclasses.replace(maps[0], name="other", scoring=None)
    plain = dataclasses.replace(maps[0], name="none", group="none", scoring=None)
    return Recording((Example("scored", (maps[0], other, *maps[1:], plain)),))


def rounded_recording() -> Recording:
    """A head that was computed in bfloat16, and one with a mask that is added as a bias."""
    axis = TokenAxis(TOKENS)
    exact = scored_map("rounded", axis)
    # The upper half of the bits of a float32 are a bfloat16.
    bits = exact.array().view(np.uint32) + 0x8000
    weights = (bits & 0xFFFF0000).astype(np.uint32).view(np.float32)
    rounded = dataclasses.replace(exact, weights=weights, precision="bfloat16", normalized=False)
    masked = scored_map("masked", axis, group="masked")
    scoring = masked.scoring
    assert scoring is not None
    bias = np.where(np.tri(len(axis), dtype=bool), 0, -1e9).astype(np.float32)[np.newaxis]
    scoring = dataclasses.replace(scoring, bias=bias)
    query, key = (np.asarray(each) for each in (scoring.query, scoring.key))
    logits = (scoring.scale or 0) * query @ key.swapaxes(-1, -2) + bias
    masked = dataclasses.replace(masked, weights=softmax(logits), scoring=scoring)
    return Recording((Example("rounded", (rounded, masked)),))


def hostile_scored() -> Recording:
    """Tokens that break pages, with queries and keys."""
    return Recording((Example("x", (scored_map("map", TokenAxis(tuple(HOSTILE))),)),))
