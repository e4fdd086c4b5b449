"""Efficient channel attention (ECA) of Wang et al. (2020)."""

import math

from flax import nnx
from flax.typing import Dtype
from jaxtyping import Array, Float

from attnreport.nn.gates import ChannelGate, place_means

Features = Float[Array, "batch *place channel"]
Logits = Float[Array, "batch channel"]


class EfficientChannelAttention(ChannelGate):
    r"""A gate over channels, computed from the means of a few neighboring channels.

    $$z_c = \frac{1}{P} \sum_p x_{pc}, \quad
    s_c = \sigma\left(\sum_{j} w_j z_{c + j - (k-1)/2}\right), \quad y_{pc} = s_c x_{pc}$$

    over places $p$, with zeros beyond the first and the last channel. In place of the two maps of
    squeeze and excitation there is one kernel of $k$ numbers. How many follows from the number of
    channels, $k = |\log_2(C) / 2 + 1 / 2|_\text{odd}$, unless it is given.

    Attributes:
        convolution: The convolution with the kernel $w$ over the channels.

    Source: Wang et al. (2020), "ECA-Net: Efficient Channel Attention for Deep Convolutional Neural
    Networks", equations 9 and 12 (9 is the kernel size in the first version on arXiv).
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

    def logits(self, inputs: Features) -> Logits:
        """What the convolution makes of the mean of each channel and of its neighbors."""
        return self.convolution(place_means(inputs)[..., None])[..., 0]


def _kernel_size(features: int) -> int:
    size = int((math.log2(features) + 1) / 2)
    return size if size % 2 else size + 1
