"""The stacks as the page's scripts read them: an entry of the manifest each, and their blocks."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from attnreport.analysis import (
    HeadStatistics,
    group_statistics,
    pattern_title,
    starting_point,
    visible_text,
)
from attnreport.recording import AttentionMap, Axis, GridAxis, Importance, Picture
from attnreport.recording.validation import require_attention
from attnreport.report.atlas import Atlas, build_atlas, thumbnail
from attnreport.report.axis_data import AxisBook
from attnreport.report.blocks import Block
from attnreport.report.generations import first_step, starting_row, written_at
from attnreport.report.glossary import known_patterns, known_statistics
from attnreport.report.head_facts import head_facts
from attnreport.report.head_measures import HeadMeasures, measure_heads
from attnreport.report.packing import Encoding, heads_per_block, pack_bits, pack_heads
from attnreport.report.palette import ramps
from attnreport.report.pictures import PictureBook
from attnreport.report.proofs import Statement, statements_of
from attnreport.report.scorings import Format, pack_scorings
from attnreport.report.stacks import Stack


@dataclasses.dataclass(frozen=True)
class PackedStack:
    """What the page has of one stack.

    Attributes:
        entry: Its place in the manifest.
        atlas: The thumbnails of its heads.
        statistics: Statistics of each head.
        measures: Statistics beside chance, patterns and similar heads.
    """

    entry: dict[str, Any]
    atlas: Atlas
    statistics: tuple[HeadStatistics, ...]
    measures: HeadMeasures


class StackBook:
    """The stacks of a page, numbered as they are added; what several share is written once.

    Attributes:
        encoding: How weights are stored.
        blocks: Weights, masks and measures of the stacks so far.
        pictures: The pictures that their positions are cells of.
        scoring: How queries and keys are stored; None if they are not.
        vectors: Queries and keys, which are only read when somebody asks for them.
    """

    def __init__(self, encoding: Encoding, *, scoring: Format | None = None) -> None:
        self.encoding: Encoding = encoding
        self.blocks: list[Block] = []
        self.pictures = PictureBook()
        self.scoring: Format | None = scoring
        self.vectors: list[Block] = []
        self._axes = AxisBook()
        self._statements: dict[Statement, int] = {}
        self._conditions: dict[tuple[str, ...], int] = {}
        self._measures: list[HeadMeasures] = []
        self._weight_blocks = 0

    def add(
        self,
        stack: Stack,
        conditions: Mapping[str, bool],
        *,
        stacks: int,
        importance: Importance | None = None,
        alike: bool = True,
    ) -> PackedStack:
        """Packs a stack.

        Args:
            stack: The layers.
            conditions: What holds of it.
            stacks: How many stacks share the time for measuring heads.
            importance: What the model loses without each head, where that was measured.
            alike: Whether to find out which heads are alike.
        """
        index = len(self._measures)
        masks, mask_blocks = _pack_masks(stack.maps, index)
        per_block = heads_per_block(stack.cells, self.encoding)
        largest = _largest_weight(stack)
        thumbnails, packed = _pack_weights(stack, self.encoding, per_block, largest)
        atlas = build_atlas(thumbnails)
        numbers = group_statistics(stack.maps)
        found = measure_heads(stack, stacks=stacks, importance=importance, alike=alike)
        heads, size = found.packed()
        start = starting_point(stack.maps, numbers)
        layer, head, query, key = starting_row(stack, start)
        entry = {
            "example": stack.example,
            "group": stack.label,
            "kind": stack.kind,
            "conditions": self._conditions.setdefault(_true(conditions), len(self._conditions)),
            "largest": largest,
            "heads": [attention.heads for attention in stack.maps],
            "names": [attention.name for attention in stack.maps],
            "layerNumbers": stack.layer_numbers,
            "firstStep": first_step(stack),
            "writtenAt": written_at(stack),
            "query": self._axes.number(stack.query),
            "key": None if stack.is_self else self._axes.number(stack.key),
            "pictures": [self.pictures.number(_picture(each)) for each in (stack.query, stack.key)],
            "firstBlock": self._weight_blocks,
            "headsPerBlock": per_block,
            "atlas": {"id": f"atlas{index}", "width": atlas.width, "height": atlas.height},
            "masks": masks,
            "reference": [_links(attention) for attention in stack.maps],
            "referenceName": _reference_name(stack),
            "checks": [_numbered(statements_of(each), self._statements) for each in stack.maps],
            "start": {"layer": layer, "head": head, "q": query, "k": key},
            "measures": {"id": f"heads{index}", "size": size},
            "statistics": [
                _statistics(number, found.name(head), stack) for head, number in enumerate(numbers)
            ],
        }
        self.blocks.extend(
            Block(f"b{self._weight_blocks + i}", text) for i, text in enumerate(packed)
        )
        self._weight_blocks += len(packed)
        if self.scoring is not None:
            scorings = pack_scorings(stack, index, self.scoring)
            entry["scoring"] = scorings.entries
            self.vectors.extend(scorings.blocks)
        self.blocks.extend(mask_blocks)
        self.blocks.append(Block(f"heads{index}", heads))
        self._measures.append(found)
        return PackedStack(entry, atlas, tuple(numbers), found)

    def shared(self) -> dict[str, Any]:
        """The parts of the manifest that stacks refer to."""
        return {
            "encoding": self.encoding,
            "conditions": list(self._conditions),
            "axes": self._axes.entries(),
            "pictures": self.pictures.entries(),
            "checks": [dataclasses.astuple(statement) for statement in self._statements],
            "glossary": {
                "statistics": known_statistics(self._measures),
                "patterns": known_patterns(self._measures),
            },
            "ramps": ramps(),
        }


def _picture(axis: Axis) -> Picture | None:
    return axis.picture if isinstance(axis, GridAxis) else None


def _largest_weight(stack: Stack) -> float:
    """Where colors and the steps of 8 and 16 bits end: 1, or a weight that exceeds it."""
    heads = (
        attention.head(index)
        for attention in stack.maps
        if not _is_bounded(attention)
        for index in range(attention.heads)
    )
    return max(1.0, max((float(head.max()) for head in heads), default=1.0))


def _is_bounded(attention: AttentionMap) -> bool:
    return attention.normalized or attention.kind == "gate"


def _pack_weights(
    stack: Stack, encoding: Encoding, per_block: int, largest: float
) -> tuple[list[list[np.ndarray]], list[str]]:
    """Thumbnails by layer, and blocks of `per_block` heads; each head is read once."""
    thumbnails: list[list[np.ndarray]] = []
    packed: list[str] = []
    waiting: list[np.ndarray] = []
    for attention in stack.maps:
        thumbnails.append([])
        for index in range(attention.heads):
            weights = attention.head(index)
            _require_attention(attention, index, weights)
            thumbnails[-1].append(_thumbnail(weights, stack, largest))
            waiting.append(weights)
            if len(waiting) == per_block:
                packed.append(pack_heads(waiting, encoding, largest=largest))
                waiting = []
    if waiting:
        packed.append(pack_heads(waiting, encoding, largest=largest))
    return thumbnails, packed


def _thumbnail(weights: np.ndarray, stack: Stack, largest: float) -> np.ndarray:
    """A head as a small matrix, or as a small map where one query looks at a grid."""
    if not stack.is_map:
        return thumbnail(weights, largest=largest)
    assert isinstance(stack.key, GridAxis)
    cells = weights[0, len(stack.key.leading) :].reshape(stack.key.height, stack.key.width)
    # Over many cells each weight is small; what matters is which is the largest.
    return thumbnail(cells, largest=float(cells.max()) or 1.0)


def _require_attention(attention: AttentionMap, index: int, weights: np.ndarray) -> None:
    """Raises if a head is not attention: a map made by hand was never checked."""
    mask = attention.mask
    require_attention(
        weights[np.newaxis],
        f"attention map {attention.name!r}",
        precision=attention.precision,
        mask=mask if mask is None or mask.ndim == 2 else mask[index],
        normalized=attention.normalized and attention.kind != "gate",
        bounded=_is_bounded(attention),
        first_head=index,
    )


def _pack_masks(
    maps: Sequence[AttentionMap], stack: int
) -> tuple[list[dict[str, Any] | None], list[Block]]:
    """For each layer where to find its mask; layers with equal masks share a block."""
    found: dict[bytes, dict[str, Any]] = {}
    blocks: list[Block] = []
    entries: list[dict[str, Any] | None] = []
    for attention in maps:
        allowed = attention.allowed()
        if allowed.all():
            entries.append(None)
            continue
        bits = np.packbits(allowed).tobytes()
        if bits not in found:
            found[bits] = {"id": f"m{stack}-{len(found)}", "heads": allowed.shape[0]}
            blocks.append(Block(found[bits]["id"], pack_bits(allowed)))
        entries.append(found[bits])
    return entries, blocks


def _numbered(found: Sequence[Statement], known: dict[Statement, int]) -> list[int]:
    """Numbers of the statements among all that are known, which grow by the new ones."""
    return [known.setdefault(statement, len(known)) for statement in found]


def _links(attention: AttentionMap) -> list[list[int]] | None:
    if attention.reference is None:
        return None
    return np.argwhere(attention.reference).tolist()


def _reference_name(stack: Stack) -> str:
    names = (attention.reference_name for attention in stack.maps)
    return visible_text(next(filter(None, names), ""))


def _true(conditions: Mapping[str, bool]) -> tuple[str, ...]:
    return tuple(name for name, true in conditions.items() if true)


def _statistics(numbers: HeadStatistics, pattern: str, stack: Stack) -> dict[str, Any]:
    title = pattern_title(pattern, stack.key)
    return {
        **({} if title == pattern else {"title": title}),
        "pattern": pattern,
        "facts": head_facts(numbers, stack.key, stack.kind),
        "peak": round(numbers.peak, 6),
        **(
            {"sinks": [(key, round(share, 4)) for key, share in numbers.sinks]}
            if numbers.sinks
            else {}
        ),
    }
