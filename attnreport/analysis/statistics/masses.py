"""How much of each row goes to chosen keys: the first one, markers, neighbors, the same word."""

import string
import unicodedata

import numpy as np
from jaxtyping import Bool, Float

from attnreport.analysis.statistics.distance import same_positions
from attnreport.analysis.statistics.rows import row_shares
from attnreport.analysis.words import display_text
from attnreport.recording import (
    UNORDERED,
    AttentionMap,
    Axis,
    GridAxis,
    ItemAxis,
    StepAxis,
    TokenAxis,
    special_positions,
)


def mass(
    weights: Float[np.ndarray, "*#head query key"],
    targets: Bool[np.ndarray, "*#head query key"],
    allowed: Bool[np.ndarray, "*#head query key"] | None = None,
) -> Float[np.ndarray, "... query"]:
    r"""Share of each row that goes to chosen keys, from 0 to 1.

    A row that may look at none of them has no share, such as the first one at the token before;
    nor has a row that looks nowhere: NaN. Of `uniform_rows` it is the number of the chosen keys
    divided by that of all the query may look at.

    $$ m_q = \sum_{k \in T_q} p_{q,k} $$

    Source: Clark et al. (2019), "What Does BERT Look At?", sections 3.1 and 3.2, with the average
    attention of a head to neighbors, separators and punctuation.

    Args:
        weights: Post-softmax weights or strengths.
        targets: True for the keys chosen for each query.
        allowed: True where a query may look at a key; everywhere if left out.
    """
    return mass_of_shares(row_shares(weights, allowed), targets, allowed)


def mass_of_shares(
    shares: Float[np.ndarray, "*#head query key"],
    targets: Bool[np.ndarray, "*#head query key"],
    allowed: Bool[np.ndarray, "*#head query key"] | None = None,
) -> Float[np.ndarray, "... query"]:
    """`mass` of rows that are shares already: long texts are looked at for a dozen targets."""
    reachable = targets if allowed is None else targets & allowed
    found = np.vecdot(shares, reachable.astype(shares.dtype))
    return np.where(reachable.any(axis=-1), np.clip(found, 0, 1), np.nan)


def key_targets(attention: AttentionMap) -> dict[str, Bool[np.ndarray, "query key"]]:
    """The keys that a map's queries have in a special place, by the name of that place.

    Only places that make sense are there: no neighbors without queries and keys at the same
    positions or among the cells of a grid, no first one among experts, which stand in no order.
    """
    query, key = attention.query, attention.key
    found = {}
    if attention.kind not in UNORDERED:
        found["first"] = every_query(query, np.arange(len(key)) == 0)
    if special_positions(key):
        found["special"] = every_query(query, special_keys(key))
    if same_positions(attention):
        found["itself"] = np.eye(len(key), dtype=bool)
        if not isinstance(key, GridAxis):
            found["previous"] = np.eye(len(key), k=-1, dtype=bool)
            found["next"] = np.eye(len(key), k=1, dtype=bool)
    if _is_text(query) and _is_text(key):
        found["same token"] = equal_texts(query, key, elsewhere=same_positions(attention))
    if isinstance(key, TokenAxis):
        found["punctuation"] = every_query(query, punctuation_keys(key))
    return {name: targets for name, targets in found.items() if targets.any()}


def every_query(query: Axis, keys: Bool[np.ndarray, " key"]) -> Bool[np.ndarray, "query key"]:
    """The same keys for every query."""
    return np.broadcast_to(keys, (len(query), len(keys)))


def special_keys(axis: Axis) -> Bool[np.ndarray, " key"]:
    """True for markers that are no content, such as `[SEP]` or a class token."""
    found = np.zeros(len(axis), dtype=bool)
    found[list(special_positions(axis))] = True
    return found


def punctuation_keys(axis: TokenAxis) -> Bool[np.ndarray, " key"]:
    """True for tokens of nothing but punctuation, as the marks of tokenizers are taken off."""
    return np.array([_is_punctuation(token) for token in axis.tokens]) & ~special_keys(axis)


def equal_texts(query: Axis, key: Axis, *, elsewhere: bool) -> Bool[np.ndarray, "query key"]:
    """True where query and key have the same text, to the letter, and none is a marker.

    Args:
        query: What looks.
        key: What is looked at.
        elsewhere: Leave out each position itself, where both are the same positions.
    """
    numbers: dict[str, int] = {}
    texts = [
        [numbers.setdefault(text, len(numbers)) for text in axis.labels] for axis in (query, key)
    ]
    found = np.equal.outer(*(np.array(each) for each in texts))
    found &= np.logical_and.outer(~special_keys(query), ~special_keys(key))
    if elsewhere:
        np.fill_diagonal(found, False)
    return found


def _is_text(axis: Axis) -> bool:
    return isinstance(axis, (TokenAxis, ItemAxis, StepAxis))


def _is_punctuation(token: str) -> bool:
    return all(
        character in string.punctuation or unicodedata.category(character).startswith("P")
        for character in display_text(token).strip()
    )
