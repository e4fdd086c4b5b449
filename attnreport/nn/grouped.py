"""Products of queries, keys and values where several heads of queries share one head of keys."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def grouped_logits(
    queries: Float[Array, "batch query head feature"],
    keys: Float[Array, "batch key kv_head feature"],
) -> Float[Array, "batch head query key"]:
    r"""Scores of each head of queries against the head of keys that its group shares.

    $$l^h_{qk} = Q^h_q \cdot K^{\lfloor h / g \rfloor}_k, \quad g = H / H_{kv}$$

    With as many heads of keys as of queries this is multi-head attention, with one head of keys it
    is multi-query attention, and between the two it is grouped-query attention. The keys are never
    repeated in memory.

    Source: Ainslie et al. (2023), "GQA: Training Generalized Multi-Query Transformer Models from
    Multi-Head Checkpoints", section 2.2; for one head of keys Shazeer (2019), "Fast Transformer
    Decoding: One Write-Head is All You Need", section 3.
    """
    batch, length, heads, features = queries.shape
    shared = keys.shape[2]
    if shared == heads:
        return jnp.einsum("bqhd,bkhd->bhqk", queries, keys)
    groups = queries.reshape(batch, length, shared, heads // shared, features)
    logits = jnp.einsum("bqngd,bknd->bngqk", groups, keys)
    return logits.reshape(batch, heads, length, keys.shape[1])


def grouped_mix(
    weights: Float[Array, "batch head query key"],
    values: Float[Array, "batch key kv_head feature"],
) -> Float[Array, "batch query head feature"]:
    r"""Values averaged with weights, $O^h_q = \sum_k w^h_{qk} V^{\lfloor h / g \rfloor}_k$.

    Source: that of `grouped_logits`.
    """
    batch, heads, length, keys = weights.shape
    shared = values.shape[2]
    if shared == heads:
        return jnp.einsum("bhqk,bkhd->bqhd", weights, values)
    groups = weights.reshape(batch, shared, heads // shared, length, keys)
    mixed = jnp.einsum("bngqk,bknd->bqngd", groups, values)
    return mixed.reshape(batch, length, heads, values.shape[3])
