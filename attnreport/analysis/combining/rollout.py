"""Attention through a whole stack of layers: rollout of Abnar and Zuidema (2020)."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from attnreport._errors import InvalidAttentionError


def rollout(
    layers: Sequence[Float[np.ndarray, "*batch head position position"]],
    *,
    residual: float = 0.5,
) -> Float[np.ndarray, "*batch position position"]:
    r"""How much of each position after the last layer comes from each position before the first.

    $$\tilde A_l = (1 - r) \frac{1}{H} \sum_h W_{lh} + r I, \quad
    R_1 = \bar A_1, \quad R_l = \bar A_l R_{l-1}$$

    with the rows of $\bar A_l$ those of $\tilde A_l$ divided by their sums, so that rows that do
    not sum to one, such as those of a query that may look at nothing, do not lose or gain. Heads
    count alike, and $r$ stands for what the residual connection carries past each layer; the
    authors take one half. Rollout sees weights only: values, feed-forward networks and the true
    size of the residual are left out, so it is where information may come from, and not what the
    output depends on.

    Source: Abnar and Zuidema (2020), "Quantifying Attention Flow in Transformers", section 3 and
    equation 1.

    Args:
        layers: Weights of self-attention, the first layer first.
        residual: The share $r$ of the residual connection, from 0 to below 1.

    Returns:
        Shares; each row sums to one.

    Raises:
        InvalidAttentionError: There is no layer, layers differ in shape or do not look at
            themselves, or the residual is out of range.
    """
    flow = np.eye(layers[0].shape[-1] if len(layers) else 0)
    for mixed in mixed_layers(layers, residual):
        flow = mixed @ flow
    return flow


def mixed_layers(
    layers: Sequence[Float[np.ndarray, "*batch head position position"]], residual: float
) -> list[Float[np.ndarray, "*batch position position"]]:
    """The matrix of each layer: the mean of its heads and the residual connection, by rows.

    Rows sum to one; without a residual, that of a position which looks at nothing is 0.

    Raises:
        InvalidAttentionError: As `rollout` does.
    """
    _require_layers(layers, residual)
    carried = np.eye(layers[0].shape[-1])
    found = []
    for weights in layers:
        mixed = (1 - residual) * weights.astype(np.float64).mean(axis=-3) + residual * carried
        total = mixed.sum(axis=-1, keepdims=True)
        found.append(mixed / np.where(total > 0, total, 1))
    return found


def _require_layers(layers: Sequence[np.ndarray], residual: float) -> None:
    if not 0 <= residual < 1:
        raise InvalidAttentionError(
            f"The residual share is {residual}; 1 would leave nothing of the attention. Give a "
            "number from 0 to below 1."
        )
    shapes = [weights.shape for weights in layers]
    queries = {(*shape[:-3], *shape[-2:]) for shape in shapes}
    if len(queries) != 1:
        raise InvalidAttentionError(
            f"The layers have the shapes {shapes}. Give at least one layer of "
            "self-attention, and all over the same positions."
        )
    if shapes[0][-1] != shapes[0][-2]:
        raise InvalidAttentionError(
            f"The layers look from {shapes[0][-2]} positions at {shapes[0][-1]}. What goes "
            "through a stack is of self-attention, which looks at the positions it looks from."
        )
