"""One matrix of many: the mean or the greatest weight over heads and layers."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float

from attnreport._errors import InvalidAttentionError

Combination = Literal["mean", "max"]
_COMBINATIONS = ("mean", "max")


def combine_heads(
    weights: Float[np.ndarray, "*batch head query key"], how: Combination = "mean"
) -> Float[np.ndarray, "*batch query key"]:
    """The mean or the greatest weight of all heads, for each query and key.

    Means of rows that sum to one do so too. Greatest weights sum to one or more: each says that
    some head looks there, and rows of them are no distributions.

    Raises:
        InvalidAttentionError: There is no combination of that name.
    """
    _require_combination(how)
    found = weights.astype(np.result_type(weights.dtype, np.float32))
    return found.mean(axis=-3) if how == "mean" else found.max(axis=-3)


def combine_layers(
    layers: Sequence[Float[np.ndarray, "_ query key"]], how: Combination = "mean"
) -> Float[np.ndarray, "query key"]:
    """The mean or the greatest weight over all layers, whose heads are combined alike.

    In the mean each layer counts alike, however many heads it has. It mixes layers that look at
    different things: in later ones, a position holds a mixture of many. `rollout` and
    `attention_flow` follow that.

    Args:
        layers: Weights over the same queries and keys.
        how: `mean` or `max`.

    Raises:
        InvalidAttentionError: There is no combination of that name, or there are no layers or of
            different sizes.
    """
    sizes = {weights.shape[-2:] for weights in layers}
    if len(sizes) != 1:
        raise InvalidAttentionError(
            f"The layers to combine have the queries and keys {sorted(sizes)}. Give at least one "
            "layer, and all over the same positions."
        )
    stacked = np.stack([combine_heads(weights, how) for weights in layers])
    return combine_heads(stacked, how)


def _require_combination(how: str) -> None:
    if how not in _COMBINATIONS:
        raise InvalidAttentionError(
            f"There is no combination {how!r}. Choose one of {', '.join(_COMBINATIONS)}."
        )
