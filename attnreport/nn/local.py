"""The predicted window of local attention (local-p) of Luong, Pham and Manning (2015)."""

import jax
import jax.numpy as jnp
from flax import nnx
from flax.typing import Dtype
from jaxtyping import Array, Bool, Float

from attnreport._errors import InvalidAttentionError
from attnreport.nn.weights import masked_softmax

Query = Float[Array, "*batch query features"]
Logits = Float[Array, "*batch query key"]
Mask = Bool[Array, "..."]


class PredictedWindow(nnx.Module):
    r"""Weights under a bell curve around the place that a query predicts.

    $$p_q = S \cdot \sigma(v_p^\top \tanh(W_p s_q)), \quad
    w_{qk} = \operatorname{softmax}_{|k - p_q| \le D}(l_{qk}) \cdot
    \exp\left(-\frac{(k - p_q)^2}{2 \sigma^2}\right), \quad \sigma = D / 2$$

    with queries $s$, logits $l$, and $S$ keys that the query may look at, which are taken to be the
    first ones. Keys count from 0. The curve comes after the softmax, as in the paper, so the
    weights of a query sum to less than one. With `normalized=True` it comes before, and they sum to
    one: the softmax is then of $l_{qk} - (k - p_q)^2 / 2 \sigma^2$.

    Attributes:
        hidden: The projection $W_p$.
        place: The vector $v_p$.
        reach: $D$, how many keys on either side of the predicted place are seen.
        normalized: Whether the weights of a query sum to one.

    Source: Luong, Pham and Manning (2015), "Effective Approaches to Attention-based Neural Machine
    Translation", section 3.2, equations 9 and 10.
    """

    def __init__(
        self,
        features: int,
        hidden_features: int,
        *,
        reach: int = 10,
        normalized: bool = False,
        dtype: Dtype | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        if reach < 1:
            raise InvalidAttentionError(
                f"A window that reaches {reach} keys to either side may hold no key at all. Choose "
                "a `reach` of 1 or more."
            )
        self.reach, self.normalized = reach, normalized
        self.hidden = nnx.Linear(features, hidden_features, use_bias=False, dtype=dtype, rngs=rngs)
        self.place = nnx.Linear(hidden_features, 1, use_bias=False, dtype=dtype, rngs=rngs)

    def center(
        self, query: Query, length: Float[Array, "*batch #query"]
    ) -> Float[Array, "*batch query"]:
        """The place $p$ that each query predicts, between 0 and `length`, in float32.

        Args:
            query: What looks.
            length: How many keys there are to look at.
        """
        predicted = self.place(jnp.tanh(self.hidden(query)))[..., 0]
        # bfloat16 cannot tell place 257 from place 256.
        return length * jax.nn.sigmoid(predicted.astype(jnp.float32))

    def __call__(self, query: Query, logits: Logits, mask: Mask | None = None) -> Logits:
        """Weights of each query over the keys.

        Args:
            query: What looks.
            logits: Its scores of the keys.
            mask: True where a query may look; broadcast against `logits`.
        """
        allowed = jnp.ones((1, logits.shape[-1]), bool) if mask is None else mask
        length = jnp.broadcast_to(allowed, logits.shape).sum(axis=-1).astype(jnp.float32)
        places = jnp.arange(logits.shape[-1], dtype=jnp.float32)
        distance = places - self.center(query, length)[..., None]
        inside = jnp.logical_and(allowed, jnp.abs(distance) <= self.reach)
        curve = -jnp.square(distance) / (2 * (self.reach / 2) ** 2)
        if self.normalized:
            return masked_softmax(logits + curve, inside)
        return masked_softmax(logits, inside) * jnp.exp(curve)
