"""Pooling by a class token, of Touvron et al. (2021)."""

from typing import Literal, overload

import jax.numpy as jnp
from flax import nnx
from flax.typing import Dtype
from jaxtyping import Array, Bool, Float

from attnreport.nn.multihead import MultiHeadAttention

Inputs = Float[Array, "batch position features"]
Mask = Bool[Array, "..."]
Pooled = Float[Array, "batch features"]
Weights = Float[Array, "batch head 1 key"]


class ClassTokenPooling(nnx.Module):
    r"""One vector for a sequence: what a learned class token finds in it, with several heads.

    $$z = [x_{\mathrm{class}}; x_1, \dots, x_n], \quad
    o = \operatorname{MultiHead}(x_{\mathrm{class}}, z, z)$$

    The token is the only query, and is a key too: key 0, before the $n$ positions. It may always
    look at itself. In BERT and ViT, whose class token goes through every layer, this is what its
    last layer does; a layer of its own for it is CaiT's class-attention, here without the residual.

    Attributes:
        token: The class token.
        attention: Attention of the token over itself and the positions.

    Source: Touvron et al. (2021), "Going deeper with Image Transformers", section 3, on class
    attention; the token is that of Devlin et al. (2019) and Dosovitskiy et al. (2021).
    """

    def __init__(
        self,
        num_heads: int,
        features: int,
        *,
        dropout_rate: float = 0.0,
        dtype: Dtype | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        self.token = nnx.Param(0.02 * rngs.params.normal((1, 1, features)))
        self.attention = MultiHeadAttention(
            num_heads, features, dropout_rate=dropout_rate, dtype=dtype, rngs=rngs
        )

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
            mask: True where a position may be pooled, without the class token; broadcast against
                `[batch, head, query, position]` with one query, as `padding_mask` gives it.
            return_weights: Whether to return the weights too, before dropout, in float32.

        Returns:
            The vectors, or `(vectors, weights)`.
        """
        token = jnp.broadcast_to(
            self.token[...].astype(inputs.dtype), (len(inputs), 1, inputs.shape[-1])
        )
        everything = jnp.concatenate([token, inputs], axis=1)
        if mask is not None:
            positions = jnp.broadcast_to(mask, (*mask.shape[:-1], inputs.shape[1]))
            itself = jnp.ones((*mask.shape[:-1], 1), bool)
            mask = jnp.concatenate([itself, positions], axis=-1)
        pooled, weights = self.attention(token, everything, mask=mask, return_weights=True)
        return (pooled[:, 0], weights) if return_weights else pooled[:, 0]
