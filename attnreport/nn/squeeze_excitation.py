"""Squeeze and excitation of Hu, Shen and Sun (2018)."""

from typing import Literal, overload

import jax
from flax import nnx
from flax.typing import Dtype
from jaxtyping import Array, Float

from attnreport.nn.gates import channel_gate

Features = Float[Array, "batch *place channel"]
Gate = Float[Array, "batch 1 1 channel"]


class SqueezeExcitation(nnx.Module):
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
        logits = self.expand(jax.nn.relu(self.reduce(means)))
        output, gates = channel_gate(self, inputs, logits)
        return (output, gates) if return_weights else output
