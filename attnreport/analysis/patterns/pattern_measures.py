"""The patterns that heads are known for, and how each is measured on the rows of a map."""

import numpy as np
from jaxtyping import Bool

from attnreport.analysis.patterns.candidates import (
    Candidate,
    Measurer,
    round_trip,
    spread,
    steady_offset,
    toward,
)
from attnreport.analysis.patterns.induction import after_repeats
from attnreport.analysis.patterns.patterns import BROAD
from attnreport.analysis.statistics.map_rows import MapRows
from attnreport.analysis.statistics.masses import every_query, punctuation_keys, special_keys
from attnreport.analysis.statistics.sinks import SINK, sink_keys
from attnreport.analysis.words import display_text, noun_of
from attnreport.recording import UNORDERED, GridAxis, TokenAxis

# So many positions on each side make a local window; among cells, those that touch.
WINDOW = 3
_TOUCHING = 1.5
# Share of rows whose heaviest key is at one offset from which a head is positional.
POSITIONAL = 0.9

_SENTENCE_ENDS = frozenset(".!?…。！？")


def _at(place: str, words: str) -> Measurer:
    """Measures the attention to one of `key_targets`."""

    def measure(rows: MapRows) -> Candidate | None:
        does = words.format(noun=noun_of(rows.attention.key, 1))
        return toward(rows, rows.targets.get(place), does)

    return measure


def _induction(rows: MapRows) -> Candidate | None:
    if "same token" not in rows.targets or rows.distances is None:
        return None
    content = ~special_keys(rows.attention.query)
    after = after_repeats(rows.attention.key.labels) & content[:, np.newaxis]
    return toward(rows, after, "goes to what came after the same token before")


def _alignment(rows: MapRows) -> Candidate | None:
    if rows.attention.reference is not None:
        return toward(rows, rows.attention.reference, "goes to the keys that the reference links")
    return round_trip(rows) if rows.attention.kind == "cross" else None


def _sink_places(rows: MapRows) -> Bool[np.ndarray, " key"]:
    """The keys that are sinks when much attention flows there: the first one, and markers."""
    places = special_keys(rows.attention.key)
    places[0] |= rows.attention.kind not in UNORDERED
    return places


def _sink(rows: MapRows) -> Candidate | None:
    # The row of the sink counts, as it does where sinks are left out of the page.
    keys = sink_keys(rows.shares, rows.allowed, among=_sink_places(rows))
    return toward(rows, rows.only(keys), "goes to the sink {key}", level=SINK, keys=keys)


def _stripe(rows: MapRows) -> Candidate | None:
    keys = sink_keys(rows.shares, rows.allowed, among=~_sink_places(rows))
    targets = rows.only(keys)
    if rows.distances is not None:  # a query at the key itself tells nothing
        targets = targets & ~np.eye(targets.shape[-1], dtype=bool)
    return toward(rows, targets, "goes to the one key {key}", level=SINK, keys=keys)


def _delimiter(rows: MapRows) -> Candidate | None:
    key = rows.attention.key
    if not isinstance(key, TokenAxis):
        return None
    delimiters = special_keys(key) | punctuation_keys(key)
    # What stands first is a sink for other reasons than that it parts texts.
    delimiters[0] = False
    does = "goes to punctuation and the markers after texts"
    return toward(rows, every_query(rows.attention.query, delimiters), does)


def _positional(rows: MapRows) -> Candidate | None:
    return steady_offset(rows, POSITIONAL)


def _local(rows: MapRows) -> Candidate | None:
    if rows.distances is None:
        return None
    if isinstance(rows.attention.key, GridAxis):
        cells = ~special_keys(rows.attention.key)
        near = (rows.distances <= _TOUCHING) & np.logical_and.outer(cells, cells)
        return toward(rows, near, "stays in the own cell and those that touch it")
    noun = noun_of(rows.attention.key, WINDOW)
    return toward(rows, rows.distances <= WINDOW, f"stays within {WINDOW} {noun}")


def _block(rows: MapRows) -> Candidate | None:
    if rows.distances is None or not isinstance(rows.attention.key, TokenAxis):
        return None
    own = own_segment(rows.attention.key)
    content = own.diagonal()
    if own[np.ix_(content, content)].all():
        return None  # a text of one sentence is no block
    return toward(rows, own, "stays in the own sentence or segment")


def own_segment(axis: TokenAxis) -> Bool[np.ndarray, "query key"]:
    """True within each stretch of text that ends with a sentence or lies between markers."""
    special = special_keys(axis)
    ends = np.array([display_text(token).strip() in _SENTENCE_ENDS for token in axis.tokens])
    starts = np.concatenate([[False], ends[:-1]]) | special
    number = np.cumsum(starts)
    return np.equal.outer(number, number) & np.logical_and.outer(~special, ~special)


def _broad(rows: MapRows) -> Candidate:
    return spread(rows, BROAD)


# Every pattern with what it says to a newcomer, and how it is measured.
DEFINITIONS: dict[str, tuple[str, Measurer]] = {
    "previous token": (
        "Rows look at the token just before (Voita et al. 2019).",
        _at("previous", "goes to the {noun} before"),
    ),
    "next token": (
        "Rows look at the token just after (Clark et al. 2019).",
        _at("next", "goes to the {noun} after"),
    ),
    "itself": ("Rows stay where they are.", _at("itself", "stays at the own {noun}")),
    "duplicate token": (
        "Rows look at where their token stands elsewhere (Wang et al. 2023).",
        _at("same token", "goes to the same {noun} elsewhere"),
    ),
    "induction": (
        "Rows look at what came after their token before (Olsson et al. 2022).",
        _induction,
    ),
    "alignment": (
        "Each row has keys of its own across the two sequences, as a translation has.",
        _alignment,
    ),
    "sink": (
        "Rows put attention on the first token or a marker that they have no other use for "
        "(Xiao et al. 2024).",
        _sink,
    ),
    "vertical stripe": (
        "Rows look at the same piece of content, whoever asks (Jiang et al. 2024).",
        _stripe,
    ),
    "delimiter": (
        "Rows look at punctuation and the markers between texts (Clark et al. 2019).",
        _delimiter,
    ),
    "positional": (
        "The heaviest key is at one offset, whatever the words (Voita et al. 2019).",
        _positional,
    ),
    "local window": (f"Rows stay within {WINDOW} positions, or among touching cells.", _local),
    "block": ("Rows stay within their own sentence or segment.", _block),
    "broad": ("Rows look at nearly everything alike.", _broad),
}
# Patterns that say how wide a head looks, and not where.
GENERAL = frozenset({"positional", "local window", "block", "broad"})
