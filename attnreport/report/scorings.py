"""Packs queries and keys for the page, which shows with them how a weight was computed."""

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from attnreport.recording import AttentionMap
from attnreport.report.blocks import Block
from attnreport.report.packing import pack_floats
from attnreport.report.phrases import counted
from attnreport.report.stacks import Stack

Format = Literal["float32", "float16"]

# More numbers than this are kept in half precision: they explain weights, and are not looked up.
_MOST_EXACT = 1_000_000


@dataclasses.dataclass(frozen=True)
class PackedScorings:
    """Queries and keys of one stack.

    Attributes:
        entries: For each layer what the page must know; None where there are none.
        blocks: A block for each head of those layers.
    """

    entries: list[dict[str, Any] | None]
    blocks: tuple[Block, ...]


def scoring_format(stacks: Sequence[Stack]) -> Format | None:
    """The number format of the queries and keys of a report; None if it has none."""
    numbers = _count(stacks)
    if not numbers:
        return None
    return "float32" if numbers <= _MOST_EXACT else "float16"


def scoring_text(stacks: Sequence[Stack], blocks: Sequence[Block]) -> str:
    """How queries and keys are stored, in words; empty if there are none."""
    form = scoring_format(stacks)
    if form is None:
        return ""
    size = sum(len(block.text) for block in blocks if block.id.startswith("scoring"))
    maps = sum(attention.scoring is not None for stack in stacks for attention in stack.maps)
    text = "exact float32" if form == "float32" else "float16, so about 3 digits of each number"
    return f"of {counted(maps, 'map')}, {text}: {size / 1e6:.2f} MB of this file, read when asked"


def pack_scorings(stack: Stack, number: int, form: Format) -> PackedScorings:
    """The queries and keys of one stack.

    Args:
        stack: The stack.
        number: Its number.
        form: How to store them.
    """
    entries: list[dict[str, Any] | None] = []
    blocks: list[Block] = []
    for layer, attention in enumerate(stack.maps):
        scoring = attention.scoring
        if scoring is None:
            entries.append(None)
            continue
        extra = _extra(attention)
        name = f"scoring{number}-{layer}"
        entries.append(
            {
                "id": name,
                "features": scoring.query.shape[-1],
                "scale": scoring.scale,
                "extra": extra,
                "format": form,
                "precision": attention.precision,
            }
        )
        for head in range(attention.heads):
            planes = [scoring.query[head], scoring.key[head]]
            if extra == "logits" and attention.logits is not None:
                planes.append(_finite(attention.logits[head], form))
            if extra == "bias" and scoring.bias is not None:
                bias = scoring.bias[min(head, scoring.bias.shape[0] - 1)]
                planes.append(_finite(bias, form))
            blocks.append(Block(f"{name}-{head}", pack_floats(planes, form)))
    return PackedScorings(entries, tuple(blocks))


def _extra(attention: AttentionMap) -> str:
    """What has to be known beside queries and keys: `bias`, `logits`, or nothing."""
    scoring = attention.scoring
    if scoring is None:
        return ""
    if scoring.scale is None:
        return "logits"
    return "" if scoring.bias is None else "bias"


def _finite(values: np.ndarray, form: Format) -> np.ndarray:
    """The values in the range that the format has; masks say where minus infinity stands."""
    most = 6e4 if form == "float16" else float(np.finfo(np.float32).max)
    return np.clip(np.nan_to_num(np.asarray(values, np.float64)), -most, most)


def _count(stacks: Sequence[Stack]) -> int:
    """How many numbers have to be stored."""
    total = 0
    for stack in stacks:
        for attention in stack.maps:
            if attention.scoring is not None:
                features = attention.scoring.query.shape[-1]
                own = features * (len(stack.query) + len(stack.key))
                total += attention.heads * (own + stack.cells * bool(_extra(attention)))
    return total
