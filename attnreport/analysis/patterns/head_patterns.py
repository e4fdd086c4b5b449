"""Every pattern that a head shows, with the evidence for it and how sure that is.

`PATTERNS` gives a head one name for a picture of all heads. Here a head may show several patterns
at once, or none, and each is told beside what even attention would do.
"""

import dataclasses

import numpy as np
from jaxtyping import Float

from attnreport.analysis.patterns.candidates import Candidate
from attnreport.analysis.patterns.pattern_measures import DEFINITIONS, GENERAL
from attnreport.analysis.patterns.resampling import share_reaching
from attnreport.analysis.statistics.map_rows import MapRows
from attnreport.analysis.statistics.rows import mean_over_rows
from attnreport.analysis.words import noun_of, quoted_label
from attnreport.recording import AttentionMap

# What each pattern means, by its name, in the order of `DEFINITIONS`.
HEAD_PATTERNS = {name: meaning for name, (meaning, _) in DEFINITIONS.items()}
# What a head is called that shows none of them.
NO_PATTERN = "no pattern"
# Of fewer rows nothing is said.
FEWEST_ROWS = 3
# Below this confidence a pattern is not said to be there.
LEAST_CONFIDENCE = 0.5
# Another order of additions must not lose a head that just reaches a threshold.
_ROUNDING = 1e-6


@dataclasses.dataclass(frozen=True)
class HeadPattern:
    """How much one head shows one pattern.

    Attributes:
        name: A key of `HEAD_PATTERNS`.
        value: Mean over the rows that tell of it, from 0 to 1.
        chance: What even attention would have on the same rows.
        threshold: The value from which the head shows the pattern.
        confidence: In what share of 1000 resamples of the rows the value reaches the threshold.
            One row that wholly shows the pattern and one that does not at all are added, so that
            few rows are never sure.
        rows: How many rows tell of it.
        evidence: The value and chance as a plain sentence. Tokens are in it as they are displayed.
        key: The key that it is about, for patterns of one key.
        offset: How far on the head looks, for a positional one.
    """

    name: str
    value: float
    chance: float
    threshold: float
    confidence: float
    rows: int
    evidence: str
    key: int | None = None
    offset: int | None = None

    @property
    def found(self) -> bool:
        """Whether the head shows the pattern: its value reaches the threshold, rather surely."""
        return self.value >= self.threshold and self.confidence >= LEAST_CONFIDENCE


def head_patterns(attention: AttentionMap, *, every: bool = False) -> list[list[HeadPattern]]:
    """The patterns of each head of a map, those that say most first.

    A pattern of shares is found where a head is `DOMINANT` (for sinks and stripes `SINK`) of the
    way from what even attention gives to all; a positional one where the heaviest key of
    `POSITIONAL` of the rows is at the same offset; a broad one from `BROAD` of the highest
    entropy; each with a confidence of `LEAST_CONFIDENCE`. Rows without a choice tell nothing, and
    of fewer than `FEWEST_ROWS` nothing is said. Among those found, patterns that say where come
    before those that say how wide, and those farther from chance come first. Gates have none:
    their strengths are not shared out.

    Args:
        attention: The map.
        every: Give what was measured and not found, too, after what was found.
    """
    if attention.kind == "gate":
        return [[] for _ in range(attention.heads)]
    measured = [head for rows in MapRows.blocks(attention) for head in _measured(rows, every)]
    return [
        sorted((pattern for pattern in head if every or pattern.found), key=_telling)
        for head in measured
    ]


def _measured(rows: MapRows, every: bool) -> list[list[HeadPattern]]:
    """For each head all patterns of which rows tell, or those that it may show."""
    found: list[list[HeadPattern]] = [[] for _ in rows.shares]
    for name, (_, measure) in DEFINITIONS.items():
        candidate = measure(rows)
        if candidate is None:
            continue
        # Most heads are far from most patterns, and drawing their rows again would tell nothing.
        worth = every | (_margins(candidate) >= -_ROUNDING)
        for head in np.flatnonzero(worth):
            pattern = _judged(name, candidate, int(head), rows.attention)
            if pattern:
                found[head].append(pattern)
    return found


def _margins(candidate: Candidate) -> Float[np.ndarray, " head"]:
    """By how much the mean of each head is over what it should reach; NaN where no row tells."""
    scores = candidate.scores.astype(np.float64)
    return mean_over_rows(scores - candidate.floor)


def _telling(pattern: HeadPattern) -> tuple[bool, bool, float]:
    above = (pattern.value - pattern.chance) / max(1 - pattern.chance, 1e-9)
    return (not pattern.found, pattern.name in GENERAL, -above)


def _judged(
    name: str, candidate: Candidate, head: int, attention: AttentionMap
) -> HeadPattern | None:
    """One head's rows put together; None if too few of them tell of the pattern."""
    scores = candidate.scores[head]
    tells = ~np.isnan(scores)
    if tells.sum() < FEWEST_ROWS:
        return None
    scores = scores[tells].astype(np.float64)
    chance = candidate.chance[head % len(candidate.chance)][tells].astype(np.float64)
    floor = candidate.floor[head % len(candidate.floor)][tells].astype(np.float64)
    threshold = float(floor.mean())
    margins = np.concatenate([scores - floor, [1 - threshold, -threshold]])
    key = None if candidate.keys is None else int(candidate.keys[head])
    offset = None if candidate.offsets is None else int(candidate.offsets[head])
    value, even = float(scores.mean()), float(chance.mean())
    return HeadPattern(
        name=name,
        value=value,
        chance=even,
        threshold=threshold,
        confidence=share_reaching(margins),
        rows=int(tells.sum()),
        evidence=_sentence(candidate.sentence, value, even, key, offset, attention),
        key=key,
        offset=offset,
    )


def _sentence(
    template: str,
    value: float,
    chance: float,
    key: int | None,
    offset: int | None,
    attention: AttentionMap,
) -> str:
    label = "" if key is None else quoted_label(attention.key, key)
    return template.format(
        value=value, chance=chance, key=label, offset=_offset(offset or 0, attention)
    )


def _offset(offset: int, attention: AttentionMap) -> str:
    if offset == 0:
        return "at the row's own place"
    count = f"{abs(offset)} {noun_of(attention.key, abs(offset))}"
    return f"{count} before" if offset < 0 else f"{count} after"
