"""What each row would do if a head had a pattern: chosen keys, round trips, one offset, spread."""

import dataclasses
from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Int

from attnreport.analysis.statistics.entropy import normalized_entropy
from attnreport.analysis.statistics.map_rows import MapRows
from attnreport.analysis.statistics.masses import mass_of_shares

# How far from chance (0) to all (1) a row's share must be for the row to show a pattern: so small
# texts, in which even attention gives much to every key, need more.
DOMINANT = 0.4
# Weights that differ by less, as a share of the larger, are equal.
_ROUNDING = 1e-5


@dataclasses.dataclass(frozen=True, eq=False)
class Candidate:
    """How much each row of each head shows one pattern.

    Attributes:
        scores: From 0 to 1; NaN where a row tells nothing of it.
        chance: What even attention would give.
        floor: What a row must reach to show the pattern.
        sentence: Says with `{value}` and `{chance}` what a head does; it may have `{key}` and
            `{offset}` too.
        keys: The key of each head that it is about, if it is about one.
        offsets: How far on each head looks, if it is about that.
    """

    scores: Float[np.ndarray, "head query"]
    chance: Float[np.ndarray, "#head query"]
    floor: Float[np.ndarray, "#head query"]
    sentence: str
    keys: Int[np.ndarray, " head"] | None = None
    offsets: Int[np.ndarray, " head"] | None = None


Measurer = Callable[[MapRows], Candidate | None]


def toward(
    rows: MapRows,
    targets: Bool[np.ndarray, "query key"] | Bool[np.ndarray, "head query key"] | None,
    does: str,
    *,
    level: float = DOMINANT,
    keys: Int[np.ndarray, " head"] | None = None,
) -> Candidate | None:
    """The share of each row that goes to chosen keys; None if no row has a choice of them.

    A row tells nothing if it may look at none of them, or at nothing else. `does` is what the
    attention then does, such as `goes to the token before`.
    """
    if targets is None:
        return None
    choice = (targets & rows.allowed).any(axis=-1) & (~targets & rows.allowed).any(axis=-1)
    if not choice.any():
        return None
    scores = np.where(choice, mass_of_shares(rows.shares, targets, rows.allowed), np.nan)
    chance = mass_of_shares(rows.even.shares, targets, rows.allowed)
    sentence = f"{{value:.0%}} of attention {does}; even attention gives {{chance:.0%}}."
    return Candidate(scores, chance, chance + level * (1 - chance), sentence, keys)


def round_trip(rows: MapRows) -> Candidate:
    r"""The probability that going from a query to a key and back leads home.

    1 means that each query has keys of its own, as in a one-to-one alignment. Even attention has
    $1/Q$.

    $$ r_q = \sum_k p_{q,k} \, \frac{p_{q,k}}{\sum_{q'} p_{q',k}} $$

    Source: the product of the posteriors of both directions in Liang, Taskar and Klein (2006),
    "Alignment by Agreement", section 3, with one model read in both directions.
    """
    chance = _round_trips(rows.even.shares)
    return Candidate(
        _round_trips(rows.shares),
        chance,
        chance + DOMINANT * (1 - chance),
        "Going from a query to a key and back leads home {value:.0%} of the time; even attention "
        "does {chance:.0%}.",
    )


def _round_trips(shares: Float[np.ndarray, "head query key"]) -> Float[np.ndarray, "head query"]:
    columns = np.nansum(shares, axis=-2, keepdims=True)
    return np.vecdot(shares, shares / np.where(columns > 0, columns, 1))


def steady_offset(rows: MapRows, level: float) -> Candidate | None:
    """Whether the heaviest key of each row is at the offset at which the head's mostly is.

    Where several keys are the heaviest alike, each counts for its part.
    """
    if rows.distances is None or not rows.sequence:
        return None
    count = len(rows.attention.key)
    may = rows.allowed.sum(axis=-1)
    places = np.arange(count)
    heaviest = _heaviest(rows.shares) * (may > 1)[..., np.newaxis]
    offsets = np.subtract.outer(-places, -places)
    usual = np.array(
        [
            np.bincount((offsets + count).ravel(), weights=head.ravel()).argmax() - count
            for head in heaviest
        ]
    )
    there = places + usual[:, np.newaxis]
    target = there[..., np.newaxis] == places
    tells = (target & rows.allowed).any(axis=-1) & (heaviest.sum(axis=-1) > 0)
    return Candidate(
        np.where(tells, np.vecdot(heaviest, target.astype(heaviest.dtype)), np.nan),
        1 / np.maximum(may, 1),
        np.full(may.shape, level),
        "The heaviest key of {value:.0%} of the rows is {offset}; by chance it would be of "
        "{chance:.0%}.",
        offsets=usual,
    )


def _heaviest(shares: Float[np.ndarray, "head query key"]) -> Float[np.ndarray, "head query key"]:
    """A one for the heaviest key of each row, shared out among equals; 0 where all is NaN."""
    known = np.nan_to_num(shares)
    most = known.max(axis=-1, keepdims=True)
    found = (known >= most * (1 - _ROUNDING)) & (most > 0)
    return found / np.maximum(found.sum(axis=-1, keepdims=True), 1)


def spread(rows: MapRows, level: float) -> Candidate:
    """How near each row is to looking at everything alike."""
    scores = normalized_entropy(rows.shares, rows.allowed)
    return Candidate(
        scores,
        np.ones((1, scores.shape[-1])),
        np.full((1, scores.shape[-1]), level),
        "The entropy of a row is {value:.0%} of the highest it could have.",
    )
