"""General score of Luong, Pham and Manning (2015), also called bilinear."""

from flax import nnx
from flax.typing import Dtype
from jaxtyping import Array, Float

from attnreport.nn.dot import dot_products

Query = Float[Array, "*batch query query_features"]
Key = Float[Array, "*batch key query_features"]
Logits = Float[Array, "*batch query key"]


class GeneralScore(nnx.Module):
    r"""Dot product of a query with a key that a learned matrix brings to it.

    $$l_{qk} = s_q^\top W_a h_k$$

    with queries $s$ and keys $h$, which may have other features than queries.

    Attributes:
        key: The projection $W_a$; applied to keys, it gives what the score takes.

    Source: Luong, Pham and Manning (2015), "Effective Approaches to Attention-based Neural Machine
    Translation", section 3.1, "general"; the scores have no number there.
    """

    def __init__(
        self,
        query_features: int,
        key_features: int,
        *,
        dtype: Dtype | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        self.key = nnx.Linear(key_features, query_features, use_bias=False, dtype=dtype, rngs=rngs)

    def __call__(self, query: Query, projected_key: Key) -> Logits:
        """The logits of each query over keys that were projected once, by `self.key`."""
        return dot_products(query.astype(projected_key.dtype), projected_key)
