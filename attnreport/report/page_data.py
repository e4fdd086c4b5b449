"""What the page's scripts read: the manifest, and the blocks of weights, masks and thumbnails.

The manifest is documented where it is read, in `templates/page/types.d.ts`.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

from attnreport.analysis import HeadStatistics, visible_text
from attnreport.recording import Recording
from attnreport.report.atlas import Atlas
from attnreport.report.blocks import Block
from attnreport.report.conditions import page_conditions
from attnreport.report.generations import generation_entry
from attnreport.report.head_measures import HeadMeasures
from attnreport.report.outcomes import (
    confusion_entry,
    deletion_entry,
    example_outcomes,
    training_entry,
)
from attnreport.report.packing import Encoding
from attnreport.report.pictures import PictureBook, picture_of
from attnreport.report.scorings import scoring_format
from attnreport.report.stack_data import StackBook
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
    book = StackBook(encoding, scoring=scoring_format(stacks))
    packed = [
        book.add(
            stack,
            page_conditions(stack, stacks, recording),
            stacks=len(stacks),
            importance=recording.importance,
        )
        for stack in stacks
    ]
    entries = [each.entry for each in packed]
    manifest = {
        "examples": example_entries(recording, stacks, book.pictures),
        "stacks": entries,
        "confusion": confusion_entry(recording.confusion),
        "training": training_entry(recording.training),
        "deletion": deletion_entry(recording.deletion),
        "start": {"stack": first, **entries[first]["start"]},
        **book.shared(),
    }
    blocks = [*book.blocks, *book.pictures.blocks(), *book.vectors]
    return PageData(
        manifest,
        tuple(each.atlas for each in packed),
        tuple(first_blocks_first(blocks, wanted_blocks(stacks[first], entries[first]))),
        tuple(each.statistics for each in packed),
        tuple(each.measures for each in packed),
        tuple(entry["largest"] for entry in entries),
    )


def example_entries(
    recording: Recording, stacks: Sequence[Stack], pictures: PictureBook
) -> list[dict[str, Any]]:
    """The examples, each with the numbers of its stacks among those given."""
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


def wanted_blocks(stack: Stack, entry: dict[str, Any]) -> set[str]:
    """The blocks that the page needs to draw what a stack opens on."""
    layer, head = entry["start"]["layer"], entry["start"]["head"]
    flat = sum(attention.heads for attention in stack.maps[:layer]) + head
    wanted = {f"b{entry['firstBlock'] + flat // entry['headsPerBlock']}"}
    wanted.add(entry["measures"]["id"])
    if entry["masks"][layer]:
        wanted.add(entry["masks"][layer]["id"])
    return wanted | {f"picture{number}" for number in entry["pictures"] if number is not None}


def first_blocks_first(blocks: Sequence[Block], wanted: set[str]) -> Iterator[Block]:
    """The blocks, led by those that are wanted first."""
    yield from (block for block in blocks if block.id in wanted)
    yield from (block for block in blocks if block.id not in wanted)
