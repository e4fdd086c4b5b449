"""What a model loses with each head: its causal importance."""

import dataclasses
from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float

from attnreport._errors import InvalidAttentionError

# Which heads each of several versions of a model keeps, and the score of each on each example.
RescoreHeads = Callable[[Bool[np.ndarray, "version head"]], Float[np.ndarray, "version example"]]


@dataclasses.dataclass(frozen=True, eq=False)
class HeadImportance:
    """How far a model's score falls without each head.

    Attributes:
        fall: Mean over examples, in the unit of the score; below 0 where it rises.
        error: Standard error of that mean; NaN of one example.
    """

    fall: Float[np.ndarray, " head"]
    error: Float[np.ndarray, " head"]

    @property
    def needed(self) -> Bool[np.ndarray, " head"]:
        """Whether the score falls by more than twice the error; False where that is not known."""
        return self.fall > 2 * np.nan_to_num(self.error, nan=np.inf)


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
    spread = falls.std(axis=1, ddof=1) if examples > 1 else np.full(heads, np.nan)
    return HeadImportance(falls.mean(axis=1), spread / np.sqrt(examples))
