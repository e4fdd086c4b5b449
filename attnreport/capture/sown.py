"""The names under which attention leaves a model, and what a call tells beside its weights.

Everything is sown through Flax's own intermediates, so it follows Flax's rules through `scan`,
`remat` and `jit`, and comes out stacked where those stack.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp

# Flax's own name for post-softmax weights, in both its APIs. Any module that sows under it is
# captured.
WEIGHTS = "attention_weights"
# A boolean array that broadcasts against the weights, True where a query may look.
MASK = "attention_mask"
# 1 where keys were computed from the very array that queries were computed from. A scalar, so its
# rank after the run is the number of axes that transformations put in front of the weights.
SAME_INPUT = "attention_same_input"

FACTS = (WEIGHTS, MASK, SAME_INPUT)

# By module path and then by one of the names above: one array for each call of the module.
Sown = Mapping[str, Mapping[str, tuple[jax.Array, ...]]]


def call_facts(
    query_input: jax.Array,
    key_input: jax.Array | None,
    mask: jax.Array | None,
    *,
    is_causal: bool = False,
) -> dict[str, jax.Array]:
    """What a multi-head attention call tells beside its weights, by the name to sow it under."""
    same = key_input is None or key_input is query_input
    facts = {SAME_INPUT: jnp.asarray(same, jnp.int8)}
    if is_causal:
        queries = query_input.shape[-2]
        keys = query_input.shape[-2] if key_input is None else key_input.shape[-2]
        causal = jnp.tril(jnp.ones((queries, keys), bool))
        mask = causal if mask is None else jnp.logical_and(mask, causal)
    rank = query_input.ndim + 1
    if mask is not None and mask.ndim <= rank:
        leading = (1,) * (rank - mask.ndim)
        facts[MASK] = jnp.reshape(mask, leading + mask.shape).astype(bool)
    return facts
