"""Efficient channel attention (ECA) of Wang et al. (2020)."""

import math
from typing import Literal, overload

from flax import nnx
from flax.typing import Dtype
from jaxtyping import Array, Float

from attnreport.nn.gates import channel_gate

Features = Float[Array, "batch *place channel"]
Gate = Float[Array, "batch 1 1 channel"]


class EfficientChannelAttention(nnx.Module):
    r"""A gate over channels, computed from the means of a few neighboring channels.

    $$z_c = \frac{1}{P} \sum_p x_{pc}, \quad
    s_c = \sigma\left(\sum_{j} w_j z_{c + j - (k-1)/2}\right), \quad y_{pc} = s_c x_{pc}$$

    over places $p$, with zeros beyond the first and the last channel. In place of the two maps of
    squeeze and excitation there is one kernel of $k$ numbers. How many follows from the number of
    channels, $k = |\log_2(C) / 2 + 1 / 2|_\text{odd}$, unless it is given.

    Attributes:
        convolution: The convolution with the kernel $w$ over the channels.

    Source: Wang et al. (2020), "ECA-Net: Efficient Channel Attention for Deep Convolutional Neural
    Networks", equations 9 and 12.
    """

    def __init__(
        self,
        features: int,
        *,
        kernel_size: int | None = None,
        dtype: Dtype | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        size = _kernel_size(features) if kernel_size is None else kernel_size
        self.convolution = nnx.Conv(1, 1, (size,), use_bias=False, dtype=dtype, rngs=rngs)

    @overload
    def __call__(self, inputs: Features) -> Features: ...
    @overload
    def __call__(
        self, inputs: Features, *, return_weights: Literal[True]
    ) -> tuple[Features, Gate]: ...
    def __call__(
        self, inputs: Features, *, return_weights: bool = False
    ) -> Features | tuple[Features, Gate]:
        """The inputs with each channel scaled by its gate.

        Args:
            inputs: A map of features.
            return_weights: Whether to return the gates too, in float32.

        Returns:
            The scaled inputs, or `(scaled inputs, gates)`.
        """
        means = inputs.mean(axis=tuple(range(1, inputs.ndim - 1)))
        output, gates = channel_gate(self, inputs, self.convolution(means[..., None])[..., 0])
        return (output, gates) if return_weights else output


def _kernel_size(features: int) -> int:
    size = int((math.log2(features) + 1) / 2)
    return size if size % 2 else size + 1
