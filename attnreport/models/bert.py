"""The encoder of BERT (Devlin et al., 2019), for weights that others have trained."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from attnreport.nn.masks import padding_mask
from attnreport.nn.multihead import MultiHeadAttention

Hidden = Float[Array, "batch length hidden"]

# By the names that `hidden_act` uses in a Hugging Face configuration.
ACTIVATIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "gelu": lambda x: jax.nn.gelu(x, approximate=False),
    "gelu_new": lambda x: jax.nn.gelu(x, approximate=True),
    "gelu_pytorch_tanh": lambda x: jax.nn.gelu(x, approximate=True),
    "relu": jax.nn.relu,
    "silu": jax.nn.silu,
    "swish": jax.nn.silu,
}


@dataclasses.dataclass(frozen=True)
class BertSizes:
    """Sizes of a Bert.

    Attributes:
        words: Entries of the vocabulary.
        positions: Longest sequence, in tokens.
        segments: Kinds of token, such as first and second sentence.
        layers: Number of layers.
        heads: Attention heads of a layer; `hidden` is a multiple of it.
        hidden: Features of a token.
        feed_forward: Features inside a feed-forward network.
        activation: Name of the function inside a feed-forward network, a key of `ACTIVATIONS`.
        epsilon: What layer normalization adds to a variance.
    """

    words: int
    positions: int
    segments: int
    layers: int
    heads: int
    hidden: int
    feed_forward: int
    activation: str = "gelu"
    epsilon: float = 1e-12


class Embeddings(nnx.Module):
    """The sum of what is known about a token: which word, where, in which segment."""

    def __init__(self, sizes: BertSizes, *, rngs: nnx.Rngs) -> None:
        self.word = nnx.Embed(sizes.words, sizes.hidden, rngs=rngs)
        self.position = nnx.Embed(sizes.positions, sizes.hidden, rngs=rngs)
        self.segment = nnx.Embed(sizes.segments, sizes.hidden, rngs=rngs)
        self.norm = _norm(sizes, rngs)

    def __call__(
        self, words: Int[Array, "batch length"], segments: Int[Array, "batch length"]
    ) -> Hidden:
        """The features of each token before the first layer."""
        positions = self.position(jnp.arange(words.shape[1]))[None]
        return self.norm(self.word(words) + self.segment(segments) + positions)


class Layer(nnx.Module):
    """Attention and a feed-forward network, each added to its input and then normalized."""

    def __init__(self, sizes: BertSizes, *, rngs: nnx.Rngs) -> None:
        self.attention = MultiHeadAttention(sizes.heads, sizes.hidden, rngs=rngs)
        self.attention_norm = _norm(sizes, rngs)
        self.up = nnx.Linear(sizes.hidden, sizes.feed_forward, rngs=rngs)
        self.down = nnx.Linear(sizes.feed_forward, sizes.hidden, rngs=rngs)
        self.norm = _norm(sizes, rngs)
        self.activation = sizes.activation

    def __call__(self, hidden: Hidden, mask: Bool[Array, "batch 1 1 key"] | None) -> Hidden:
        """The features of each token after the layer."""
        hidden = self.attention_norm(hidden + self.attention(hidden, mask=mask))
        inner = ACTIVATIONS[self.activation](self.up(hidden))
        return self.norm(hidden + self.down(inner))


class Bert(nnx.Module):
    """The encoder of BERT, as it predicts: without dropout, pooler and heads.

    Source: Devlin, Chang, Lee, Toutanova (2019), "BERT: Pre-training of Deep Bidirectional
    Transformers for Language Understanding", section 3. Normalization follows the addition, as
    in the released weights.
    """

    def __init__(self, sizes: BertSizes, *, rngs: nnx.Rngs) -> None:
        self.embeddings = Embeddings(sizes, rngs=rngs)
        self.layers = nnx.List([Layer(sizes, rngs=rngs) for _ in range(sizes.layers)])

    def __call__(
        self,
        words: Int[Array, "batch length"],
        real: Bool[Array, "batch length"] | None = None,
        segments: Int[Array, "batch length"] | None = None,
    ) -> Hidden:
        """The features of each token after the last layer.

        Args:
            words: Vocabulary number of each token.
            real: False where a token is padding; all True if left out.
            segments: Segment of each token; all 0 if left out.
        """
        hidden = self.embeddings(words, jnp.zeros_like(words) if segments is None else segments)
        mask = None if real is None else padding_mask(real)
        for layer in self.layers:
            hidden = layer(hidden, mask)
        return hidden


def _norm(sizes: BertSizes, rngs: nnx.Rngs) -> nnx.LayerNorm:
    # The fast variance, mean(x^2) - mean(x)^2, cancels where features are far from zero.
    return nnx.LayerNorm(sizes.hidden, epsilon=sizes.epsilon, use_fast_variance=False, rngs=rngs)
