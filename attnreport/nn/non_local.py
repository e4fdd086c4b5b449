"""Non-local block of Wang et al. (2018)."""

from typing import Literal, overload

import jax.numpy as jnp
from flax import nnx
from flax.typing import Dtype
from jaxtyping import Array, Bool, Float

from attnreport.nn.multihead import MultiHeadAttention

Features = Float[Array, "batch *place channel"]
Weights = Float[Array, "batch 1 places places"]


class NonLocalBlock(nnx.Module):
    r"""Attention of every place of a map of features to every place, beside the map itself.

    $$y_p = \sum_q \operatorname{softmax}_q\left(\theta(x_p)^\top \phi(x_q)\right) g(x_q), \quad
    z_p = W_z y_p + x_p$$

    The embedded Gaussian of the paper: one head, whose logits are not scaled. $W_z$ begins with
    zeros, so that a trained network does not change when a block is put into it. Places may be
    those of an image, a clip or a sequence; weights list them row by row.

    Attributes:
        attention: Attention with the maps $\theta$ (`query`), $\phi$ (`key`), $g$ (`value`) and
            $W_z$ (`out`).

    Source: Wang et al. (2018), "Non-local Neural Networks", sections 3.2 and 3.3, equations 3, 6.
    """

    def __init__(
        self,
        features: int,
        *,
        hidden_features: int | None = None,
        dtype: Dtype | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        """Makes the parameters.

        Args:
            features: Channels of the map.
            hidden_features: Features of queries, keys and values; half the channels if left out.
            dtype: Number format to compute in.
            rngs: Random numbers for the parameters.
        """
        hidden = max(1, features // 2) if hidden_features is None else hidden_features
        self.attention = MultiHeadAttention(
            1, features, qkv_features=hidden, scale=1.0, dtype=dtype, rngs=rngs
        )
        self.attention.out.kernel[...] = jnp.zeros_like(self.attention.out.kernel[...])

    @overload
    def __call__(
        self, inputs: Features, *, mask: Bool[Array, "batch *place"] | None = ...
    ) -> Features: ...
    @overload
    def __call__(
        self,
        inputs: Features,
        *,
        mask: Bool[Array, "batch *place"] | None = ...,
        return_weights: Literal[True],
    ) -> tuple[Features, Weights]: ...
    def __call__(
        self,
        inputs: Features,
        *,
        mask: Bool[Array, "batch *place"] | None = None,
        return_weights: bool = False,
    ) -> Features | tuple[Features, Weights]:
        """The inputs, each place with what it gathered from all places.

        Args:
            inputs: A map of features.
            mask: True where a place is real, False where it is padding that no place may look at.
            return_weights: Whether to return the weights too, in float32.

        Returns:
            The map, or `(map, weights)`.
        """
        batch, features = inputs.shape[0], inputs.shape[-1]
        seen = None if mask is None else mask.reshape(batch, 1, 1, -1)
        places = inputs.reshape(batch, -1, features)
        gathered, weights = self.attention(places, mask=seen, return_weights=True)
        output = inputs + gathered.reshape(inputs.shape).astype(inputs.dtype)
        return (output, weights) if return_weights else output
