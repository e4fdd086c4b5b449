"""What the page's scripts read: the manifest, and the blocks of weights, masks and thumbnails.

The manifest is documented where it is read, in `templates/page/types.d.ts`.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from attnreport.analysis import (
    HeadStatistics,
    group_statistics,
    pattern_title,
    starting_point,
    visible_text,
)
from attnreport.recording import AttentionMap, Axis, GridAxis, Picture, Recording
from attnreport.recording.validation import require_attention
from attnreport.report.atlas import Atlas, build_atlas, thumbnail
from attnreport.report.axis_data import AxisBook
from attnreport.report.blocks import Block
from attnreport.report.conditions import page_conditions
from attnreport.report.generations import (
    first_step,
    generation_entry,
    starting_row,
    written_at,
)
from attnreport.report.glossary import known_patterns, known_statistics
from attnreport.report.head_facts import head_facts
from attnreport.report.head_measures import HeadMeasures, measure_heads
from attnreport.report.outcomes import (
    confusion_entry,
    deletion_entry,
    example_outcomes,
    training_entry,
)
from attnreport.report.packing import Encoding, heads_per_block, pack_bits, pack_heads
from attnreport.report.palette import DARK, LIGHT
from attnreport.report.pictures import PictureBook, picture_of
from attnreport.report.proofs import Statement, statements_of
from attnreport.report.scorings import pack_scorings, scoring_format
from attnreport.report.stacks import Stack


@dataclasses.dataclass(frozen=True)
class PageData:
    """Everything that the page's scripts read.

    Attributes:
        manifest: What the report is about, small enough to be read before anything is drawn.
        atlases: The thumbnails of each stack.
        blocks: Weights, masks and pictures; what is looked at first comes first.
        statistics: Statistics of every head, stack by stack.
        measures: Statistics beside chance, patterns and similar heads, stack by stack.
        largest: Largest weight of each stack; 1 where no weight exceeds it.
    """

    manifest: dict[str, Any]
    atlases: tuple[Atlas, ...]
    blocks: tuple[Block, ...]
    statistics: tuple[tuple[HeadStatistics, ...], ...]
    measures: tuple[HeadMeasures, ...]
    largest: tuple[float, ...]


def build_page_data(
    recording: Recording, stacks: Sequence[Stack], encoding: Encoding, *, first: int
) -> PageData:
    """Packs the recording for the page, which opens on stack number `first`."""
    blocks: list[Block] = []
    late: list[Block] = []
    entries, atlases, statistics, measures = [], [], [], []
    statements: dict[Statement, int] = {}
    axes, pictures = AxisBook(), PictureBook()
    sets: dict[tuple[str, ...], int] = {}
    weight_blocks = 0
    scoring = scoring_format(stacks)
    for index, stack in enumerate(stacks):
        conditions = page_conditions(stack, stacks, recording)
        masks, mask_blocks = _pack_masks(stack.maps, index)
        per_block = heads_per_block(stack.cells, encoding)
        largest = _largest_weight(stack)
        thumbnails, packed = _pack_weights(stack, encoding, per_block, largest)
        atlas = build_atlas(thumbnails)
        numbers = group_statistics(stack.maps)
        found = measure_heads(stack, stacks=len(stacks))
        heads, size = found.packed()
        start = starting_point(stack.maps, numbers)
        layer, head, query, key = starting_row(stack, start)
        entries.append(
            {
                "example": stack.example,
                "group": stack.label,
                "kind": stack.kind,
                "conditions": sets.setdefault(_true(conditions), len(sets)),
                "largest": largest,
                "heads": [attention.heads for attention in stack.maps],
                "names": [attention.name for attention in stack.maps],
                "layerNumbers": stack.layer_numbers,
                "firstStep": first_step(stack),
                "writtenAt": written_at(stack),
                "query": axes.number(stack.query),
                "key": None if stack.is_self else axes.number(stack.key),
                "pictures": [pictures.number(_picture(each)) for each in (stack.query, stack.key)],
                "firstBlock": weight_blocks,
                "headsPerBlock": per_block,
                "atlas": {"id": f"atlas{index}", "width": atlas.width, "height": atlas.height},
                "masks": masks,
                "reference": [_links(attention) for attention in stack.maps],
                "referenceName": _reference_name(stack),
                "checks": [_numbered(statements_of(each), statements) for each in stack.maps],
                "start": {"layer": layer, "head": head, "q": query, "k": key},
                "measures": {"id": f"heads{index}", "size": size},
                "statistics": [
                    _statistics(number, found.name(head), stack)
                    for head, number in enumerate(numbers)
                ],
            }
        )
        blocks.extend(Block(f"b{weight_blocks + i}", text) for i, text in enumerate(packed))
        weight_blocks += len(packed)
        if scoring is not None:
            found_scorings = pack_scorings(stack, index, scoring)
            entries[-1]["scoring"] = found_scorings.entries
            late.extend(found_scorings.blocks)
        blocks.extend(mask_blocks)
        blocks.append(Block(f"heads{index}", heads))
        atlases.append(atlas)
        statistics.append(tuple(numbers))
        measures.append(found)
    manifest = {
        "encoding": encoding,
        "examples": _examples(recording, stacks, pictures),
        "stacks": entries,
        "conditions": list(sets),
        "axes": axes.entries(),
        "pictures": pictures.entries(),
        "confusion": confusion_entry(recording.confusion),
        "training": training_entry(recording.training),
        "deletion": deletion_entry(recording.deletion),
        "checks": [dataclasses.astuple(statement) for statement in statements],
        "glossary": {
            "statistics": known_statistics(measures),
            "patterns": known_patterns(measures),
        },
        "ramps": {"light": LIGHT, "dark": DARK},
        "start": {"stack": first, **entries[first]["start"]},
    }
    # What is only read when somebody asks how a weight was computed comes last.
    blocks.extend((*pictures.blocks(), *late))
    ordered = _first_block_first(blocks, stacks[first], entries[first])
    return PageData(
        manifest,
        tuple(atlases),
        tuple(ordered),
        tuple(statistics),
        tuple(measures),
        tuple(entry["largest"] for entry in entries),
    )


def _examples(
    recording: Recording, stacks: Sequence[Stack], pictures: PictureBook
) -> list[dict[str, Any]]:
    return [
        {
            "name": example.name,
            "stacks": [i for i, stack in enumerate(stacks) if stack.example == number],
            "picture": pictures.number(picture_of(example)),
            "class": visible_text(example.target) if example.target else "",
            "generation": generation_entry(example.generation),
            **outcome,
        }
        for number, (example, outcome) in enumerate(
            zip(recording.examples, example_outcomes(recording), strict=True)
        )
    ]


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


def _first_block_first(blocks: list[Block], stack: Stack, entry: dict[str, Any]) -> Iterator[Block]:
    """The blocks, led by those that the page needs to draw what it opens on."""
    layer, head = entry["start"]["layer"], entry["start"]["head"]
    flat = sum(attention.heads for attention in stack.maps[:layer]) + head
    wanted = {f"b{entry['firstBlock'] + flat // entry['headsPerBlock']}"}
    wanted.add(entry["measures"]["id"])
    if entry["masks"][layer]:
        wanted.add(entry["masks"][layer]["id"])
    wanted |= {f"picture{number}" for number in entry["pictures"] if number is not None}
    yield from (block for block in blocks if block.id in wanted)
    yield from (block for block in blocks if block.id not in wanted)


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
