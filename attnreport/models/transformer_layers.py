"""Layers of a Transformer, and stacks of them."""

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx
from flax.typing import Dtype
from jaxtyping import Array, Bool, Float

from attnreport.nn.cache import KeyValueCache
from attnreport.nn.masks import causal_mask, combine_masks
from attnreport.nn.multihead import MultiHeadAttention

Hidden = Float[Array, "batch token features"]
Memory = Float[Array, "batch key features"]
Mask = Bool[Array, "..."]


@dataclasses.dataclass(frozen=True)
class TransformerSizes:
    """Sizes of a stack of layers.

    Attributes:
        features: Features of a token.
        heads: Heads of each attention.
        layers: How many layers there are.
        feed_forward: Features inside of a feed-forward network.
        dropout: Share of the features that training drops after each part of a layer.
    """

    features: int = 128
    heads: int = 4
    layers: int = 2
    feed_forward: int = 512
    dropout: float = 0.0


class TransformerLayer(nnx.Module):
    r"""Attention and a feed-forward network, each added to its input.

    $$x \leftarrow x + \operatorname{attention}(\operatorname{norm}(x)), \quad
    x \leftarrow x + W_2 \operatorname{GELU}(W_1 \operatorname{norm}(x))$$

    with attention to a memory between the two where there is one. Normalization comes before each
    part and not after the sum, so that training needs no warm-up to begin.

    Attributes:
        attention: Self-attention.
        cross_attention: Attention to the memory, or None.

    Source: Vaswani et al. (2017), "Attention Is All You Need", section 3.1; the order of Xiong et
    al. (2020), "On Layer Normalization in the Transformer Architecture", figure 1 (b); GELU of
    Hendrycks and Gimpel (2016).
    """

    def __init__(
        self,
        sizes: TransformerSizes,
        *,
        cross: bool = False,
        dtype: Dtype | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        """Makes the parameters.

        Args:
            sizes: Sizes.
            cross: Whether it looks at a memory too.
            dtype: Number format to compute in.
            rngs: Random numbers for parameters and dropout.
        """
        features = sizes.features

        def norm() -> nnx.LayerNorm:
            return nnx.LayerNorm(features, dtype=dtype, rngs=rngs)

        def attention() -> MultiHeadAttention:
            return MultiHeadAttention(sizes.heads, features, dtype=dtype, rngs=rngs)

        self.attention_norm, self.attention = norm(), attention()
        self.cross_norm = norm() if cross else None
        self.cross_attention = attention() if cross else None
        self.feed_forward_norm = norm()
        self.up = nnx.Linear(features, sizes.feed_forward, dtype=dtype, rngs=rngs)
        self.down = nnx.Linear(sizes.feed_forward, features, dtype=dtype, rngs=rngs)
        self.dropout = nnx.Dropout(sizes.dropout, rngs=rngs)

    def __call__(
        self,
        hidden: Hidden,
        mask: Mask | None = None,
        memory: Memory | None = None,
        memory_mask: Mask | None = None,
    ) -> Hidden:
        """The features of each token after the layer.

        Args:
            hidden: The features before it.
            mask: True where a token may look at another; broadcast against
                `[batch, head, query, key]`.
            memory: What else is looked at.
            memory_mask: True where a token may look at the memory; likewise.
        """
        looked = self.attention(self.attention_norm(hidden), mask=mask)
        return self._rest(hidden + self.dropout(looked), memory, memory_mask)

    def decode(
        self,
        hidden: Hidden,
        cache: KeyValueCache,
        memory: Memory | None = None,
        memory_mask: Mask | None = None,
    ) -> tuple[Hidden, KeyValueCache]:
        """The same for the next tokens of a causal stack, whose keys and values join the cache."""
        looked, cache = self.attention.decode(self.attention_norm(hidden), cache)
        return self._rest(hidden + self.dropout(looked), memory, memory_mask), cache

    def _rest(self, hidden: Hidden, memory: Memory | None, mask: Mask | None) -> Hidden:
        """What follows self-attention."""
        if self.cross_attention is not None and self.cross_norm is not None:
            looked = self.cross_attention(self.cross_norm(hidden), memory, mask=mask)
            hidden = hidden + self.dropout(looked)
        inner = jax.nn.gelu(self.up(self.feed_forward_norm(hidden)))
        return hidden + self.dropout(self.down(inner))


class TransformerStack(nnx.Module):
    """Layers one after the other, and a normalization at the end.

    Without `causal` it is an encoder, in which each token sees all others; with it a decoder, in
    which each token sees itself and those before. `cross` gives it a memory to look at, such as
    what an encoder made of a source sentence.

    Attributes:
        layers: The layers.
        causal: Whether a token sees only itself and those before.
    """

    def __init__(
        self,
        sizes: TransformerSizes,
        *,
        causal: bool = False,
        cross: bool = False,
        dtype: Dtype | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        layers = [
            TransformerLayer(sizes, cross=cross, dtype=dtype, rngs=rngs)
            for _ in range(sizes.layers)
        ]
        self.layers = nnx.List(layers)
        self.causal = causal
        self.norm = nnx.LayerNorm(sizes.features, dtype=dtype, rngs=rngs)

    def __call__(
        self,
        hidden: Hidden,
        mask: Mask | None = None,
        memory: Memory | None = None,
        memory_mask: Mask | None = None,
    ) -> Hidden:
        """The features of each token after the last layer.

        Args:
            hidden: The features before the first.
            mask: True where a token may look at another, besides what `causal` hides; broadcast
                against `[batch, head, query, key]`.
            memory: What else is looked at.
            memory_mask: True where a token may look at the memory; likewise.
        """
        if self.causal:
            mask = combine_masks(mask, causal_mask(hidden.shape[1]))
        for layer in self.layers:
            hidden = layer(hidden, mask, memory, memory_mask)
        return self.norm(hidden)

    def empty_caches(self, batch: int, capacity: int) -> tuple[KeyValueCache, ...]:
        """Caches for `decode` in which nothing was written, one a layer.

        Args:
            batch: Number of examples.
            capacity: Most tokens that can be written.
        """
        return tuple(layer.attention.empty_cache(batch, capacity) for layer in self.layers)

    def decode(
        self,
        hidden: Hidden,
        caches: Sequence[KeyValueCache],
        memory: Memory | None = None,
        memory_mask: Mask | None = None,
    ) -> tuple[Hidden, tuple[KeyValueCache, ...]]:
        """The features of the next tokens of a causal stack, and the caches with them.

        Args:
            hidden: The features of the next tokens before the first layer.
            caches: Keys and values of the tokens before, one a layer.
            memory: What else is looked at.
            memory_mask: True where a token may look at the memory.
        """
        written = []
        for layer, cache in zip(self.layers, caches, strict=True):
            hidden, cache = layer.decode(hidden, cache, memory, memory_mask)
            written.append(cache)
        return self.norm(hidden), tuple(written)


def sinusoids(
    positions: Float[Array, " position"] | Array, features: int
) -> Float[Array, "position features"]:
    r"""Features of positions that a model can compute with.

    $$e_{p, 2i} = \sin(p / 10000^{2i / d}), \quad e_{p, 2i + 1} = \cos(p / 10000^{2i / d})$$

    Args:
        positions: Positions $p$, counted from 0.
        features: Their number $d$, an even one.

    Source: Vaswani et al. (2017), "Attention Is All You Need", section 3.5.
    """
    rates = 10_000.0 ** (-jnp.arange(0, features, 2) / features)
    angles = positions[:, None] * rates
    return jnp.stack([jnp.sin(angles), jnp.cos(angles)], axis=-1).reshape(len(positions), features)
