"""Attention pooling with a context vector, of Yang et al. (2016)."""

from typing import Literal, overload

import jax.numpy as jnp
from flax import nnx
from flax.typing import Dtype
from jaxtyping import Array, Bool, Float

from attnreport.nn.masks import without_head
from attnreport.nn.weights import masked_softmax, sow_attention

Inputs = Float[Array, "batch key features"]
Mask = Bool[Array, "..."]
Pooled = Float[Array, "batch features"]
Weights = Float[Array, "batch 1 1 key"]


class AttentionPooling(nnx.Module):
    r"""One vector for a sequence: its positions averaged with weights that are learned.

    $$u_k = \tanh(W h_k + b), \quad w = \operatorname{softmax}_k(u_k^\top u), \quad
    s = \sum_k w_k h_k$$

    with positions $h$ and a learned context vector $u$, which is the only query.

    Attributes:
        hidden: The projection $W$ with the bias $b$.
        context: The vector $u$.

    Source: Yang et al. (2016), "Hierarchical Attention Networks for Document Classification",
    section 2.2, "Word Attention".
    """

    def __init__(
        self,
        features: int,
        hidden_features: int,
        *,
        dtype: Dtype | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        self.hidden = nnx.Linear(features, hidden_features, dtype=dtype, rngs=rngs)
        self.context = nnx.Linear(hidden_features, 1, use_bias=False, dtype=dtype, rngs=rngs)

    @overload
    def __call__(self, inputs: Inputs, *, mask: Mask | None = ...) -> Pooled: ...
    @overload
    def __call__(
        self, inputs: Inputs, *, mask: Mask | None = ..., return_weights: Literal[True]
    ) -> tuple[Pooled, Weights]: ...
    def __call__(
        self, inputs: Inputs, *, mask: Mask | None = None, return_weights: bool = False
    ) -> Pooled | tuple[Pooled, Weights]:
        """The vector of each sequence.

        Args:
            inputs: The positions to pool.
            mask: True where a position may be pooled; broadcast against
                `[batch, head, query, key]` with one head and one query, as `padding_mask` gives it.
                A sequence of which nothing may be pooled gives zeros.
            return_weights: Whether to return the weights too, in float32.

        Returns:
            The vectors, or `(vectors, weights)`.

        Raises:
            InvalidAttentionError: The mask has more than one head.
        """
        logits = self.context(jnp.tanh(self.hidden(inputs)))[..., 0]
        weights = masked_softmax(logits[:, None], without_head(mask, "attention pooling"))
        sow_attention(self, weights[:, None], mask, same_input=False)
        pooled = jnp.einsum("bk,bkf->bf", weights[:, 0].astype(inputs.dtype), inputs)
        return (pooled, weights[:, None]) if return_weights else pooled
