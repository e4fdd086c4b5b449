"""The single strongest weights worth pointing at."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float

from attnreport.analysis.distance import position_distances
from attnreport.recording import AttentionMap, Axis, TokenAxis, special_positions

# In self-attention a link to a neighbor tells less than one across the text.
NEAREST_LINK = 3


@dataclasses.dataclass(frozen=True)
class Link:
    """One weight between two content positions.

    Attributes:
        query: Position that looks.
        key: Position looked at.
        weight: The weight, as the model computed it.
    """

    query: int
    key: int
    weight: float


def content_positions(axis: Axis) -> Bool[np.ndarray, " position"]:
    """True for positions that carry content: no markers, no bare punctuation."""
    content = np.ones(len(axis), dtype=bool)
    if isinstance(axis, TokenAxis):
        content[:] = [any(character.isalnum() for character in text) for text in axis.tokens]
    content[list(special_positions(axis))] = False
    return content


def link_candidates(
    attention: AttentionMap, same_positions: bool
) -> Float[np.ndarray, "query key"]:
    """1 where a weight of `attention` counts as a link, 0 elsewhere.

    Both positions carry content. Where queries and keys are the same positions they also lie at
    least `NEAREST_LINK` apart and differ in text, because a repeated word finds itself trivially.
    """
    content = np.outer(content_positions(attention.query), content_positions(attention.key))
    if same_positions:
        texts = np.unique(attention.query.labels, return_inverse=True)[1]
        content &= position_distances(*content.shape) >= NEAREST_LINK
        content &= texts[:, np.newaxis] != texts
    return content.astype(np.float32)


def strongest_link(
    weights: Float[np.ndarray, "query key"], candidates: Float[np.ndarray, "query key"]
) -> Link | None:
    """The largest weight of one head among the cells that are 1 in `candidates`."""
    scored = weights * candidates
    query, key = (int(index) for index in np.unravel_index(scored.argmax(), scored.shape))
    if not scored[query, key] > 0:
        return None
    return Link(query, key, float(weights[query, key]))
