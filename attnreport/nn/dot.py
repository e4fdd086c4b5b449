"""Dot product score of Luong, Pham and Manning (2015)."""

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float

from attnreport._errors import InvalidAttentionError

Query = Float[Array, "*batch query features"]
Key = Float[Array, "*batch key features"]
Logits = Float[Array, "*batch query key"]


class DotScore(nnx.Module):
    r"""Score of a query against a key of as many features, with nothing learned.

    $$l_{qk} = s_q^\top h_k$$

    with queries $s$ and keys $h$.

    Source: Luong, Pham and Manning (2015), "Effective Approaches to Attention-based Neural Machine
    Translation", section 3.1, "dot"; the scores have no number there.
    """

    def key(self, key: Key) -> Key:
        """The keys as they are."""
        return key

    def __call__(self, query: Query, projected_key: Key) -> Logits:
        """The logits of each query over the keys."""
        return dot_products(query, projected_key)


def dot_products(query: Query, key: Key) -> Logits:
    """The dot product of each query with each key.

    Args:
        query: What looks.
        key: What is looked at.

    Raises:
        InvalidAttentionError: Queries and keys do not have as many features.
    """
    if query.shape[-1] != key.shape[-1]:
        raise InvalidAttentionError(
            f"Queries have {query.shape[-1]} features and keys {key.shape[-1]}, but a dot product "
            "needs as many of both. Project one of them, or take `GeneralScore`, which does."
        )
    return jnp.einsum("...qf,...kf->...qk", query, key)
