"""Which head and which weight a reader should see first."""

from collections.abc import Sequence

import numpy as np

from attnreport.analysis.alignment import alignment_links
from attnreport.analysis.reading.heads import HeadStatistics
from attnreport.analysis.reading.jumps import longest_jump
from attnreport.analysis.reading.links import agreed_link, content_positions
from attnreport.recording import AttentionMap, GridAxis


def right_links(attention: AttentionMap, head: int) -> tuple[int, int]:
    """How many queries with a reference look most at a key it links, and how many there are."""
    if attention.reference is None:
        return 0, 0
    right = alignment_links(attention.head(head)) & attention.reference
    return int(right.any(axis=-1).sum()), int(attention.reference.any(axis=-1).sum())


def clearest_head(
    maps: Sequence[AttentionMap], statistics: Sequence[HeadStatistics]
) -> HeadStatistics:
    """The head that follows the reference alignment best, or without one the sharpest.

    Among equals it is the first. Heads without a choice come last.
    """

    def clarity(head: HeadStatistics) -> tuple[bool, int, float]:
        right, _ = right_links(maps[head.layer], head.head)
        return (head.pattern != "no choice", right, -head.normalized_entropy)

    return max(statistics, key=clarity)


def starting_point(
    maps: Sequence[AttentionMap], statistics: Sequence[HeadStatistics]
) -> tuple[int, int, int, int]:
    """Layer, head, query and key that a report on one group of maps opens with.

    Self-attention opens on the two words that the heads connect most, or among the cells of a
    grid on the first token beside them, which is often a class token that decides alone.
    Cross-attention opens on the longest jump of its clearest head. Where there is neither, the
    first row with content and its largest weight are shown.

    Args:
        maps: The maps of the group, in the order of their layers.
        statistics: What `group_statistics` says about them.
    """
    query = maps[0].query
    beside = isinstance(query, GridAxis) and len(query.leading) > 0
    if statistics[0].distance is not None and not beside:
        link = agreed_link(maps)
        if link:
            return link.layer, link.head, link.query, link.key
    chosen = clearest_head(maps, statistics)
    attention = maps[chosen.layer]
    weights = attention.head(chosen.head)
    jump = longest_jump(weights, attention) if chosen.distance is None else None
    if jump:
        return chosen.layer, chosen.head, jump.query, jump.key
    content = np.flatnonzero(content_positions(attention.query))
    row = int(content[0]) if content.size and not beside else 0
    return chosen.layer, chosen.head, row, int(weights[row].argmax())
