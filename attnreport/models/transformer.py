"""Transformers over words: encoder-decoder, decoder-only, and encoder-only."""

import math

import jax.numpy as jnp
from flax import nnx
from flax.typing import Dtype
from jaxtyping import Array, Bool, Float, Int

from attnreport.models.transformer_layers import TransformerSizes, TransformerStack, sinusoids
from attnreport.nn.cache import KeyValueCache
from attnreport.nn.masks import padding_mask

# The number that every vocabulary keeps free for places without a word.
PADDING = 0

Words = Int[Array, "batch word"]
Hidden = Float[Array, "batch word features"]
Logits = Float[Array, "batch word vocabulary"]


class WordEmbedding(nnx.Module):
    """Features of words and of their positions, added up.

    Attributes:
        words: Features of each word of the vocabulary.
        dropout: Dropout on the sums.

    Source: Vaswani et al. (2017), "Attention Is All You Need", sections 3.4 and 3.5.
    """

    def __init__(
        self,
        vocabulary: int,
        sizes: TransformerSizes,
        *,
        dtype: Dtype | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        # Scaled back up below, so that words and positions weigh alike.
        draw = nnx.initializers.normal(1 / math.sqrt(sizes.features))
        self.words = nnx.Embed(
            vocabulary, sizes.features, embedding_init=draw, dtype=dtype, rngs=rngs
        )
        self.dropout = nnx.Dropout(sizes.dropout, rngs=rngs)

    def __call__(self, words: Words, first: int | Int[Array, ""] = 0) -> Hidden:
        """The features of words.

        Args:
            words: Vocabulary numbers.
            first: Position of the first of them.
        """
        features = self.words(words)
        places = sinusoids(first + jnp.arange(words.shape[1]), features.shape[-1])
        scaled = features * jnp.asarray(math.sqrt(features.shape[-1]), features.dtype)
        return self.dropout(scaled + places.astype(features.dtype))

    def logits(self, hidden: Hidden) -> Logits:
        """Scores of all words, by the features that embed them."""
        return self.words.attend(hidden)


class Transformer(nnx.Module):
    """Reads a sentence with an encoder, and writes another with a decoder that looks at it.

    Sentences are word numbers, padded on the right with `PADDING`.

    Attributes:
        source: Features of source words.
        target: Features of target words; they score the words that are written, too.
        encoder: The stack that reads.
        decoder: The causal stack that writes; its `cross_attention` looks at what was read.

    Source: Vaswani et al. (2017), "Attention Is All You Need".
    """

    def __init__(
        self,
        source_words: int,
        target_words: int,
        sizes: TransformerSizes,
        *,
        dtype: Dtype | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        self.source = WordEmbedding(source_words, sizes, dtype=dtype, rngs=rngs)
        self.target = WordEmbedding(target_words, sizes, dtype=dtype, rngs=rngs)
        self.encoder = TransformerStack(sizes, dtype=dtype, rngs=rngs)
        self.decoder = TransformerStack(sizes, causal=True, cross=True, dtype=dtype, rngs=rngs)

    def encode(self, source: Words) -> Hidden:
        """The features of source words after the encoder."""
        return self.encoder(self.source(source), padding_mask(source != PADDING))

    def __call__(self, source: Words, before: Words) -> Logits:
        """Scores of the next word, after each beginning of the target (teacher forcing).

        Args:
            source: Source sentences.
            before: Target sentences behind a marker for the start: word `i` is the last one that
                the scores at `i` know of.
        """
        seen = padding_mask(source != PADDING)
        hidden = self.decoder(self.target(before), None, self.encode(source), seen)
        return self.target.logits(hidden)

    def decode(
        self,
        words: Words,
        caches: tuple[KeyValueCache, ...],
        memory: Hidden,
        real: Bool[Array, "batch source"],
    ) -> tuple[Logits, tuple[KeyValueCache, ...]]:
        """Scores of the word after each of the next ones, and the caches with them.

        Args:
            words: The next words of the target.
            caches: Keys and values of those before; `self.decoder.empty_caches` at first.
            memory: What `encode` made of the source.
            real: Where the source has words.
        """
        embedded = self.target(words, caches[0].length)
        hidden, caches = self.decoder.decode(embedded, caches, memory, padding_mask(real))
        return self.target.logits(hidden), caches


class LanguageModel(nnx.Module):
    """Scores the next word after each beginning of a text, with a decoder alone.

    Attributes:
        words: Features of words; they score the words that are written, too.
        decoder: The causal stack.

    Source: Radford et al. (2018), "Improving Language Understanding by Generative Pre-Training",
    section 3.1.
    """

    def __init__(
        self,
        vocabulary: int,
        sizes: TransformerSizes,
        *,
        dtype: Dtype | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        self.words = WordEmbedding(vocabulary, sizes, dtype=dtype, rngs=rngs)
        self.decoder = TransformerStack(sizes, causal=True, dtype=dtype, rngs=rngs)

    def __call__(self, words: Words) -> Logits:
        """Scores of the word after each word."""
        return self.words.logits(self.decoder(self.words(words)))

    def decode(
        self, words: Words, caches: tuple[KeyValueCache, ...]
    ) -> tuple[Logits, tuple[KeyValueCache, ...]]:
        """Scores of the word after each of the next ones, and the caches with them.

        Args:
            words: The next words.
            caches: Keys and values of those before; `self.decoder.empty_caches` at first.
        """
        hidden, caches = self.decoder.decode(self.words(words, caches[0].length), caches)
        return self.words.logits(hidden), caches


class TextEncoder(nnx.Module):
    """Features of the words of a text, each of which knows all others, with an encoder alone.

    Attributes:
        words: Features of words.
        encoder: The stack.
    """

    def __init__(
        self,
        vocabulary: int,
        sizes: TransformerSizes,
        *,
        dtype: Dtype | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        self.words = WordEmbedding(vocabulary, sizes, dtype=dtype, rngs=rngs)
        self.encoder = TransformerStack(sizes, dtype=dtype, rngs=rngs)

    def __call__(self, words: Words) -> Hidden:
        """The features of each word; those of padding mean nothing."""
        return self.encoder(self.words(words), padding_mask(words != PADDING))
