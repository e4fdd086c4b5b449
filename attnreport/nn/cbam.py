"""Convolutional block attention module (CBAM) of Woo et al. (2018)."""

from typing import Literal, overload

import jax
import jax.numpy as jnp
from flax import nnx
from flax.typing import Dtype
from jaxtyping import Array, Float

from attnreport.nn.gates import ChannelGate, spatial_gate

Features = Float[Array, "batch height width channel"]
Channels = Float[Array, "batch 1 1 channel"]
Places = Float[Array, "batch 1 1 places"]


class ChannelAttention(ChannelGate):
    r"""A gate over channels, from the mean and the maximum of each over all places.

    $$s = \sigma\left(M(\operatorname{mean}_p x_p) + M(\max_p x_p)\right), \quad
    M(z) = W_1 \operatorname{ReLU}(W_0 z), \quad y_{pc} = s_c x_{pc}$$

    Attributes:
        reduce: The map $W_0$ to fewer features, with a bias as in the authors' code.
        expand: The map $W_1$ back to the channels, likewise.

    Source: Woo et al. (2018), "CBAM: Convolutional Block Attention Module", equation 2.
    """

    def __init__(
        self, features: int, *, reduction: int = 16, dtype: Dtype | None = None, rngs: nnx.Rngs
    ) -> None:
        hidden = max(1, features // reduction)
        self.reduce = nnx.Linear(features, hidden, dtype=dtype, rngs=rngs)
        self.expand = nnx.Linear(hidden, features, dtype=dtype, rngs=rngs)

    def logits(self, inputs: Features) -> Float[Array, "batch channel"]:
        """What the two maps make of the means and of the maxima of all channels."""
        places = inputs.reshape(inputs.shape[0], -1, inputs.shape[-1])
        return self._perceptron(places.mean(1)) + self._perceptron(_largest(places, 1))

    def _perceptron(self, pooled: Array) -> Array:
        return self.expand(jax.nn.relu(self.reduce(pooled)))


class SpatialAttention(nnx.Module):
    r"""A gate over places, from the mean and the maximum of each over all channels.

    $$s = \sigma\left(f\left([\operatorname{mean}_c x_c; \max_c x_c]\right)\right), \quad
    y_{pc} = s_p x_{pc}$$

    with a convolution $f$ of 7 by 7 places and zeros beyond the border. The gate lists places row
    by row.

    Attributes:
        convolution: The convolution $f$, without a bias.

    Source: Woo et al. (2018), "CBAM: Convolutional Block Attention Module", equation 3.
    """

    def __init__(self, *, kernel_size: int = 7, dtype: Dtype | None = None, rngs: nnx.Rngs) -> None:
        size = (kernel_size, kernel_size)
        self.convolution = nnx.Conv(2, 1, size, use_bias=False, dtype=dtype, rngs=rngs)

    @overload
    def __call__(self, inputs: Features) -> Features: ...
    @overload
    def __call__(
        self, inputs: Features, *, return_weights: Literal[True]
    ) -> tuple[Features, Places]: ...
    def __call__(
        self, inputs: Features, *, return_weights: bool = False
    ) -> Features | tuple[Features, Places]:
        """The inputs with each place scaled by its gate.

        Args:
            inputs: A map of features.
            return_weights: Whether to return the gates too, in float32.

        Returns:
            The scaled inputs, or `(scaled inputs, gates)`.
        """
        pooled = jnp.stack([inputs.mean(-1), _largest(inputs, -1)], axis=-1)
        output, gates = spatial_gate(self, inputs, self.convolution(pooled))
        return (output, gates) if return_weights else output


class CBAM(nnx.Module):
    """A gate over channels, and then a gate over places.

    Attributes:
        channel: The gate over channels.
        spatial: The gate over places.

    Source: Woo et al. (2018), "CBAM: Convolutional Block Attention Module", equation 1.
    """

    def __init__(
        self,
        features: int,
        *,
        reduction: int = 16,
        kernel_size: int = 7,
        dtype: Dtype | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        self.channel = ChannelAttention(features, reduction=reduction, dtype=dtype, rngs=rngs)
        self.spatial = SpatialAttention(kernel_size=kernel_size, dtype=dtype, rngs=rngs)

    @overload
    def __call__(self, inputs: Features) -> Features: ...
    @overload
    def __call__(
        self, inputs: Features, *, return_weights: Literal[True]
    ) -> tuple[Features, tuple[Channels, Places]]: ...
    def __call__(
        self, inputs: Features, *, return_weights: bool = False
    ) -> Features | tuple[Features, tuple[Channels, Places]]:
        """The inputs scaled by both gates.

        Args:
            inputs: A map of features.
            return_weights: Whether to return the gates too, in float32.

        Returns:
            The scaled inputs, or `(scaled inputs, (gates of channels, gates of places))`.
        """
        channels_scaled, channels = self.channel(inputs, return_weights=True)
        output, places = self.spatial(channels_scaled, return_weights=True)
        return (output, (channels, places)) if return_weights else output


def _largest(inputs: Array, axis: int) -> Array:
    """The maximum over an axis, with a gradient that is never NaN.

    The gradient of `max` goes to the numbers that are equal to it. If the compiler computes them
    once more for that, and rounds otherwise, there are none, and JAX divides by how many there are.
    """
    place = jnp.expand_dims(inputs.argmax(axis), axis)
    return jnp.take_along_axis(inputs, place, axis).squeeze(axis)
