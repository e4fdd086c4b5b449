"""Attention with one head and a score of one's choice, of Luong, Pham and Manning (2015)."""

from typing import Any, Literal, overload

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float

from attnreport.nn.local import PredictedWindow
from attnreport.nn.masks import without_head
from attnreport.nn.score import Score
from attnreport.nn.weights import masked_softmax, sow_attention

Query = Float[Array, "batch query query_features"]
Key = Float[Array, "batch key key_features"]
Value = Float[Array, "batch key value_features"]
Mask = Bool[Array, "..."]
Context = Float[Array, "batch query value_features"]
Weights = Float[Array, "batch 1 query key"]


class Attention(nnx.Module):
    r"""Attention of one head, put together from a score and, if it is to be local, a window.

    $$w_{q\cdot} = \operatorname{softmax}(\operatorname{score}(s_q, h_\cdot)), \quad
    c_q = \sum_k w_{qk} h_k$$

    with queries $s$ and keys $h$. This is Luong's global attention. Local attention of the
    monotonic kind (local-m) is the same under `window_mask`; of the predictive kind (local-p), the
    same with a `PredictedWindow`.

    Attributes:
        score: The score, such as `DotScore()` or what `make_score` makes.
        window: Where each query looks; None for everywhere.
        dropout: Dropout on the weights; `model.eval()` turns it off.

    Source: Luong, Pham and Manning (2015), "Effective Approaches to Attention-based Neural Machine
    Translation", sections 3.1 (equation 7) and 3.2.
    """

    def __init__(
        self,
        score: Score,
        *,
        window: PredictedWindow | None = None,
        dropout_rate: float = 0.0,
        rngs: nnx.Rngs | None = None,
    ) -> None:
        self.score = score
        self.window = window
        self.dropout = nnx.Dropout(dropout_rate, rngs=rngs)

    @property
    def key(self) -> Any:
        """What projects keys, once for all queries that will meet them."""
        return self.score.key

    def weights(
        self,
        query: Float[Array, "*batch query query_features"],
        projected_key: Float[Array, "*batch key hidden"],
        mask: Bool[Array, "..."] | None = None,
    ) -> Float[Array, "*batch query key"]:
        """Attention weights over keys that were projected once, by `self.key`.

        A decoder that runs inside `jax.lax.scan` calls this at every step. It stores nothing:
        what is stored in a module inside a scan leaks out of its trace.

        Args:
            query: What looks.
            projected_key: `self.key(key)`.
            mask: True where a query may look; broadcast against `[*batch, query, key]`.
        """
        logits = self.score(query, projected_key)
        if self.window is None:
            return masked_softmax(logits, mask)
        return self.window(query, logits, mask)

    @overload
    def __call__(
        self, query: Query, key: Key, value: Value | None = ..., *, mask: Mask | None = ...
    ) -> Context: ...
    @overload
    def __call__(
        self,
        query: Query,
        key: Key,
        value: Value | None = ...,
        *,
        mask: Mask | None = ...,
        return_weights: Literal[True],
    ) -> tuple[Context, Weights]: ...
    def __call__(
        self,
        query: Query,
        key: Key,
        value: Value | None = None,
        *,
        mask: Mask | None = None,
        return_weights: bool = False,
    ) -> Context | tuple[Context, Weights]:
        """The context of each query: values averaged with the attention weights.

        Args:
            query: What looks.
            key: What is looked at.
            value: What is averaged; the keys if left out.
            mask: True where a query may look at a key; broadcast against
                `[batch, head, query, key]` with one head. A query that may look nowhere gets a
                context of zeros.
            return_weights: Whether to return the weights too, before dropout, in float32.

        Returns:
            The contexts, or `(contexts, weights)`.

        Raises:
            InvalidAttentionError: The mask has more than one head, or the score needs as many
                features in queries as in keys.
        """
        value = key if value is None else value
        weights = self.weights(query, self.key(key), without_head(mask, f"`{type(self).__name__}`"))
        sow_attention(self, weights[:, None], mask, same_input=key is query)
        used = self.dropout(weights).astype(value.dtype)
        context = jnp.einsum("bqk,bkv->bqv", used, value)
        return (context, weights[:, None]) if return_weights else context
