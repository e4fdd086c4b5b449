"""Gates: strengths between 0 and 1 that scale what they were computed from.

A gate is no distribution. Each strength stands by itself, and they need not sum to one. It is
obtained as weights are: one query looks at all channels, or at all places.
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from attnreport.nn.weights import sow_attention


def channel_gate(
    module: nnx.Module,
    inputs: Float[Array, "batch *place channel"],
    logits: Float[Array, "batch channel"],
) -> tuple[Float[Array, "batch *place channel"], Float[Array, "batch 1 1 channel"]]:
    r"""Inputs with each channel scaled, $x_{pc} \sigma(l_c)$, and the gate, in float32.

    Args:
        module: Whose gate it is; it is stored there while `nnx.capture` runs.
        inputs: What is scaled.
        logits: One number a channel.
    """
    places = (1,) * (inputs.ndim - 2)
    scale = logits.reshape(logits.shape[0], *places, logits.shape[1])
    output, gates = _gated(inputs, scale)
    shown = gates.reshape(logits.shape[0], 1, 1, logits.shape[1])
    sow_attention(module, shown, same_input=False)
    return output, shown


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
