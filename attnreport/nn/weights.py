"""From logits to attention weights, and from attention weights to whoever captures them."""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float


def masked_softmax(
    logits: Float[Array, "*batch query key"], mask: Bool[Array, "..."] | None = None
) -> Float[Array, "*batch query key"]:
    r"""Attention weights $w_k = m_k e^{l_k} / \sum_j m_j e^{l_j}$, in float32.

    bfloat16 keeps 8 bits, too few for the sum of a long row, so the sum is taken in float32
    whatever the logits are in (float64 stays float64).

    Args:
        logits: Scores, one row a query.
        mask: True where a query may look; broadcast against `logits`.

    Returns:
        Rows that sum to one; a row whose keys are all masked is zero, and so is its gradient.
    """
    logits = logits.astype(jnp.promote_types(logits.dtype, jnp.float32))
    if mask is None:
        return jax.nn.softmax(logits, axis=-1)
    # Masked logits are replaced before `exp`, and an empty sum before the division: a NaN in the
    # branch that `where` drops would still reach the gradient, as 0 * NaN.
    visible = jnp.where(mask, logits, jnp.finfo(logits.dtype).min)
    largest = jax.lax.stop_gradient(visible.max(axis=-1, keepdims=True))
    exponentials = jnp.where(mask, jnp.exp(jnp.where(mask, logits - largest, 0.0)), 0.0)
    total = exponentials.sum(axis=-1, keepdims=True)
    return exponentials / jnp.where(total > 0, total, 1.0)


def sow_attention(
    module: nnx.Module,
    weights: Float[Array, "batch head query key"],
    mask: Bool[Array, "..."] | None = None,
    *,
    same_input: bool,
) -> None:
    """Stores weights as `attention_weights` of `module` while `nnx.capture` runs.

    A mask is stored beside them, as `attention_mask`, in a shape that broadcasts against them;
    and as `attention_same_input` whether queries and keys are the same positions, which equal
    lengths alone would not tell.

    Outside of a capture nothing is stored: sowing there is deprecated in Flax, and would leave
    traced arrays in the module.
    """
    # `nnx.capture` marks the modules it watches with this attribute, and `Module.sow` asks for it.
    if not hasattr(module, "__captures__"):
        return
    module.sow(nnx.Intermediate, "attention_weights", weights)
    if mask is not None:
        leading = (1,) * (weights.ndim - mask.ndim)
        module.sow(nnx.Intermediate, "attention_mask", mask.reshape(leading + mask.shape))
    module.sow(nnx.Intermediate, "attention_same_input", jnp.asarray(same_input))
