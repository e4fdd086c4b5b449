"""A softmax in which each head may put a part of its attention nowhere."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def sink_softmax(
    logits: Float[Array, "*batch head query key"],
    sinks: Float[Array, " head"],
    mask: Bool[Array, "..."] | None = None,
) -> Float[Array, "*batch head query key"]:
    r"""Attention weights beside a learned sink, in float32.

    $$w^h_{qk} = \frac{m_{qk} e^{l^h_{qk}}}{e^{s_h} + \sum_j m_{qj} e^{l^h_{qj}}}$$

    What a row lacks to one is the share of the sink. The sink is no key and has no value, so it
    is not among the weights.

    Args:
        logits: Scores.
        sinks: The logit $s_h$ of each head's sink.
        mask: True where a query may look; broadcast against `logits`. A row whose keys are all
            masked is zero.

    Source: OpenAI (2025), "gpt-oss-120b & gpt-oss-20b Model Card", section 2.2. Why models want a
    sink: Xiao et al. (2024), "Efficient Streaming Language Models with Attention Sinks".
    """
    logits = logits.astype(jnp.promote_types(logits.dtype, jnp.float32))
    sink = sinks[:, None, None].astype(logits.dtype)
    seen = jnp.ones((), dtype=bool) if mask is None else mask
    # As in `masked_softmax`, logits are replaced before `exp`, so that no NaN is made. The sum
    # cannot be empty: it holds the sink.
    visible = jnp.where(seen, logits, jnp.finfo(logits.dtype).min)
    largest = jnp.maximum(visible.max(axis=-1, keepdims=True), sink)
    largest = jax.lax.stop_gradient(largest)
    exponentials = jnp.where(seen, jnp.exp(jnp.where(seen, logits - largest, 0.0)), 0.0)
    return exponentials / (exponentials.sum(axis=-1, keepdims=True) + jnp.exp(sink - largest))
