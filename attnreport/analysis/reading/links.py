"""The two words that a group of self-attention heads connects."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

from attnreport.analysis.words import word_spans
from attnreport.recording import AttentionMap, Axis, TokenAxis, special_positions


@dataclasses.dataclass(frozen=True)
class Link:
    """One weight between two words.

    Attributes:
        query: Position that looks.
        key: Position looked at.
        layer: Layer of the head that links them most strongly.
        head: Number of that head in its layer.
        weight: Its weight.
    """

    query: int
    key: int
    layer: int
    head: int
    weight: float


def content_positions(axis: Axis) -> Bool[np.ndarray, " position"]:
    """True for positions that carry content: no markers, no bare punctuation."""
    content = np.ones(len(axis), dtype=bool)
    if isinstance(axis, TokenAxis):
        content[:] = [any(character.isalnum() for character in text) for text in axis.tokens]
    content[list(special_positions(axis))] = False
    return content


def later_maps(maps: Sequence[AttentionMap]) -> Sequence[AttentionMap]:
    """The later half of the layers, where heads follow meaning more than place."""
    return maps[len(maps) // 2 :]


def agreed_link(maps: Sequence[AttentionMap]) -> Link | None:
    """The two words that the later half of the layers connects most, and the head that does.

    It is the largest mean weight, over all heads of those layers, between two content positions
    that are neither neighbors nor of the same word or text. Averaging over heads passes over the
    many heads that follow position, and finds pairs such as a pronoun and its noun. None if all
    such weights are 0.

    Args:
        maps: Self-attention over the same positions, in the order of layers.
    """
    total = np.zeros((len(maps[0].query), len(maps[0].key)), dtype=np.float32)
    for attention in later_maps(maps):
        for head in range(attention.heads):
            total += attention.head(head)
    total[~_candidates(maps[0].key)] = 0
    query, key = (int(index) for index in np.unravel_index(total.argmax(), total.shape))
    if not total[query, key] > 0:
        return None
    weight, layer, head = max(
        (
            (float(attention.head(head)[query, key]), layer, head)
            for layer, attention in enumerate(maps)
            for head in range(attention.heads)
        ),
        key=lambda found: found[0],
    )
    return Link(query, key, layer, head, weight)


def _candidates(axis: Axis) -> Bool[np.ndarray, "query key"]:
    """True where two positions are content, no neighbors, and of different words and texts."""
    content = content_positions(axis)
    words = np.empty(len(axis), dtype=int)
    for word, span in enumerate(word_spans(axis)):
        words[span] = word
    texts = np.unique(np.array(axis.labels, dtype=object), return_inverse=True)[1]
    candidates = np.outer(content, content)
    candidates &= words[:, np.newaxis] != words
    candidates &= texts[:, np.newaxis] != texts
    for offset in (-1, 1):
        np.fill_diagonal(candidates[max(0, -offset) :, max(0, offset) :], False)
    return candidates
