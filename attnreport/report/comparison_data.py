"""What the scripts of a comparison read: the manifest of two recordings side by side, and blocks.

Stack `i` of the first recording is compared with stack `i + n` of the second, where `n` is how many
each has. Both are over the positions of both; what one lacks is masked in it.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

from attnreport.analysis import Comparison, HeadStatistics, most_changed_cell
from attnreport.recording import Recording
from attnreport.report.atlas import Atlas, build_atlas, change_thumbnail
from attnreport.report.blocks import Block
from attnreport.report.conditions import page_conditions
from attnreport.report.head_measures import HeadMeasures
from attnreport.report.packing import Encoding
from attnreport.report.page_data import example_entries, first_blocks_first, wanted_blocks
from attnreport.report.stack_data import StackBook
from attnreport.report.stack_pairs import StackPair, absent, change_of, same_positions

# How precise a distance between heads is told to the page.
_DIGITS = 4


@dataclasses.dataclass(frozen=True)
class ComparisonData:
    """Everything that the scripts of a comparison read.

    Attributes:
        manifest: What it is about, small enough to be read before anything is drawn.
        atlases: Thumbnails of what changed, of each pair of stacks.
        blocks: Weights, masks and pictures; what is looked at first comes first.
        statistics: Of each pair the statistics of every head, in both.
        measures: The same of what is measured beside them.
        conditions: Of each pair the conditions that hold.
    """

    manifest: dict[str, Any]
    atlases: tuple[Atlas, ...]
    blocks: tuple[Block, ...]
    statistics: tuple[tuple[tuple[HeadStatistics, ...], tuple[HeadStatistics, ...]], ...]
    measures: tuple[tuple[HeadMeasures, HeadMeasures], ...]
    conditions: tuple[dict[str, bool], ...]


def build_comparison_data(
    shown: Recording, pairs: Sequence[StackPair], encoding: Encoding, *, first: int
) -> ComparisonData:
    """Packs both recordings for the page, which opens on pair number `first`.

    Args:
        shown: The examples that both have, as the first recording has them.
        pairs: The stacks of both, example by example.
        encoding: How weights are stored.
        first: The pair that the page opens on.
    """
    book = StackBook(encoding)
    stacks = [pair.first for pair in pairs]
    conditions = [_conditions(pair, stacks, shown) for pair in pairs]
    sides = [
        [
            book.add(stack, true, stacks=len(pairs), alike=False)
            for stack, true in zip(side, conditions, strict=True)
        ]
        for side in (stacks, [pair.second for pair in pairs])
    ]
    atlases = [_atlas(pair) for pair in pairs]
    for number, (pair, atlas) in enumerate(zip(pairs, atlases, strict=True)):
        both = _shared_entries(pair, number, atlas)
        for side, lacking in enumerate(absent(pair.maps[0])):
            other = number + len(pairs) * (1 - side)
            sides[side][number].entry.update(both, side=side, other=other, absent=lacking)
    entries = [packed.entry for side in sides for packed in side]
    manifest = {
        "examples": example_entries(shown, stacks, book.pictures),
        "stacks": entries,
        "confusion": None,
        "training": None,
        "deletion": None,
        "start": {"stack": first, **entries[first]["start"]},
        **book.shared(),
    }
    wanted = wanted_blocks(pairs[first].first, entries[first]) | wanted_blocks(
        pairs[first].second, entries[first + len(pairs)]
    )
    return ComparisonData(
        manifest,
        tuple(atlases),
        tuple(first_blocks_first([*book.blocks, *book.pictures.blocks()], wanted)),
        tuple((one.statistics, other.statistics) for one, other in zip(*sides, strict=True)),
        tuple((one.measures, other.measures) for one, other in zip(*sides, strict=True)),
        tuple(conditions),
    )


def shown_recording(comparison: Comparison) -> Recording:
    """The examples that both recordings have, each with how much its heads changed on average."""
    examples = []
    for each in comparison.examples:
        output = each.first.output
        if each.second.output != output:
            output = f"A: {output or '–'} · B: {each.second.output or '–'}"
        examples.append(
            dataclasses.replace(
                each.first, name=each.name, output=output, target="", scores=each.scores()
            )
        )
    return Recording(tuple(examples), comparison.first.source)


def _conditions(pair: StackPair, stacks: Sequence[Any], shown: Recording) -> dict[str, bool]:
    conditions = page_conditions(pair.first, stacks, shown)
    # The pieces of words that differ stand one after the other, and make no word.
    return conditions | {"words": conditions["words"] and same_positions(pair)}


def _shared_entries(pair: StackPair, number: int, atlas: Atlas) -> dict[str, Any]:
    """What both stacks of a pair have in the manifest: where to begin, and what changed."""
    distances = [None if each is None else round(each, _DIGITS) for each in pair.distances]
    size = {"width": atlas.width, "height": atlas.height}
    return {
        "start": _start(pair),
        "change": {"distances": distances, "largest": pair.largest_change},
        "atlas": {"id": f"atlas{number}", **size, "changes": True},
    }


def _start(pair: StackPair) -> dict[str, int]:
    cell = most_changed_cell(pair.maps)
    if cell is None:
        return {"layer": 0, "head": 0, "q": 0, "k": 0}
    return {"layer": cell.map, "head": cell.head, "q": cell.query, "k": cell.key}


def _atlas(pair: StackPair) -> Atlas:
    largest = pair.largest_change or 1.0
    return build_atlas(
        [
            [
                change_thumbnail(change_of(each, head), largest=largest)
                for head in range(each.first.heads)
            ]
            for each in pair.maps
        ],
        changes=True,
    )
