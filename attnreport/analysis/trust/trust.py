"""Whether attention says more of what a model needs than an order drawn at random."""

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from attnreport._errors import InvalidAttentionError
from attnreport.analysis.trust.faithfulness import (
    Rescore,
    comprehensiveness,
    curves_of,
    heaviest_first,
    kept_without,
    random_orders,
    sufficiency,
)

# Shares of the positions that are taken away or kept: the bins of DeYoung et al. (2020), after
# the whole input.
SHARES = (0.0, 0.01, 0.05, 0.1, 0.2, 0.5)
# How many orders are drawn at random to compare with.
ORDERS = 20
# Scores that differ by less are equal.
_ROUNDING = 1e-9


@dataclasses.dataclass(frozen=True)
class AgainstRandom:
    """A number of one order beside those of orders drawn at random.

    Attributes:
        value: Of the order.
        mean: Of the random orders.
        error: Standard error of that mean.
        interval: Between which 95% of the random orders lie.
        chance: How probable it is that an order drawn at random is at least as good, from
            1 / (draws + 1) to 1.
    """

    value: float
    mean: float
    error: float
    interval: tuple[float, float]
    chance: float

    @property
    def better(self) -> bool:
        """Whether at most one in twenty random orders is as good."""
        return self.chance <= 0.05


@dataclasses.dataclass(frozen=True, eq=False)
class Trust:
    """How faithful one order is on one input.

    Attributes:
        shares: Shares of the positions taken away, or kept.
        deletion: The score without the first positions, for each share.
        insertion: The score of nothing but these, for each share but the first, and for all.
        random_deletion: The same for each order drawn at random.
        random_insertion: The same.
        comprehensiveness: How far the score falls without the first positions; more is better.
        sufficiency: How far it is below that of the whole input with nothing else; less is better.
    """

    shares: tuple[float, ...]
    deletion: Float[np.ndarray, " share"]
    insertion: Float[np.ndarray, " share"]
    random_deletion: Float[np.ndarray, "draw share"]
    random_insertion: Float[np.ndarray, "draw share"]
    comprehensiveness: AgainstRandom
    sufficiency: AgainstRandom


def measure_trust(
    rescore: Rescore,
    weights: Float[np.ndarray, " position"],
    shares: Sequence[float] = SHARES,
    *,
    draws: int = ORDERS,
    seed: int = 0,
) -> Trust:
    """Deletion and insertion in descending order of weights, beside orders drawn at random.

    The same for weights of other kinds, such as gradient times attention, says which is the more
    faithful; with one seed all are compared with the same random orders.

    Source: of the measures DeYoung et al. (2020), "ERASER", section 4.2; that attention be
    compared with random orders is from Serrano and Smith (2019), "Is Attention Interpretable?",
    section 4.

    Args:
        rescore: Scores versions of the input, of which each keeps the positions that are True;
            it gets those of all orders at once.
        weights: A weight of each position.
        shares: Shares of the positions to take away or keep, rising from 0, for the whole input,
            to below 1. Of short inputs small shares round to no position.
        draws: How many orders to draw; with fewer than 19 no order can be `better`.
        seed: Of the random orders.

    Raises:
        InvalidAttentionError: The shares do not rise from 0 to below 1, no order is drawn, or
            `rescore` does not give a score for each version.
    """
    _require_plan(shares, draws)
    orders = [heaviest_first(weights), *random_orders(len(weights), draws, seed=seed)]
    without = [kept_without(order, shares) for order in orders]
    # The curve of what is kept ends with the whole input, as the other begins with it.
    only = [~kept_without(order, (*shares, 1.0)[1:]) for order in orders]
    scores = curves_of(rescore, [np.concatenate(pair) for pair in zip(without, only, strict=True)])
    return _trust(tuple(shares), scores[:, : len(shares)], scores[:, len(shares) :])


def mean_trust(found: Sequence[Trust]) -> Trust:
    """The trust in one kind of weights over several inputs: the mean of their curves.

    The first random order of each input makes up the first mean random curve, and so on, so that
    chance is told on means as well.

    Args:
        found: Of each input, measured at the same shares and with as many random orders, which
            should have seeds of their own.

    Raises:
        InvalidAttentionError: There is no input, or they were measured differently.
    """
    plans = {(each.shares, len(each.random_deletion)) for each in found}
    if len(plans) != 1:
        raise InvalidAttentionError(
            f"The trust of {len(found)} inputs was measured in {len(plans)} ways. Measure at least "
            "one input, and all at the same shares with as many random orders."
        )

    def mean(own: str, random: str) -> Float[np.ndarray, "order share"]:
        curves = [np.vstack([getattr(each, own), getattr(each, random)]) for each in found]
        return np.mean(curves, axis=0)

    return _trust(
        found[0].shares,
        mean("deletion", "random_deletion"),
        mean("insertion", "random_insertion"),
    )


def _trust(
    shares: tuple[float, ...],
    deletion: Float[np.ndarray, "order share"],
    insertion: Float[np.ndarray, "order share"],
) -> Trust:
    """What curves say of the first order, where the others are random."""
    falls = np.array([comprehensiveness(curve) for curve in deletion])
    gaps = np.array([sufficiency(curve) for curve in insertion])
    return Trust(
        shares=shares,
        deletion=deletion[0],
        insertion=insertion[0],
        random_deletion=deletion[1:],
        random_insertion=insertion[1:],
        comprehensiveness=against_random(falls[0], falls[1:]),
        sufficiency=against_random(gaps[0], gaps[1:], less_is_better=True),
    )


def against_random(
    value: float, random: Float[np.ndarray, " draw"], *, less_is_better: bool = False
) -> AgainstRandom:
    """A number beside those of random orders.

    Source: for `chance`, Phipson and Smyth (2010), "Permutation P-values Should Never Be Zero",
    section 3: (1 + how many random ones are at least as good) / (1 + how many there are).

    Args:
        value: Of the order in question.
        random: Of orders drawn at random, at least one.
        less_is_better: Whether a lower number is the better one.
    """
    count = len(random)
    sign = -1 if less_is_better else 1
    as_good = sign * random >= sign * value - _ROUNDING
    low, high = np.quantile(random, (0.025, 0.975))
    error = random.std(ddof=1) / np.sqrt(count) if count > 1 else np.nan
    return AgainstRandom(
        float(value),
        float(random.mean()),
        float(error),
        (float(low), float(high)),
        float((1 + as_good.sum()) / (1 + count)),
    )


def _require_plan(shares: Sequence[float], draws: int) -> None:
    rising = len(shares) > 1 and shares[0] == 0 and shares[-1] < 1
    if not rising or any(b <= a for a, b in itertools.pairwise(shares)) or draws < 1:
        raise InvalidAttentionError(
            f"The shares are {list(shares)} with {draws} random orders. Give shares that rise from "
            "0 to below 1, at least two, and draw one order or more."
        )
