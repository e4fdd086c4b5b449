"""Where cross-attention leaves the order of the input, as a translation of a verb often does."""

import dataclasses

import numpy as np
from jaxtyping import Float

from attnreport.analysis.reading.links import content_positions
from attnreport.recording import UNORDERED, AttentionMap, ChannelAxis, GridAxis, ItemAxis

# A step of one or two keys ahead is reading on; articles and particles are often left out.
SHORTEST_JUMP = 3


@dataclasses.dataclass(frozen=True)
class Jump:
    """Two content queries in a row, and the keys that they look at most.

    Attributes:
        query: The query that jumps.
        key: The key it looks at most.
        query_before: The content query before it.
        key_before: The key that one looks at most.
    """

    query: int
    key: int
    query_before: int
    key_before: int

    @property
    def length(self) -> int:
        """Positions from one key to the other; negative where attention goes back."""
        return self.key - self.key_before


def is_sequence(attention: AttentionMap) -> bool:
    """Whether queries follow one another, and keys too, so that steps of attention lead somewhere.

    Hops, experts and entries of a memory stand in no order, and cells and channels in no line.
    """
    unordered = (ItemAxis, ChannelAxis, GridAxis)
    return (
        attention.kind not in UNORDERED
        and not isinstance(attention.query, unordered)
        and not isinstance(attention.key, (ChannelAxis, GridAxis))
    )


def longest_jump(weights: Float[np.ndarray, "query key"], attention: AttentionMap) -> Jump | None:
    """The longest jump between content queries of one head; the first of equals.

    Every step back is a jump, and so is a step of at least `SHORTEST_JUMP` ahead. Queries that
    look nowhere are passed over. None if there is no jump, as there is none where queries or keys
    stand in no order.
    """
    if not is_sequence(attention):
        return None
    looks = content_positions(attention.query) & (weights.max(axis=-1) > 0)
    queries = np.flatnonzero(looks)
    keys = weights[queries].argmax(axis=-1)
    steps = np.diff(keys)
    jumps = np.where((steps < 0) | (steps >= SHORTEST_JUMP), np.abs(steps), 0)
    if not jumps.any():
        return None
    index = int(jumps.argmax())
    return Jump(
        query=int(queries[index + 1]),
        key=int(keys[index + 1]),
        query_before=int(queries[index]),
        key_before=int(keys[index]),
    )
