"""Concat score of Luong, Pham and Manning (2015)."""

from flax import nnx
from flax.typing import Dtype
from jaxtyping import Array, Float

from attnreport.nn.additive import additive_logits

Query = Float[Array, "*batch query query_features"]
Key = Float[Array, "*batch key hidden"]
Logits = Float[Array, "*batch query key"]


class ConcatScore(nnx.Module):
    r"""Score of a query against a key with a small network that reads both at once.

    $$l_{qk} = v_a^\top \tanh(W_a [s_q; h_k])$$

    with queries $s$ and keys $h$. $W_a [s_q; h_k]$ is computed as a part of $W_a$ times $s_q$ plus
    the other part times $h_k$, so that keys are projected once. It is the score of Bahdanau et al.
    (2015) without their bias.

    Attributes:
        query: The columns of $W_a$ that meet the query.
        key: The columns of $W_a$ that meet the key; applied to keys, it gives what the score takes.
        score: The vector $v_a$.

    Source: Luong, Pham and Manning (2015), "Effective Approaches to Attention-based Neural Machine
    Translation", section 3.1, "concat"; the scores have no number there.
    """

    def __init__(
        self,
        query_features: int,
        key_features: int,
        hidden_features: int,
        *,
        dtype: Dtype | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        # Both parts are drawn as the one matrix that they are.
        inputs = query_features + key_features
        whole = nnx.Linear(inputs, hidden_features, use_bias=False, dtype=dtype, rngs=rngs)

        def part(start: int, features: int) -> nnx.Linear:
            layer = nnx.Linear(features, hidden_features, use_bias=False, dtype=dtype, rngs=rngs)
            layer.kernel[...] = whole.kernel[start : start + features]
            return layer

        self.query = part(0, query_features)
        self.key = part(query_features, key_features)
        self.score = nnx.Linear(hidden_features, 1, use_bias=False, dtype=dtype, rngs=rngs)

    def __call__(self, query: Query, projected_key: Key) -> Logits:
        """The logits of each query over keys that were projected once, by `self.key`."""
        return additive_logits(self.query(query), projected_key, self.score)
