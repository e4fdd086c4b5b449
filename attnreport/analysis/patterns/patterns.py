"""Names the thing a head does most, where it does one thing clearly."""

import dataclasses

from attnreport.analysis.words import noun_of
from attnreport.recording import Axis, TokenAxis

# Share of all attention that must follow a pattern before the head is named after it.
DOMINANT = 0.4
# Share of the highest possible entropy from which a head is broad.
BROAD = 0.8
# Share of the highest possible entropy from which a head is broad although one place gets
# `DOMINANT`: among two or three keys an even spread gives that much to each.
EVEN = 0.95
# Share of the highest possible entropy up to which a head of cross-attention is sharp.
SHARP = 0.3
# Share of steps that must not go back before a sharp head reads in order.
IN_ORDER = 0.8

# Every pattern with what it says to a newcomer. Legends keep this order.
PATTERNS: dict[str, str] = {
    "previous token": "Most attention goes to the token just before.",
    "next token": "Most attention goes to the token just after.",
    "itself": "Most attention stays where it is.",
    "first token": "Every token looks mostly at the first one.",
    "last token": "Every token looks mostly at the last one.",
    "special tokens": "Most attention goes to markers that are not text.",
    "one token": "Every token looks mostly at the same one.",
    "in order": "Each step looks at few places and moves on from left to right.",
    "sharp": "Each step looks at few places, in no fixed order.",
    "broad": "Attention is spread over nearly everything.",
    "mixed": "No single pattern dominates.",
    "no choice": "No row has more than one place to look at.",
}


@dataclasses.dataclass(frozen=True)
class Shares:
    """What patterns are judged by. All are shares from 0 to 1.

    Attributes:
        previous: Attention of all rows that goes one position back.
        next: Attention of all rows that goes one position on.
        itself: Attention of all rows that stays.
        first: Attention of all rows that goes to the first key.
        last: Attention of all rows that goes to the last key.
        special: Attention of all rows that goes to special keys.
        top: Attention of all rows that goes to the key that gets most.
        majority: Rows whose largest weight is on the key that gets most.
        entropy: Mean entropy as a share of the highest possible.
        in_order: Steps that do not go back; None where there is no step.
        same_positions: Whether queries and keys are the same positions, as in self-attention.
        ordered: Whether keys stand in an order, so that one of them is the first.
    """

    previous: float
    next: float
    itself: float
    first: float
    last: float
    special: float
    top: float
    majority: float
    entropy: float
    in_order: float | None
    same_positions: bool
    ordered: bool


def pattern_name(shares: Shares) -> str:
    """The pattern that `shares` show most strongly: a key of `PATTERNS`, never `no choice`.

    From `EVEN` of the highest entropy on a head is broad. Else, among places with a share of at
    least `DOMINANT`, the largest wins, and of equals the first; special tokens together come after
    every single place. Cross-attention up to `SHARP` of the highest entropy is in order from
    `IN_ORDER` on, else sharp. What is left is broad from `BROAD` of the highest entropy, else
    mixed.
    """
    if shares.entropy >= EVEN:
        return "broad"
    place = _dominant_place(shares)
    if place:
        return place
    if shares.special >= DOMINANT:
        return "special tokens"
    if not shares.same_positions and shares.entropy <= SHARP:
        return "in order" if (shares.in_order or 0) >= IN_ORDER else "sharp"
    return "broad" if shares.entropy >= BROAD else "mixed"


def _dominant_place(shares: Shares) -> str | None:
    places: dict[str, float] = {}
    if shares.same_positions:
        places |= {
            "previous token": shares.previous,
            "next token": shares.next,
            "itself": shares.itself,
        }
    # A translation of two words that looks at each word once gives each key half: without a
    # majority of rows that is no preference for a key.
    if shares.same_positions or shares.majority > 0.5:
        if shares.ordered:
            places |= {"first token": shares.first, "last token": shares.last}
        places["one token"] = shares.top
    # Rounding keeps float noise from preferring a later name among equals.
    best = max(places, key=lambda name: round(places[name], 6), default=None)
    return best if best and places[best] >= DOMINANT else None


def pattern_title(pattern: str, key: Axis) -> str:
    """A pattern as it is called among what stands on the key axis: `one cell`, not `one token`."""
    if isinstance(key, TokenAxis) or pattern == "special tokens":
        return pattern
    return pattern.replace("token", noun_of(key, 1))
