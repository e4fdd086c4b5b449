"""Logits that are kept within bounds by a hyperbolic tangent."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def soft_cap(logits: Float[Array, "*axes"], cap: float) -> Float[Array, "*axes"]:
    r"""Logits between `-cap` and `cap`, $l' = c \tanh(l / c)$, in float32.

    Small logits hardly change, large ones can no longer grow without end. Masks and position
    biases belong after it: a capped mask hides nothing.

    Args:
        logits: Scores.
        cap: The bound $c$; 50 in Gemma 2.

    Source: Gemma Team (2024), "Gemma 2: Improving Open Language Models at a Practical Size",
    section 2.
    """
    logits = logits.astype(jnp.promote_types(logits.dtype, jnp.float32))
    return cap * jnp.tanh(logits / cap)
