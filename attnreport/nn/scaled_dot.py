"""Scaled dot product score of Vaswani et al. (2017)."""

import math

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from attnreport.nn.dot import dot_products

Query = Float[Array, "*batch query features"]
Key = Float[Array, "*batch key features"]
Logits = Float[Array, "*batch query key"]


class ScaledDotScore(nnx.Module):
    r"""Dot product whose spread does not grow with the number of features, with nothing learned.

    $$l_{qk} = \frac{s_q^\top h_k}{\sqrt{d}}$$

    with queries $s$ and keys $h$ of $d$ features.

    Source: Vaswani et al. (2017), "Attention Is All You Need", section 3.2.1, equation 1.
    """

    def key(self, key: Key) -> Key:
        """The keys as they are."""
        return key

    def __call__(self, query: Query, projected_key: Key) -> Logits:
        """The logits of each query over the keys."""
        # The division comes before the product, as in `MultiHeadAttention`.
        scaled = query / jnp.asarray(math.sqrt(query.shape[-1]), query.dtype)
        return dot_products(scaled, projected_key)
