"""Additive attention of Bahdanau, Cho and Bengio (2015)."""

import jax.numpy as jnp
from flax import nnx
from flax.typing import Dtype
from jaxtyping import Array, Float

from attnreport.nn.attention import Attention


class AdditiveScore(nnx.Module):
    r"""Score of a query against a key with a small network.

    $$l_{qk} = v^\top \tanh(W_a s_q + U_a h_k + b)$$

    with queries $s$ and keys $h$. The paper has no bias $b$.

    Attributes:
        query: The projection $W_a$.
        key: The projection $U_a$ with the bias $b$; applied to keys, it gives what the score takes.
        score: The vector $v$.

    Source: Bahdanau, Cho and Bengio (2015), "Neural Machine Translation by Jointly Learning to
    Align and Translate", appendix A.1.2.
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
        self.query = nnx.Linear(
            query_features, hidden_features, use_bias=False, dtype=dtype, rngs=rngs
        )
        self.key = nnx.Linear(key_features, hidden_features, dtype=dtype, rngs=rngs)
        self.score = nnx.Linear(hidden_features, 1, use_bias=False, dtype=dtype, rngs=rngs)

    def __call__(
        self,
        query: Float[Array, "*batch query query_features"],
        projected_key: Float[Array, "*batch key hidden"],
    ) -> Float[Array, "*batch query key"]:
        """The logits of each query over keys that were projected once, by `self.key`."""
        return additive_logits(self.query(query), projected_key, self.score)


def additive_logits(
    projected_query: Float[Array, "*batch query hidden"],
    projected_key: Float[Array, "*batch key hidden"],
    score: nnx.Linear,
) -> Float[Array, "*batch query key"]:
    r"""The logits $v^\top \tanh(q + k)$ of projected queries $q$ over projected keys $k$.

    Args:
        projected_query: What looks.
        projected_key: What is looked at.
        score: The vector $v$.
    """
    sums = projected_query[..., :, None, :] + projected_key[..., None, :, :]
    return score(jnp.tanh(sums))[..., 0]


class AdditiveAttention(Attention):
    r"""Attention that scores a query against a key with a small network.

    $$l_{qk} = v^\top \tanh(W_a s_q + U_a h_k + b), \quad
    w_{q\cdot} = \operatorname{softmax}(l_{q\cdot}), \quad c_q = \sum_k w_{qk} h_k$$

    with queries $s$ and keys $h$; there is one head. The paper has no bias $b$.

    Attributes:
        score: The `AdditiveScore` with its parameters.
        dropout: Dropout on the weights; `model.eval()` turns it off.

    Source: Bahdanau, Cho and Bengio (2015), "Neural Machine Translation by Jointly Learning to
    Align and Translate", section 3.1 and appendix A.1.2.
    """

    def __init__(
        self,
        query_features: int,
        key_features: int,
        hidden_features: int,
        *,
        dropout_rate: float = 0.0,
        dtype: Dtype | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        score = AdditiveScore(query_features, key_features, hidden_features, dtype=dtype, rngs=rngs)
        super().__init__(score, dropout_rate=dropout_rate, rngs=rngs)
