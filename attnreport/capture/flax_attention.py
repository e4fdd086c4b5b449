"""Flax NNX's default attention function as it runs uncaptured, with its weights sown beside it."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from flax.nnx.nn.dtypes import promote_dtype
from jaxtyping import Array, Float

from attnreport.capture.sown import WEIGHTS


def sowing_attention(
    query: jax.Array,
    key: jax.Array,
    value: jax.Array,
    *,
    module: nnx.Module | None = None,
    **options: Any,
) -> jax.Array:
    """`nnx.dot_product_attention`; in half precision on the path it takes when nothing is sown.

    Asked to sow, Flax leaves `jax.nn.dot_product_attention`, whose softmax is in float32, for a
    softmax in the format of the inputs. In bfloat16 that is another model; in float32 it is the
    same but for rounding, and with dropout Flax takes that path anyway, so there it sows by
    itself.
    """
    promoted = promote_dtype((query, key, value), dtype=options.get("dtype"))
    is_half = jnp.finfo(promoted[0].dtype).bits < 32
    if module is None or not is_half or options.get("dropout_rate", 0.0) > 0.0:
        return nnx.dot_product_attention(query, key, value, module=module, **options)
    weights = _weights(
        promoted[0],
        promoted[1],
        options.get("bias"),
        options.get("mask"),
        is_causal=options.get("is_causal", False),
    )
    module.sow(nnx.Intermediate, WEIGHTS, weights)
    return nnx.dot_product_attention(query, key, value, **options)


def _weights(
    query: Float[Array, "*batch query head feature"],
    key: Float[Array, "*batch key shared_head feature"],
    bias: jax.Array | None,
    mask: jax.Array | None,
    *,
    is_causal: bool,
) -> Float[Array, "*batch head query key"]:
    """Weights of `jax.nn.dot_product_attention` (xla): softmax in float32, then rounded."""
    used = key.dtype
    wide = jnp.promote_types(query.dtype, jnp.float32)
    key = jnp.repeat(key, query.shape[-2] // key.shape[-2], axis=-2)
    logits = jnp.einsum("...qhd,...khd->...hqk", query.astype(wide), key.astype(wide))
    logits = logits * jnp.asarray(query.shape[-1] ** -0.5, wide)
    if bias is not None:
        logits = (logits + bias).astype(wide)
    lowest = jnp.asarray(-0.7 * jnp.finfo(wide).max, wide)
    if mask is not None:
        logits = jnp.where(mask.astype(bool), logits, lowest)
    if is_causal:
        logits = jnp.where(jnp.tril(jnp.ones(logits.shape[-2:], bool)), logits, lowest)
    return jax.nn.softmax(logits.astype(jnp.float32), axis=-1).astype(used)
