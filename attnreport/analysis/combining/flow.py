"""Attention through a whole stack of layers: flow of Abnar and Zuidema (2020)."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from attnreport._errors import InvalidAttentionError
from attnreport.analysis.combining.max_flow import max_flow
from attnreport.analysis.combining.rollout import mixed_layers

# So many arcs, counted once for each pair of positions, take some ten seconds on one core.
MOST_ARCS = 10_000_000


def attention_flow(
    layers: Sequence[Float[np.ndarray, "_ position position"]],
    *,
    residual: float = 0.5,
    queries: Sequence[int] | None = None,
    most_arcs: int = MOST_ARCS,
) -> Float[np.ndarray, "query position"]:
    r"""How much can flow from each position after the last layer to each before the first.

    The stack is a network of pipes: each position of each layer is joined to those it looks at,
    and each pipe takes at most its weight in $\bar A_l$, the matrices of `rollout` with the
    residual share in them. The flow from $q$ to $k$ is the most that gets through, each pair on
    its own, from 0 to 1. So rows do not sum to one, and unlike the shares of rollout, flows along
    different paths do not thin one another out. With one layer flow is that layer's matrix.

    Source: Abnar and Zuidema (2020), "Quantifying Attention Flow in Transformers", section 3,
    "attention flow".

    Args:
        layers: Weights of self-attention, the first layer first.
        residual: The share of the residual connection, from 0 to below 1; the authors take half.
        queries: Positions after the last layer to compute flows of; all if left out.
        most_arcs: How many arcs, counted once for each pair, may be worked through.

    Raises:
        InvalidAttentionError: The layers are not a stack of self-attention, the residual or a
            query is out of range, or there is too much to compute.
    """
    mixed = mixed_layers(layers, residual)[::-1]
    count = mixed[0].shape[-1]
    chosen = range(count) if queries is None else list(queries)
    if any(not 0 <= query < count for query in chosen):
        raise InvalidAttentionError(
            f"The queries are {list(chosen)}, but the layers have {count} positions. Give numbers "
            f"from 0 to {count - 1}."
        )
    arcs = sum(np.count_nonzero(each) for each in mixed) * len(chosen) * count
    if arcs > most_arcs:
        raise InvalidAttentionError(
            f"Attention flow over {len(mixed)} layers and {count} positions, from {len(chosen)} of "
            f"them, would work through {arcs:,} arcs, over the {most_arcs:,} that it may. Choose "
            "fewer `queries` or a shorter text, raise `most_arcs`, or use `rollout`, which takes "
            "no time."
        )
    return np.array([[max_flow(mixed, query, key) for key in range(count)] for query in chosen])
