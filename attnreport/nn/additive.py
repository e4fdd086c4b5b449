"""Additive attention of Bahdanau, Cho and Bengio (2015)."""

from typing import Literal, overload

import jax.numpy as jnp
from flax import nnx
from flax.typing import Dtype
from jaxtyping import Array, Bool, Float

from attnreport.nn.masks import without_head
from attnreport.nn.weights import masked_softmax, sow_attention

Query = Float[Array, "batch query query_features"]
Key = Float[Array, "batch key key_features"]
Value = Float[Array, "batch key value_features"]
Mask = Bool[Array, "..."]
Context = Float[Array, "batch query value_features"]
Weights = Float[Array, "batch 1 query key"]


class AdditiveScore(nnx.Module):
    r"""Score of a query against a key with a small network.

    $$l_{qk} = v^\top \tanh(W_a s_q + U_a h_k + b)$$

    with queries $s$ and keys $h$. The paper has no bias $b$.

    Attributes:
        query: The projection $W_a$.
        key: The projection $U_a$ with the bias $b$; applied to keys, it gives what the score takes.
        score: The vector $v$.

    Source: Bahdanau, Cho and Bengio (2015), "Neural Machine Translation by Jointly Learning to
    Align and Translate", appendix A.1.2.
    """

    def __init__(
        self,
        query_features: int,
        key_features: int,
        hidden_features: int,
        *,
        dtype: Dtype | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        self.query = nnx.Linear(
            query_features, hidden_features, use_bias=False, dtype=dtype, rngs=rngs
        )
        self.key = nnx.Linear(key_features, hidden_features, dtype=dtype, rngs=rngs)
        self.score = nnx.Linear(hidden_features, 1, use_bias=False, dtype=dtype, rngs=rngs)

    def __call__(
        self,
        query: Float[Array, "*batch query query_features"],
        projected_key: Float[Array, "*batch key hidden"],
    ) -> Float[Array, "*batch query key"]:
        """The logits of each query over keys that were projected once, by `self.key`."""
        return additive_logits(self.query(query), projected_key, self.score)


def additive_logits(
    projected_query: Float[Array, "*batch query hidden"],
    projected_key: Float[Array, "*batch key hidden"],
    score: nnx.Linear,
) -> Float[Array, "*batch query key"]:
    r"""The logits $v^\top \tanh(q + k)$ of projected queries $q$ over projected keys $k$.

    Args:
        projected_query: What looks.
        projected_key: What is looked at.
        score: The vector $v$.
    """
    sums = projected_query[..., :, None, :] + projected_key[..., None, :, :]
    return score(jnp.tanh(sums))[..., 0]


class AdditiveAttention(nnx.Module):
    r"""Attention that scores a query against a key with a small network.

    $$l_{qk} = v^\top \tanh(W_a s_q + U_a h_k + b), \quad
    w_{q\cdot} = \operatorname{softmax}(l_{q\cdot}), \quad c_q = \sum_k w_{qk} h_k$$

    with queries $s$ and keys $h$; there is one head. The paper has no bias $b$.

    Attributes:
        query: The projection $W_a$.
        key: The projection $U_a$ with the bias $b$.
        score: The vector $v$.
        dropout: Dropout on the weights; `model.eval()` turns it off.

    Source: Bahdanau, Cho and Bengio (2015), "Neural Machine Translation by Jointly Learning to
    Align and Translate", section 3.1 and appendix A.1.2.
    """

    def __init__(
        self,
        query_features: int,
        key_features: int,
        hidden_features: int,
        *,
        dropout_rate: float = 0.0,
        dtype: Dtype | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        self.query = nnx.Linear(
            query_features, hidden_features, use_bias=False, dtype=dtype, rngs=rngs
        )
        self.key = nnx.Linear(key_features, hidden_features, dtype=dtype, rngs=rngs)
        self.score = nnx.Linear(hidden_features, 1, use_bias=False, dtype=dtype, rngs=rngs)
        self.dropout = nnx.Dropout(dropout_rate, rngs=rngs)

    def weights(
        self,
        query: Float[Array, "*batch query query_features"],
        projected_key: Float[Array, "*batch key hidden"],
        mask: Bool[Array, "..."] | None = None,
    ) -> Float[Array, "*batch query key"]:
        """Attention weights over keys that were projected once, by `self.key`.

        A decoder that runs inside `jax.lax.scan` calls this at every step. It stores nothing:
        what is stored in a module inside a scan leaks out of its trace.

        Args:
            query: What looks.
            projected_key: `self.key(key)`.
            mask: True where a query may look; broadcast against `[*batch, query, key]`.
        """
        logits = additive_logits(self.query(query), projected_key, self.score)
        return masked_softmax(logits, mask)

    @overload
    def __call__(
        self, query: Query, key: Key, value: Value | None = ..., *, mask: Mask | None = ...
    ) -> Context: ...
    @overload
    def __call__(
        self,
        query: Query,
        key: Key,
        value: Value | None = ...,
        *,
        mask: Mask | None = ...,
        return_weights: Literal[True],
    ) -> tuple[Context, Weights]: ...
    def __call__(
        self,
        query: Query,
        key: Key,
        value: Value | None = None,
        *,
        mask: Mask | None = None,
        return_weights: bool = False,
    ) -> Context | tuple[Context, Weights]:
        """The context of each query: values averaged with the attention weights.

        Args:
            query: What looks.
            key: What is looked at.
            value: What is averaged; the keys if left out.
            mask: True where a query may look at a key; broadcast against
                `[batch, head, query, key]` with one head. A query that may look nowhere gets a
                context of zeros.
            return_weights: Whether to return the weights too, before dropout, in float32.

        Returns:
            The contexts, or `(contexts, weights)`.

        Raises:
            InvalidAttentionError: The mask has more than one head.
        """
        value = key if value is None else value
        weights = self.weights(query, self.key(key), without_head(mask, "additive attention"))
        sow_attention(self, weights[:, None], mask, same_input=key is query)
        used = self.dropout(weights).astype(value.dtype)
        context = jnp.einsum("bqk,bkv->bqv", used, value)
        return (context, weights[:, None]) if return_weights else context
