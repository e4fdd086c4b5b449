"""Global and local attention of Longformer (Beltagy, Peters and Cohan, 2020)."""

import math
from typing import Literal, overload

import jax.numpy as jnp
from flax import nnx
from flax.typing import Dtype
from jaxtyping import Array, Bool, Float

from attnreport._errors import InvalidAttentionError
from attnreport.nn.masks import combine_masks, global_mask, window_mask
from attnreport.nn.weights import masked_softmax, sow_attention

Inputs = Float[Array, "batch position features"]
Heads = Float[Array, "batch position head feature"]
Chosen = Bool[Array, "batch position"]
Mask = Bool[Array, "..."]
Weights = Float[Array, "batch head query key"]


class Projections(nnx.Module):
    """Queries, keys and values of one of the two kinds of positions.

    Attributes:
        query: Projection to `[batch, query, head, feature]`.
        key: Projection to `[batch, key, head, feature]`.
        value: Projection to `[batch, key, head, feature]`.
    """

    def __init__(
        self, features: int, num_heads: int, *, dtype: Dtype | None = None, rngs: nnx.Rngs
    ) -> None:
        heads = (num_heads, features // num_heads)
        self.query = nnx.LinearGeneral(features, heads, dtype=dtype, rngs=rngs)
        self.key = nnx.LinearGeneral(features, heads, dtype=dtype, rngs=rngs)
        self.value = nnx.LinearGeneral(features, heads, dtype=dtype, rngs=rngs)

    def __call__(self, inputs: Inputs) -> tuple[Float[Array, "batch head query key"], Heads]:
        """The logits of each position over all, and the values."""
        queries, keys = self.query(inputs), self.key(inputs)
        queries = queries / jnp.asarray(math.sqrt(queries.shape[-1]), queries.dtype)
        return jnp.einsum("bqhd,bkhd->bhqk", queries, keys), self.value(inputs)


class GlobalLocalAttention(nnx.Module):
    r"""Self-attention in a window, in which a few chosen positions see and are seen by all.

    $$W_{q\cdot} = \begin{cases}
    \operatorname{softmax}(Q^g_q {K^g}^\top / \sqrt{d}) & q \text{ is chosen} \\
    \operatorname{softmax}(Q^s_q {K^s}^\top / \sqrt{d}) & \text{otherwise, over the window and the
    chosen} \end{cases}$$

    Chosen positions look with projections of their own, and average values of their own. These
    begin as copies of the others. Every head computes all pairs and masks those that are not seen,
    so this shows what Longformer attends to, and saves neither time nor memory.

    Attributes:
        local: The projections $Q^s$, $K^s$, $V^s$.
        chosen: The projections $Q^g$, $K^g$, $V^g$.
        out: Projection of all heads to the output.
        dropout: Dropout on the weights; `model.eval()` turns it off.

    Source: Beltagy, Peters and Cohan (2020), "Longformer: The Long-Document Transformer", section
    3.1.
    """

    def __init__(
        self,
        num_heads: int,
        features: int,
        *,
        before: int,
        after: int,
        dilation: int = 1,
        dropout_rate: float = 0.0,
        dtype: Dtype | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        if features % num_heads:
            raise InvalidAttentionError(
                f"{features} features cannot be shared equally by {num_heads} heads. Choose "
                "`features` as a multiple of `num_heads`."
            )
        self.before, self.after, self.dilation = before, after, dilation
        self.local = Projections(features, num_heads, dtype=dtype, rngs=rngs)
        self.chosen = nnx.clone(self.local)
        self.out = nnx.LinearGeneral(
            (num_heads, features // num_heads), features, axis=(-2, -1), dtype=dtype, rngs=rngs
        )
        self.dropout = nnx.Dropout(dropout_rate, rngs=rngs)

    @overload
    def __call__(self, inputs: Inputs, chosen: Chosen, *, mask: Mask | None = ...) -> Inputs: ...
    @overload
    def __call__(
        self,
        inputs: Inputs,
        chosen: Chosen,
        *,
        mask: Mask | None = ...,
        return_weights: Literal[True],
    ) -> tuple[Inputs, Weights]: ...
    def __call__(
        self,
        inputs: Inputs,
        chosen: Chosen,
        *,
        mask: Mask | None = None,
        return_weights: bool = False,
    ) -> Inputs | tuple[Inputs, Weights]:
        """The output of each position.

        Args:
            inputs: The positions.
            chosen: True where a position sees all others and is seen by them.
            mask: True where a query may look at a key, chosen or not, such as a padding mask;
                broadcast against `[batch, head, query, key]`. A head in which a query may look
                nowhere adds nothing to its output.
            return_weights: Whether to return the weights too, before dropout, in float32.

        Returns:
            The output, or `(output, weights)`.
        """
        window = window_mask(
            inputs.shape[1], before=self.before, after=self.after, dilation=self.dilation
        )
        mask = combine_masks(window | global_mask(chosen), mask)
        (logits, values), (chosen_logits, chosen_values) = self.local(inputs), self.chosen(inputs)
        logits = jnp.where(chosen[:, None, :, None], chosen_logits, logits)
        weights = masked_softmax(logits, mask)
        sow_attention(self, weights, mask, same_input=True)
        used = self.dropout(weights).astype(values.dtype)
        found = jnp.where(
            chosen[:, :, None, None],
            jnp.einsum("bhqk,bkhd->bqhd", used, chosen_values),
            jnp.einsum("bhqk,bkhd->bqhd", used, values),
        )
        output = self.out(found)
        return (output, weights) if return_weights else output
