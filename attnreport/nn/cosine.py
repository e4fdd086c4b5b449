"""Cosine score with a learned temperature, of Liu et al. (2022)."""

import math

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from attnreport.nn.dot import dot_products

Query = Float[Array, "*batch query features"]
Key = Float[Array, "*batch key features"]
Logits = Float[Array, "*batch query key"]

COLDEST = 0.01


class CosineScore(nnx.Module):
    r"""Cosine of the angle between query and key, divided by a learned temperature.

    $$l_{qk} = \frac{1}{\max(\tau, 0.01)} \cdot \frac{s_q^\top h_k}{\lVert s_q \rVert\,
    \lVert h_k \rVert}$$

    with queries $s$ and keys $h$. Logits lie between $-1/\tau$ and $1/\tau$, however long the
    vectors are; a vector of zeros has the cosine 0 with every other. They are in float32.

    Attributes:
        log_scale: $-\ln \tau$, one number.

    Source: Liu et al. (2022), "Swin Transformer V2: Scaling Up Capacity and Resolution", section
    3.2, equation 2, which names the bound of 0.01; its code learns the logarithm and begins at
    $\tau = 0.1$.
    """

    def __init__(self, temperature: float = 0.1) -> None:
        self.log_scale = nnx.Param(jnp.asarray(-math.log(temperature), jnp.float32))

    def key(self, key: Key) -> Key:
        """The keys, each of length one, in float32."""
        return _of_length_one(key)

    def __call__(self, query: Query, projected_key: Key) -> Logits:
        """The logits of each query over the keys."""
        scale = jnp.exp(jnp.minimum(self.log_scale[...], -math.log(COLDEST)))
        return scale * dot_products(_of_length_one(query), projected_key)


def _of_length_one(vectors: Array) -> Array:
    vectors = vectors.astype(jnp.promote_types(vectors.dtype, jnp.float32))
    squared = jnp.sum(vectors * vectors, axis=-1, keepdims=True)
    # The bound comes before the root, whose slope at zero is infinite.
    return vectors / jnp.sqrt(jnp.maximum(squared, 1e-12))
