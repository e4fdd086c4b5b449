"""Whether a model went by what its attention points at: take that away, and score again.

Weights say where a model looked. Whether it needed what it saw there shows only when it is gone.
"""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from attnreport._errors import InvalidAttentionError

# Which positions each of several versions of an input keeps, and the model's score of each.
Rescore = Callable[[Bool[np.ndarray, "version position"]], Float[np.ndarray, " version"]]

# How many draws of a random order are averaged.
DRAWS = 5


def heaviest_first(weights: Float[np.ndarray, " position"]) -> Int[np.ndarray, " position"]:
    """Positions by descending weight; among equal ones the first comes first."""
    return np.argsort(-weights, kind="stable")


def deletion_curve(
    rescore: Rescore, order: Int[np.ndarray, " position"], shares: Sequence[float]
) -> Float[np.ndarray, " share"]:
    """The score without the first positions of an order, for each share of them.

    The faster it falls, the more the model needs what comes first. Compare it with
    `random_deletion_curve`: any input that loses words loses score.

    Source: Samek et al. (2017), "Evaluating the Visualization of What a Deep Neural Network Has
    Learned", whose regions of an image are words here.

    Args:
        rescore: Scores versions of the input, of which each keeps the positions that are True:
            usually the probability of the label that the model predicts for the whole input.
        order: All positions, in the order in which they go.
        shares: Shares of the positions to take away, from 0 to 1; the number of positions is
            rounded, half up.

    Raises:
        InvalidAttentionError: The order does not have each position once, a share is not in
            [0, 1], or `rescore` did not give a score for each version.
    """
    return _scores(rescore, kept_without(order, shares))


def insertion_curve(
    rescore: Rescore, order: Int[np.ndarray, " position"], shares: Sequence[float]
) -> Float[np.ndarray, " share"]:
    """The score of nothing but the first positions of an order, for each share of them.

    The faster it rises, the more what comes first is enough by itself.

    Source: Petsiuk, Das and Saenko (2018), "RISE: Randomized Input Sampling for Explanation of
    Black-box Models", section 4.2, whose pixels are words here.

    Args:
        rescore: As for `deletion_curve`.
        order: All positions, in the order in which they come.
        shares: Shares of the positions to keep, from 0 to 1; the number of positions is rounded,
            half up.

    Raises:
        InvalidAttentionError: As for `deletion_curve`.
    """
    return _scores(rescore, ~kept_without(order, shares))


def random_deletion_curve(
    rescore: Rescore, positions: int, shares: Sequence[float], *, seed: int = 0, draws: int = DRAWS
) -> Float[np.ndarray, " share"]:
    """The mean `deletion_curve` of orders drawn at random.

    Args:
        rescore: Scores versions of the input; it gets those of all draws at once.
        positions: How many positions the input has.
        shares: Shares of the positions to take away.
        seed: Of the orders.
        draws: How many orders to draw.
    """
    orders = random_orders(positions, draws, seed=seed)
    return curves_of(rescore, [kept_without(order, shares) for order in orders]).mean(axis=0)


def random_orders(
    positions: int, draws: int, *, seed: int = 0
) -> list[Int[np.ndarray, " position"]]:
    """Orders of the positions of an input, drawn at random."""
    random = np.random.default_rng(seed)
    return [random.permutation(positions) for _ in range(draws)]


def curves_of(
    rescore: Rescore, kept: Sequence[Bool[np.ndarray, "share position"]]
) -> Float[np.ndarray, "order share"]:
    """A curve for what is kept in each of several orders, all scored at once."""
    scores = _scores(rescore, np.concatenate(kept))
    return scores.reshape(len(kept), -1)


def kept_without(
    order: Int[np.ndarray, " position"], shares: Sequence[float]
) -> Bool[np.ndarray, "share position"]:
    """Which positions are left when each share of the first in an order is taken away."""
    places = np.asarray(order)
    if sorted(places.tolist()) != list(range(len(places))):
        raise InvalidAttentionError(
            f"The order {places.tolist()[:8]} has {len(places)} entries, but not each position "
            "from 0 on once. Give every position of the input once."
        )
    if not all(0 <= share <= 1 for share in shares):
        raise InvalidAttentionError(
            f"The shares to take away are {list(shares)}. Give numbers from 0 to 1."
        )
    rank = np.empty(len(places), dtype=int)
    rank[places] = np.arange(len(places))
    gone = np.floor(np.asarray(shares) * len(places) + 0.5)
    return rank >= gone[:, None]


def _scores(
    rescore: Rescore, kept: Bool[np.ndarray, "version position"]
) -> Float[np.ndarray, " version"]:
    scores = np.asarray(rescore(kept), dtype=np.float64)
    if scores.shape != (len(kept),):
        raise InvalidAttentionError(
            f"`rescore` was given {len(kept)} versions of an input and returned scores of shape "
            f"{scores.shape}. It must return one score per version."
        )
    return scores


def comprehensiveness(curve: Float[np.ndarray, " share"]) -> float:
    r"""How far the score falls on average over a deletion curve whose first share is 0.

    $$ \frac{1}{|B|} \sum_{k \in B} p(x) - p(x \setminus r_k) $$

    where $r_k$ are the positions taken away at share $k$ and $B$ are all shares but the first. 0 or
    less means that the model does as well without them.

    Source: DeYoung et al. (2020), "ERASER: A Benchmark to Evaluate Rationalized NLP Models",
    section 4.2, with the mean over shares at which the score can fall.

    Args:
        curve: What `deletion_curve` returns for shares of which the first is 0.

    Raises:
        InvalidAttentionError: The curve has no share besides the first.
    """
    if len(curve) < 2:
        raise InvalidAttentionError(
            f"A deletion curve of {len(curve)} scores has no fall. Give the score of the whole "
            "input, and at least one without a part of it."
        )
    return float((curve[0] - curve[1:]).mean())


def sufficiency(curve: Float[np.ndarray, " share"]) -> float:
    r"""How far the score of nothing but the first positions is on average below the whole one.

    $$ \frac{1}{|B|} \sum_{k \in B} p(x) - p(r_k) $$

    where $r_k$ are the positions kept at share $k$ and $B$ are all shares but the last. 0 or less
    means that they are enough.

    Source: DeYoung et al. (2020), "ERASER: A Benchmark to Evaluate Rationalized NLP Models",
    section 4.2, with the mean over shares at which the score can be lower.

    Args:
        curve: What `insertion_curve` returns for shares of which the last is 1.

    Raises:
        InvalidAttentionError: The curve has no share besides the last.
    """
    if len(curve) < 2:
        raise InvalidAttentionError(
            f"An insertion curve of {len(curve)} scores has no gap. Give the score of the whole "
            "input last, and at least one of a part of it."
        )
    return float((curve[-1] - curve[:-1]).mean())
