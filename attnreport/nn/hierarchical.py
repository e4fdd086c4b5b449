"""Hierarchical attention of Yang et al. (2016)."""

from typing import Literal, NamedTuple, overload

import jax.numpy as jnp
from flax import nnx
from flax.typing import Dtype
from jaxtyping import Array, Bool, Float

from attnreport.nn.attention_pooling import AttentionPooling
from attnreport.nn.masks import padding_mask
from attnreport.nn.recurrent import GatedRecurrentUnit

Words = Float[Array, "batch sentence word features"]
Real = Bool[Array, "batch sentence word"]
Pooled = Float[Array, "batch pooled_features"]


class HierarchicalWeights(NamedTuple):
    """Where a document was looked at.

    Attributes:
        words: The words of each sentence; the sentence is the query.
        sentences: The sentences of the document, which is the only query.
    """

    words: Float[Array, "batch 1 sentence word"]
    sentences: Float[Array, "batch 1 1 sentence"]


class Level(nnx.Module):
    """One level of a document: reads a sequence in both directions, and pools what it has read.

    Attributes:
        forward: Reads from the first position to the last.
        backward: Reads from the last position to the first.
        pooling: Pools what both know after each position.
    """

    def __init__(
        self,
        features: int,
        hidden_features: int,
        attention_features: int,
        *,
        dtype: Dtype | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        self.forward = GatedRecurrentUnit(features, hidden_features, dtype=dtype, rngs=rngs)
        self.backward = GatedRecurrentUnit(features, hidden_features, dtype=dtype, rngs=rngs)
        self.pooling = AttentionPooling(
            2 * hidden_features, attention_features, dtype=dtype, rngs=rngs
        )

    def __call__(
        self, inputs: Float[Array, "batch key features"], real: Bool[Array, "batch key"]
    ) -> tuple[Float[Array, "batch pooled_features"], Float[Array, "batch 1 1 key"]]:
        """The vector of each sequence, and its weights."""
        both = (self.forward(inputs, real), self.backward(inputs, real, reverse=True))
        annotations = jnp.concatenate(both, axis=-1)
        return self.pooling(annotations, mask=padding_mask(real), return_weights=True)


class HierarchicalPooling(nnx.Module):
    r"""One vector for a document: words are pooled to sentences, and sentences to the document.

    $$s_i = \operatorname{pool}_t(\operatorname{GRU}(x_{it})), \quad
    v = \operatorname{pool}_i(\operatorname{GRU}(s_i))$$

    with words $x$, sentences $s$ and the document $v$; recurrent networks read in both directions,
    and both pools are an `AttentionPooling`.

    Attributes:
        words: Reads and pools the words of a sentence.
        sentences: Reads and pools the sentences of a document.

    Source: Yang et al. (2016), "Hierarchical Attention Networks for Document Classification",
    section 2.2.
    """

    def __init__(
        self,
        features: int,
        hidden_features: int,
        attention_features: int,
        *,
        dtype: Dtype | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        sizes = (hidden_features, attention_features)
        self.words = Level(features, *sizes, dtype=dtype, rngs=rngs)
        self.sentences = Level(2 * hidden_features, *sizes, dtype=dtype, rngs=rngs)

    @overload
    def __call__(self, inputs: Words, *, mask: Real | None = ...) -> Pooled: ...
    @overload
    def __call__(
        self, inputs: Words, *, mask: Real | None = ..., return_weights: Literal[True]
    ) -> tuple[Pooled, HierarchicalWeights]: ...
    def __call__(
        self, inputs: Words, *, mask: Real | None = None, return_weights: bool = False
    ) -> Pooled | tuple[Pooled, HierarchicalWeights]:
        """The vector of each document.

        Args:
            inputs: The words of each sentence of each document.
            mask: False where a word is padding. A sentence without a word is padding too, and a
                document without a sentence gives zeros.
            return_weights: Whether to return the weights too, in float32.

        Returns:
            The vectors, or `(vectors, weights)`.
        """
        batch, sentence, word, _ = inputs.shape
        real = jnp.ones((batch, sentence, word), bool) if mask is None else mask
        sentences, of_words = self.words(
            inputs.reshape(batch * sentence, word, -1), real.reshape(batch * sentence, word)
        )
        pooled, of_sentences = self.sentences(
            sentences.reshape(batch, sentence, -1), real.any(axis=-1)
        )
        if not return_weights:
            return pooled
        in_sentences = of_words.reshape(batch, 1, sentence, word)
        return pooled, HierarchicalWeights(in_sentences, of_sentences)
