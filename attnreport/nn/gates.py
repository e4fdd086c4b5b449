"""Gates: strengths between 0 and 1 that scale what they were computed from.

A gate is no distribution. Each strength stands by itself, and they need not sum to one. It is
obtained as weights are: one query looks at all channels, or at all places.
"""

import abc
from typing import Literal, overload

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from attnreport.nn.weights import sow_attention

Features = Float[Array, "batch *place channel"]
Gate = Float[Array, "batch 1 1 channel"]


class ChannelGate(nnx.Module):
    """A gate over channels; what computes its logits makes it one or another."""

    @abc.abstractmethod
    def logits(self, inputs: Features) -> Float[Array, "batch channel"]:
        """One number a channel, of which the gate is the logistic function."""

    @overload
    def __call__(self, inputs: Features) -> Features: ...
    @overload
    def __call__(
        self, inputs: Features, *, return_weights: Literal[True]
    ) -> tuple[Features, Gate]: ...
    def __call__(
        self, inputs: Features, *, return_weights: bool = False
    ) -> Features | tuple[Features, Gate]:
        r"""The inputs with each channel scaled by its gate, $x_{pc} \sigma(l_c)$.

        Args:
            inputs: A map of features.
            return_weights: Whether to return the gates too, in float32.

        Returns:
            The scaled inputs, or `(scaled inputs, gates)`.
        """
        logits = self.logits(inputs)
        places = (1,) * (inputs.ndim - 2)
        scale = logits.reshape(logits.shape[0], *places, logits.shape[1])
        output, gates = _gated(inputs, scale)
        shown = gates.reshape(logits.shape[0], 1, 1, logits.shape[1])
        sow_attention(self, shown, same_input=False)
        return (output, shown) if return_weights else output


def place_means(inputs: Features) -> Float[Array, "batch channel"]:
    """The mean of each channel over all places."""
    return inputs.mean(axis=tuple(range(1, inputs.ndim - 1)))


def spatial_gate(
    module: nnx.Module,
    inputs: Float[Array, "batch *place channel"],
    logits: Float[Array, "batch *place 1"],
) -> tuple[Float[Array, "batch *place channel"], Float[Array, "batch 1 1 places"]]:
    r"""Inputs with each place scaled, $x_{pc} \sigma(l_p)$, and the gate, in float32.

    Args:
        module: Whose gate it is; it is stored there while `nnx.capture` runs.
        inputs: What is scaled.
        logits: One number a place.
    """
    output, gates = _gated(inputs, logits)
    shown = gates.reshape(gates.shape[0], 1, 1, -1)
    sow_attention(module, shown, same_input=False)
    return output, shown


def _gated(inputs: Array, logits: Array) -> tuple[Array, Array]:
    gates = jax.nn.sigmoid(logits.astype(jnp.promote_types(logits.dtype, jnp.float32)))
    return inputs * gates.astype(inputs.dtype), gates
