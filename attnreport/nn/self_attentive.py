"""Structured self-attentive embedding of Lin et al. (2017)."""

from typing import Literal, overload

import jax.numpy as jnp
from flax import nnx
from flax.typing import Dtype
from jaxtyping import Array, Bool, Float

from attnreport.nn.masks import without_head
from attnreport.nn.weights import masked_softmax, sow_attention

Inputs = Float[Array, "batch key features"]
Mask = Bool[Array, "..."]
Pooled = Float[Array, "batch hop features"]
Weights = Float[Array, "batch 1 hop key"]


class SelfAttentivePooling(nnx.Module):
    r"""A few vectors for a sequence, each pooled with weights of its own.

    $$A = \operatorname{softmax}(W_{s2} \tanh(W_{s1} H^\top)), \quad M = A H$$

    with a row of $H$ for each position, and a row of $A$ and of $M$ for each hop, as the paper
    calls them. Nothing but `redundancy_penalty` keeps hops from looking at the same positions.

    Attributes:
        hidden: The projection $W_{s1}$.
        score: The projection $W_{s2}$, with a row for each hop.

    Source: Lin et al. (2017), "A Structured Self-attentive Sentence Embedding", section 2.1,
    equations 6 and 7.
    """

    def __init__(
        self,
        features: int,
        hidden_features: int,
        hops: int,
        *,
        dtype: Dtype | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        self.hidden = nnx.Linear(features, hidden_features, use_bias=False, dtype=dtype, rngs=rngs)
        self.score = nnx.Linear(hidden_features, hops, use_bias=False, dtype=dtype, rngs=rngs)

    @overload
    def __call__(self, inputs: Inputs, *, mask: Mask | None = ...) -> Pooled: ...
    @overload
    def __call__(
        self, inputs: Inputs, *, mask: Mask | None = ..., return_weights: Literal[True]
    ) -> tuple[Pooled, Weights]: ...
    def __call__(
        self, inputs: Inputs, *, mask: Mask | None = None, return_weights: bool = False
    ) -> Pooled | tuple[Pooled, Weights]:
        """The vectors of each sequence, one a hop.

        Args:
            inputs: The positions to pool.
            mask: True where a position may be pooled; broadcast against
                `[batch, head, query, key]` with one head and hops as queries, as `padding_mask`
                gives it. A sequence of which nothing may be pooled gives zeros.
            return_weights: Whether to return the weights too, in float32.

        Returns:
            The vectors, or `(vectors, weights)`.

        Raises:
            InvalidAttentionError: The mask has more than one head.
        """
        logits = jnp.swapaxes(self.score(jnp.tanh(self.hidden(inputs))), -1, -2)
        weights = masked_softmax(logits, without_head(mask, "self-attentive pooling"))
        sow_attention(self, weights[:, None], mask, same_input=False)
        pooled = jnp.einsum("bhk,bkf->bhf", weights.astype(inputs.dtype), inputs)
        return (pooled, weights[:, None]) if return_weights else pooled


def redundancy_penalty(weights: Float[Array, "*batch hop key"]) -> Float[Array, "*batch"]:
    r"""How much the hops of a sequence look at the same positions.

    $$P = \lVert A A^\top - I \rVert_F^2$$

    It is 0 if each hop looks at a single position and no two at the same, and grows to the square
    of the number of hops, less that number, if all look at the same one. Times a coefficient, it is
    added to the loss.

    Args:
        weights: The weights $A$ that `SelfAttentivePooling` returns.

    Source: Lin et al. (2017), "A Structured Self-attentive Sentence Embedding", section 2.2,
    equation 8.
    """
    overlap = jnp.einsum("...hk,...gk->...hg", weights, weights)
    distance = overlap - jnp.eye(weights.shape[-2], dtype=weights.dtype)
    return jnp.square(distance).sum(axis=(-2, -1))
