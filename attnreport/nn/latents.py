"""Latents that look at a long input, of Perceiver (Jaegle et al., 2021)."""

from typing import Literal, overload

import jax
import jax.numpy as jnp
from flax import nnx
from flax.typing import Dtype
from jaxtyping import Array, Bool, Float

from attnreport.nn.multihead import MultiHeadAttention

Inputs = Float[Array, "batch key features"]
Mask = Bool[Array, "..."]
Pooled = Float[Array, "batch latent latent_features"]
Weights = Float[Array, "batch head latent key"]


class LatentPooling(nnx.Module):
    r"""As many vectors as there are latents, however long the sequence is.

    $$y = L + \operatorname{MultiHead}(\operatorname{LN}(L), \operatorname{LN}(x),
    \operatorname{LN}(x)), \quad o = y + W_2 \operatorname{GELU}(W_1 \operatorname{LN}(y))$$

    with learned latents $L$ and positions $x$; biases are left out here. Cost grows with latents
    times positions. Latents are told apart only by what they have learned.

    Attributes:
        latents: The latents $L$.
        latent_norm: Normalization of the latents.
        input_norm: Normalization of the positions.
        attention: Attention of the latents over the positions.
        hidden_norm: Normalization before the network.
        hidden: The projection $W_1$.
        out: The projection $W_2$.

    Source: Jaegle et al. (2021), "Perceiver: General Perception with Iterative Attention", section
    3. Latents begin with a standard deviation of 0.02, as there, but are not cut off.
    """

    def __init__(
        self,
        num_heads: int,
        features: int,
        *,
        latents: int,
        latent_features: int,
        dropout_rate: float = 0.0,
        dtype: Dtype | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        self.latents = nnx.Param(0.02 * rngs.params.normal((latents, latent_features)))
        self.latent_norm = nnx.LayerNorm(latent_features, dtype=dtype, rngs=rngs)
        self.input_norm = nnx.LayerNorm(features, dtype=dtype, rngs=rngs)
        self.attention = MultiHeadAttention(
            num_heads,
            latent_features,
            in_kv_features=features,
            dropout_rate=dropout_rate,
            dtype=dtype,
            rngs=rngs,
        )
        self.hidden_norm = nnx.LayerNorm(latent_features, dtype=dtype, rngs=rngs)
        self.hidden = nnx.Linear(latent_features, latent_features, dtype=dtype, rngs=rngs)
        self.out = nnx.Linear(latent_features, latent_features, dtype=dtype, rngs=rngs)

    @overload
    def __call__(self, inputs: Inputs, *, mask: Mask | None = ...) -> Pooled: ...
    @overload
    def __call__(
        self, inputs: Inputs, *, mask: Mask | None = ..., return_weights: Literal[True]
    ) -> tuple[Pooled, Weights]: ...
    def __call__(
        self, inputs: Inputs, *, mask: Mask | None = None, return_weights: bool = False
    ) -> Pooled | tuple[Pooled, Weights]:
        """The latents after they have looked.

        Args:
            inputs: The positions to look at.
            mask: True where a latent may look at a position; broadcast against
                `[batch, head, latent, key]`. A latent that may look nowhere learns nothing from
                the sequence.
            return_weights: Whether to return the weights too, before dropout, in float32.

        Returns:
            The latents, or `(latents, weights)`.
        """
        latents = self.latents[...].astype(inputs.dtype)
        latents = jnp.broadcast_to(latents, (len(inputs), *latents.shape))
        found, weights = self.attention(
            self.latent_norm(latents), self.input_norm(inputs), mask=mask, return_weights=True
        )
        latents = latents + found
        latents = latents + self.out(jax.nn.gelu(self.hidden(self.hidden_norm(latents))))
        return (latents, weights) if return_weights else latents
