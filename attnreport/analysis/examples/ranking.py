"""Whether the heaviest weights are those that should be heavy."""

import numpy as np
from jaxtyping import Bool, Float

from attnreport._errors import InvalidAttentionError


def precision_at(
    weights: Float[np.ndarray, " item"], relevant: Bool[np.ndarray, " item"], count: int = 5
) -> float:
    r"""Share of the heaviest items that are relevant: 1 if all are, 0 if none is.

    $$ P@k = \frac{|\text{the } k \text{ heaviest} \cap \text{relevant}|}{k} $$

    Items of equal weight are taken in any order with the same probability, and the result is the
    mean over these. So equal weights give what a draw at random gives. Of fewer items than
    `count`, all are taken.

    Source: Manning, Raghavan and Schütze (2008), "Introduction to Information Retrieval", section
    8.4.

    Args:
        weights: A weight of each item.
        relevant: True where an item should be heavy.
        count: How many of the heaviest items to look at.

    Raises:
        InvalidAttentionError: There is no item, or weights and truth differ in number.
    """
    if weights.shape != relevant.shape or not len(weights) or count < 1:
        raise InvalidAttentionError(
            f"There are {len(weights)} weights, {len(relevant)} truth values, and {count} to look "
            "at. Give one truth value per weight, at least one of each, and look at one or more."
        )
    count = min(count, len(weights))
    last = np.sort(weights)[-count]
    above, equal = weights > last, weights == last
    drawn = (count - above.sum()) * relevant[equal].mean()
    return float((relevant[above].sum() + drawn) / count)


def best_precision_at(relevant: Bool[np.ndarray, " item"], count: int = 5) -> float:
    """The highest `precision_at` that any weights can have."""
    return precision_at(relevant.astype(np.float32), relevant, count)
