"""Squeeze and excitation of Hu, Shen and Sun (2018)."""

import jax
from flax import nnx
from flax.typing import Dtype
from jaxtyping import Array, Float

from attnreport.nn.gates import ChannelGate, place_means

Features = Float[Array, "batch *place channel"]
Logits = Float[Array, "batch channel"]


class SqueezeExcitation(ChannelGate):
    r"""A gate over channels, computed from the mean of each channel.

    $$z_c = \frac{1}{P} \sum_p x_{pc}, \quad
    s = \sigma\left(W_2 \operatorname{ReLU}(W_1 z)\right), \quad y_{pc} = s_c x_{pc}$$

    over places $p$ of an image, or of anything else with places between batch and channels. Both
    maps have biases, as in the authors' code.

    Attributes:
        reduce: The map $W_1$ to fewer features.
        expand: The map $W_2$ back to the channels.

    Source: Hu, Shen and Sun (2018), "Squeeze-and-Excitation Networks", section 3.
    """

    def __init__(
        self, features: int, *, reduction: int = 16, dtype: Dtype | None = None, rngs: nnx.Rngs
    ) -> None:
        hidden = max(1, features // reduction)
        self.reduce = nnx.Linear(features, hidden, dtype=dtype, rngs=rngs)
        self.expand = nnx.Linear(hidden, features, dtype=dtype, rngs=rngs)

    def logits(self, inputs: Features) -> Logits:
        """What the two maps make of the mean of each channel."""
        return self.expand(jax.nn.relu(self.reduce(place_means(inputs))))
