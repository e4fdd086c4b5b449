"""What a model loses with each head: its causal importance."""

import dataclasses
from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float

from attnreport._errors import InvalidAttentionError

# Which heads each of several versions of a model keeps, and the score of each on each example.
RescoreHeads = Callable[[Bool[np.ndarray, "version head"]], Float[np.ndarray, "version example"]]


# Signs that are drawn to tell falls from chance, and how often chance may do as well.
_FLIPS = 1999
_TELLING = 0.05


@dataclasses.dataclass(frozen=True, eq=False)
class HeadImportance:
    """How far a model's score falls without each head.

    Attributes:
        fall: Mean over examples, in the unit of the score; below 0 where it rises.
        error: Standard error of that mean; NaN of one example.
        needed: Whether the score falls by more than chance would let any of the heads seem to,
            in 95 of 100 cases; False of one example.
    """

    fall: Float[np.ndarray, " head"]
    error: Float[np.ndarray, " head"]
    needed: Bool[np.ndarray, " head"]


def head_importance(rescore: RescoreHeads, heads: int) -> HeadImportance:
    """How far the score falls without each head alone, on the same examples.

    Heads do one another's work, so those that seem of no importance one by one may be needed
    together.

    Source: Michel, Levy and Neubig (2019), "Are Sixteen Heads Really Better than One?", section
    3.2, where heads are masked one at a time.

    Args:
        rescore: Scores versions of the model, of which each keeps the heads that are True, counted
            through the layers. What stands in for a head, nothing or its mean output over a data
            set, is up to it.
        heads: How many heads there are.

    Raises:
        InvalidAttentionError: There is no head, or `rescore` did not give a score for each version
            and example.
    """
    if heads < 1:
        raise InvalidAttentionError(f"There are {heads} heads to leave out. Give at least one.")
    kept = np.concatenate([np.ones((1, heads), dtype=bool), ~np.eye(heads, dtype=bool)])
    scores = np.asarray(rescore(kept), dtype=np.float64)
    if scores.ndim != 2 or len(scores) != len(kept) or not scores.size:
        raise InvalidAttentionError(
            f"`rescore` was given {len(kept)} versions of a model and returned scores of shape "
            f"{scores.shape}. It must return one score per version and example."
        )
    falls = scores[0] - scores[1:]
    examples = falls.shape[1]
    if examples == 1:
        return HeadImportance(falls[:, 0], np.full(heads, np.nan), np.zeros(heads, dtype=bool))
    error = falls.std(axis=1, ddof=1) / np.sqrt(examples)
    return HeadImportance(falls.mean(axis=1), error, _more_than_chance(falls))


def _more_than_chance(falls: Float[np.ndarray, "head example"]) -> Bool[np.ndarray, " head"]:
    """Which heads have a mean fall in so many errors as chance gives the best of all heads rarely.

    Were a head of no importance, its fall on an example might as well be a rise. So all falls on
    an example change their sign together, by lot, and the greatest ratio of mean and error among
    all heads is what chance has to offer.

    Source: Nichols and Holmes (2002), "Nonparametric Permutation Tests for Functional
    Neuroimaging", on signs and on the greatest of many.
    """
    draws = np.random.default_rng(0).choice((-1.0, 1.0), (_FLIPS, falls.shape[1]))
    greatest = _ratios(falls @ draws.T / falls.shape[1], falls).max(axis=0)
    own = _ratios(falls.mean(axis=1, keepdims=True), falls)
    as_good = (greatest >= own - 1e-9).sum(axis=1)
    return (own[:, 0] > 0) & ((1 + as_good) / (1 + _FLIPS) <= _TELLING)


def _ratios(
    means: Float[np.ndarray, "head draw"], falls: Float[np.ndarray, "head example"]
) -> Float[np.ndarray, "head draw"]:
    """Means in standard errors; signs leave the squares as they are. A head without falls has 0."""
    squares = (falls**2).mean(axis=1, keepdims=True)
    error = np.sqrt(np.maximum(squares - means**2, 1e-12 * squares) / (falls.shape[1] - 1))
    return np.divide(means, error, out=np.zeros_like(means), where=error > 0)
