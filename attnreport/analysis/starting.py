"""Which head and which weight a reader should see first."""

from collections.abc import Sequence

import numpy as np

from attnreport.analysis.alignment import alignment_links
from attnreport.analysis.heads import HeadStatistics
from attnreport.analysis.jumps import longest_jump
from attnreport.analysis.links import content_positions
from attnreport.recording import AttentionMap


def right_links(attention: AttentionMap, head: int) -> tuple[int, int]:
    """How many queries with a reference look most at a key it links, and how many there are."""
    if attention.reference is None:
        return 0, 0
    right = alignment_links(attention.head(head)) & attention.reference
    return int(right.any(axis=-1).sum()), int(attention.reference.any(axis=-1).sum())


def clearest_head(maps: Sequence[AttentionMap], statistics: Sequence[HeadStatistics]) -> int:
    """Index in `statistics` of the head that says most plainly what attention does.

    In cross-attention that is the head that follows the reference alignment best, and without a
    reference the sharpest; in self-attention the head with the strongest link across the text.
    Among equals it is the first.
    """

    def clarity(head: HeadStatistics) -> tuple[float, ...]:
        if head.pattern == "no choice":
            return (-1.0,)
        if head.distance is not None:
            return (head.link.weight if head.link else 0.0,)
        return (*right_links(maps[head.layer], head.head)[:1], -head.normalized_entropy)

    return max(range(len(statistics)), key=lambda index: clarity(statistics[index]))


def starting_point(
    maps: Sequence[AttentionMap], statistics: Sequence[HeadStatistics]
) -> tuple[int, int, int, int]:
    """Layer, head, query and key that a report on one group of maps opens with.

    Args:
        maps: The maps of the group, in the order of their layers.
        statistics: What `group_statistics` says about them.
    """
    chosen = statistics[clearest_head(maps, statistics)]
    attention = maps[chosen.layer]
    if chosen.distance is not None and chosen.link:
        return chosen.layer, chosen.head, chosen.link.query, chosen.link.key
    weights = attention.head(chosen.head)
    jump = None if chosen.distance is not None else longest_jump(weights, attention)
    if jump:
        return chosen.layer, chosen.head, jump.query, jump.key
    content = np.flatnonzero(content_positions(attention.query))
    query = int(content[0]) if content.size else 0
    return chosen.layer, chosen.head, query, int(weights[query].argmax())
