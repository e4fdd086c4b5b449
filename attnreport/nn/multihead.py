"""Multi-head scaled dot-product attention of Vaswani et al. (2017)."""

import math
from typing import Literal, overload

import jax.numpy as jnp
from flax import nnx
from flax.typing import Dtype
from jaxtyping import Array, Bool, Float

from attnreport._errors import InvalidAttentionError
from attnreport.nn.weights import masked_softmax, sow_attention

Inputs = Float[Array, "batch query features"]
Memory = Float[Array, "batch key key_features"]
Mask = Bool[Array, "..."]
Output = Float[Array, "batch query out_features"]
Weights = Float[Array, "batch head query key"]


class MultiHeadAttention(nnx.Module):
    r"""Attention of several heads, each with its own projections.

    $$W^h = \operatorname{softmax}\left(\frac{Q^h {K^h}^\top}{\sqrt{d}}\right), \quad
    O = \operatorname{concat}_h(W^h V^h)\, W_o$$

    Parameters have the names and shapes of `flax.nnx.MultiHeadAttention`, so that either loads
    the other's.

    Attributes:
        query: Projection to `[batch, query, head, feature]`.
        key: Projection to `[batch, key, head, feature]`.
        value: Projection to `[batch, key, head, feature]`.
        out: Projection of all heads to the output.
        dropout: Dropout on the weights; `model.eval()` turns it off.

    Source: Vaswani et al. (2017), "Attention Is All You Need", section 3.2.
    """

    def __init__(
        self,
        num_heads: int,
        in_features: int,
        *,
        qkv_features: int | None = None,
        out_features: int | None = None,
        in_kv_features: int | None = None,
        use_bias: bool = True,
        dropout_rate: float = 0.0,
        dtype: Dtype | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        qkv_features = in_features if qkv_features is None else qkv_features
        if qkv_features % num_heads:
            raise InvalidAttentionError(
                f"{qkv_features} features cannot be shared equally by {num_heads} heads. Choose "
                "`qkv_features` as a multiple of `num_heads`."
            )
        heads = (num_heads, qkv_features // num_heads)
        keys_in = in_features if in_kv_features is None else in_kv_features

        def projection(features: int) -> nnx.LinearGeneral:
            return nnx.LinearGeneral(features, heads, use_bias=use_bias, dtype=dtype, rngs=rngs)

        self.query, self.key, self.value = (
            projection(in_features),
            projection(keys_in),
            projection(keys_in),
        )
        self.out = nnx.LinearGeneral(
            heads,
            in_features if out_features is None else out_features,
            axis=(-2, -1),
            use_bias=use_bias,
            dtype=dtype,
            rngs=rngs,
        )
        self.dropout = nnx.Dropout(dropout_rate, rngs=rngs)

    @overload
    def __call__(
        self,
        query: Inputs,
        key: Memory | None = ...,
        value: Memory | None = ...,
        *,
        mask: Mask | None = ...,
    ) -> Output: ...
    @overload
    def __call__(
        self,
        query: Inputs,
        key: Memory | None = ...,
        value: Memory | None = ...,
        *,
        mask: Mask | None = ...,
        return_weights: Literal[True],
    ) -> tuple[Output, Weights]: ...
    def __call__(
        self,
        query: Inputs,
        key: Memory | None = None,
        value: Memory | None = None,
        *,
        mask: Mask | None = None,
        return_weights: bool = False,
    ) -> Output | tuple[Output, Weights]:
        """The output of each query.

        Args:
            query: What looks.
            key: What is looked at; the queries if left out (self-attention).
            value: What is averaged; the keys if left out.
            mask: True where a query may look at a key; broadcast against
                `[batch, head, query, key]`. A head in which a query may look nowhere adds nothing
                to its output.
            return_weights: Whether to return the weights too, before dropout, in float32.

        Returns:
            The output, or `(output, weights)`.
        """
        same_input = key is None or key is query
        key = query if key is None else key
        value = key if value is None else value
        queries, keys, values = self.query(query), self.key(key), self.value(value)
        # The division comes before the product, as in Flax, so that both round alike.
        queries = queries / jnp.asarray(math.sqrt(queries.shape[-1]), queries.dtype)
        weights = masked_softmax(jnp.einsum("bqhd,bkhd->bhqk", queries, keys), mask)
        sow_attention(self, weights, mask, same_input=same_input)
        used = self.dropout(weights).astype(values.dtype)
        output = self.out(jnp.einsum("bhqk,bkhd->bqhd", used, values))
        return (output, weights) if return_weights else output
