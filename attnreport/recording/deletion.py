"""How the score of a model falls as parts of its inputs are taken away."""

import dataclasses
import itertools
import math
import operator
from collections import Counter
from typing import Any

from attnreport._errors import InvalidAttentionError


@dataclasses.dataclass(frozen=True)
class DeletionCurve:
    """The mean score of a model without a share of each input, in one order of taking away.

    Attributes:
        name: The order, such as `heaviest attention first`.
        scores: The score at each share.
        spread: The least and the greatest score at each share, where the order was drawn several
            times; empty where it is the only one.
        chance: How probable it is that an order drawn at random does at least as well, above 0 to
            1, such as `attnreport.analysis.AgainstRandom.chance`; None where that is not known.
        draws: With how many orders drawn at random that was found; 0 where that is not known.
    """

    name: str
    scores: tuple[float, ...]
    spread: tuple[tuple[float, float], ...] = ()
    chance: float | None = None
    draws: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "draws", operator.index(self.draws))
        if self.chance is not None:
            object.__setattr__(self, "chance", float(self.chance))
        object.__setattr__(self, "scores", tuple(float(score) for score in self.scores))
        spread = tuple((float(least), float(greatest)) for least, greatest in self.spread)
        object.__setattr__(self, "spread", spread)
        if spread and len(spread) != len(self.scores):
            raise InvalidAttentionError(
                f"Deletion curve {self.name!r} has {len(self.scores)} scores and a spread of "
                f"{len(spread)}. Give the least and the greatest score at each share, or none."
            )
        numbers = (*self.scores, *(bound for bounds in spread for bound in bounds))
        if not all(map(math.isfinite, numbers)):
            raise InvalidAttentionError(
                f"Deletion curve {self.name!r} has a score that is not finite. Give numbers."
            )
        if self.chance is not None and not 0 < self.chance <= 1:
            raise InvalidAttentionError(
                f"Deletion curve {self.name!r} has a chance of {self.chance}. Give a probability "
                "above 0, at most 1: random orders are never all worse for certain."
            )


@dataclasses.dataclass(frozen=True)
class Deletion:
    """How the score of a model falls as positions are taken out of its inputs, order by order.

    The faster it falls, the more the model needs what an order takes first. See
    `attnreport.analysis.deletion_curve`.

    Attributes:
        score: What falls, such as `probability of the predicted label`.
        positions: What is taken out, such as `words`.
        shares: Shares of the positions that are gone, rising from 0, at most 1.
        curves: A curve for each order, that of attention first.
        data: On what it was measured, such as `this text`.
    """

    score: str
    positions: str
    shares: tuple[float, ...]
    curves: tuple[DeletionCurve, ...]
    data: str = "the test set"

    def __post_init__(self) -> None:
        object.__setattr__(self, "shares", _checked_shares(self.shares))
        object.__setattr__(self, "curves", tuple(self.curves))
        if not self.curves:
            raise InvalidAttentionError(
                "A deletion needs at least one curve, and got none. Give the scores of an order, "
                "or leave it out of the recording."
            )
        for curve in self.curves:
            if len(curve.scores) != len(self.shares):
                raise InvalidAttentionError(
                    f"Deletion curve {curve.name!r} has {len(curve.scores)} scores for "
                    f"{len(self.shares)} shares. Give one score per share."
                )
        (name, times), *_ = Counter(curve.name for curve in self.curves).most_common(1)
        if times > 1:
            raise InvalidAttentionError(
                f"{times} curves of a deletion are called {name!r}. Give each a name of its own."
            )

    def __repr__(self) -> str:
        """What was measured, without the scores."""
        names = ", ".join(repr(curve.name) for curve in self.curves)
        most = f"{self.shares[-1]:.0%} of the {self.positions}"
        return f"Deletion({self.score!r} without up to {most}: {names})"


def _checked_shares(shares: Any) -> tuple[float, ...]:
    found = tuple(float(share) for share in shares)
    rising = all(before < after for before, after in itertools.pairwise(found))
    if len(found) < 2 or found[0] != 0 or not rising or not found[-1] <= 1:
        raise InvalidAttentionError(
            f"The shares of a deletion are {list(found)}. Give at least two, rising from 0 to at "
            "most 1."
        )
    return found
