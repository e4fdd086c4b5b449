"""Biases of logits that depend on how far apart a query and a key are.

Each is called with positions and gives `[head, query, key]`, to be added to logits. Positions may
have a leading batch axis, which the bias then has too.
"""

import dataclasses
import math
from collections.abc import Callable

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

Positions = Int[Array, "*batch time"]
Bias = Float[Array, "*batch head query key"]
PositionBias = Callable[[Positions, Positions], Bias]


@dataclasses.dataclass(frozen=True)
class Alibi:
    r"""Attention with linear biases (ALiBi): a head likes a key less the farther away it is.

    $$b^h_{qk} = -m_h |q - k|, \quad m_h = 2^{-8h/H} \text{ for } h = 1, \dots, H$$

    where $H$ is a power of two. Otherwise the heads past the next lower power $P$ take every
    second slope of $2P$ heads, beginning with the first, as in the authors' code. The paper has
    causal attention, $k \le q$; the same slope on both sides is the usual extension. There is
    nothing to learn.

    Attributes:
        num_heads: The number $H$ of heads.

    Source: Press, Smith and Lewis (2022), "Train Short, Test Long: Attention with Linear Biases
    Enables Input Length Extrapolation", section 3.
    """

    num_heads: int

    @property
    def slopes(self) -> tuple[float, ...]:
        """The slope $m_h$ of each head."""
        power = 2 ** math.floor(math.log2(self.num_heads))
        slopes = _geometric(power) + _geometric(2 * power)[::2]
        return tuple(slopes[: self.num_heads])

    def __call__(self, query_positions: Positions, key_positions: Positions) -> Bias:
        """The bias of each head, query and key.

        Args:
            query_positions: Positions of the queries.
            key_positions: Positions of the keys.
        """
        distance = jnp.abs(_relative(query_positions, key_positions)).astype(jnp.float32)
        return -jnp.asarray(self.slopes, jnp.float32)[:, None, None] * distance[..., None, :, :]


def _geometric(count: int) -> list[float]:
    return [2 ** (-8 * place / count) for place in range(1, count + 1)]


class RelativeBias(nnx.Module):
    r"""One learned bias for each head and bucket of distances, $b^h_{qk} = E_{h, f(k - q)}$.

    Half of the buckets hold one distance each. The other half grows with the logarithm of the
    distance up to `max_distance`, and the last holds everything beyond.

    Attributes:
        embedding: The biases $E$, `[bucket, head]`.

    Source: Raffel et al. (2020), "Exploring the Limits of Transfer Learning with a Unified
    Text-to-Text Transformer", section 2.1; the buckets are those of the authors' code.
    """

    def __init__(
        self,
        num_heads: int,
        *,
        num_buckets: int = 32,
        max_distance: int = 128,
        bidirectional: bool = True,
        rngs: nnx.Rngs,
    ) -> None:
        self.num_buckets = num_buckets
        self.max_distance = max_distance
        self.bidirectional = bidirectional
        self.embedding = nnx.Embed(num_buckets, num_heads, rngs=rngs)

    def buckets(self, distance: Int[Array, "*axes"]) -> Int[Array, "*axes"]:
        """The bucket of each distance.

        Args:
            distance: Position of the key less that of the query. Without `bidirectional` all
                later keys share the bucket of distance 0.
        """
        count = self.num_buckets // 2 if self.bidirectional else self.num_buckets
        steps = jnp.abs(distance) if self.bidirectional else jnp.maximum(-distance, 0)
        later = (distance > 0) * count if self.bidirectional else 0
        exact = count // 2
        # The order of operations is that of T5: another one would round some distances into the
        # neighboring bucket, where its checkpoints do not have them.
        growth = jnp.log(jnp.maximum(steps, 1).astype(jnp.float32) / exact) / math.log(
            self.max_distance / exact
        )
        large = jnp.minimum(exact + (growth * (count - exact)).astype(jnp.int32), count - 1)
        return later + jnp.where(steps < exact, steps, large)

    def __call__(self, query_positions: Positions, key_positions: Positions) -> Bias:
        """The bias of each head, query and key.

        Args:
            query_positions: Positions of the queries.
            key_positions: Positions of the keys.
        """
        buckets = self.buckets(_relative(query_positions, key_positions))
        return jnp.moveaxis(self.embedding(buckets), -1, -3)


def _relative(query_positions: Array, key_positions: Array) -> Array:
    return key_positions[..., None, :] - query_positions[..., :, None]
