"""A text classifier that pools its words, and shows which of them it went by."""

import dataclasses
from typing import Literal, overload

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from attnreport._errors import UnknownNameError
from attnreport.nn.attention_pooling import AttentionPooling
from attnreport.nn.masks import padding_mask
from attnreport.nn.self_attentive import SelfAttentivePooling

# The word number that fills a row up; there is no word at such a place.
PADDING = 0

TEXT_ATTENTIONS = ("additive", "self-attentive")
# What others are compared with: no attention at all, the mean of all words.
MEAN = "mean"

Words = Int[Array, "batch word"]
Logits = Float[Array, "batch label"]
Weights = Float[Array, "batch 1 hop word"]


@dataclasses.dataclass(frozen=True)
class TextClassifierSizes:
    """Sizes of a TextClassifier.

    Attributes:
        words: Words of the vocabulary, with `PADDING` and whatever stands for unknown words.
        labels: What there is to choose from.
        embedding: Features of a word.
        scoring: Features of the network that scores a word.
        hops: How many times `self-attentive` looks.
        dropout: Share of the features of words that training drops.
        attention: How words are pooled: one of `TEXT_ATTENTIONS`, or `MEAN`.
    """

    words: int
    labels: int
    embedding: int = 64
    scoring: int = 64
    hops: int = 4
    dropout: float = 0.0
    attention: str = "additive"


class MeanPooling(nnx.Module):
    """The mean of all words: what pooling is without attention."""

    def __call__(
        self,
        inputs: Float[Array, "batch word features"],
        *,
        mask: Array,
        return_weights: bool = False,
    ) -> Array | tuple[Array, Weights]:
        """The mean of each sequence, with the equal weights on request."""
        real = mask[:, 0, 0].astype(inputs.dtype)
        weights = real / jnp.maximum(real.sum(axis=-1, keepdims=True), 1)
        pooled = jnp.einsum("bk,bkf->bf", weights, inputs)
        return (pooled, weights[:, None, None]) if return_weights else pooled


class TextClassifier(nnx.Module):
    r"""What a text is about, from its words in any order.

    $$p = \operatorname{softmax}(V s + c), \quad s = \sum_k w_k e_k$$

    with an embedding $e_k$ of each word and weights $w$ of attention pooling; the several vectors
    of `self-attentive` are laid end to end. No word knows its neighbours before it is pooled, as
    words do that a recurrent network or a Transformer has read. So a weight belongs to a word
    alone, and taking a word out takes out all that it brought.

    Attributes:
        embedding: The features of each word.
        pooling: Where attention is.
        labels: The projection $V$ with its bias.
    """

    def __init__(self, sizes: TextClassifierSizes, *, rngs: nnx.Rngs) -> None:
        self.embedding = nnx.Embed(sizes.words, sizes.embedding, rngs=rngs)
        self.dropout = nnx.Dropout(sizes.dropout, rngs=rngs)
        self.pooling = _pooling(sizes, rngs)
        hops = sizes.hops if sizes.attention == "self-attentive" else 1
        self.labels = nnx.Linear(hops * sizes.embedding, sizes.labels, rngs=rngs)

    @overload
    def __call__(self, words: Words) -> Logits: ...
    @overload
    def __call__(
        self, words: Words, *, return_weights: Literal[True]
    ) -> tuple[Logits, Weights]: ...
    def __call__(
        self, words: Words, *, return_weights: bool = False
    ) -> Logits | tuple[Logits, Weights]:
        """Scores of each label.

        Args:
            words: Word numbers, `PADDING` where there is no word, at the end or anywhere else.
            return_weights: Whether to return the weight of each word too.

        Returns:
            The scores, or `(scores, weights)`.
        """
        mask = padding_mask(words != PADDING)
        inputs = self.dropout(self.embedding(words))
        pooled, weights = self.pooling(inputs, mask=mask, return_weights=True)
        logits = self.labels(pooled.reshape(len(words), -1))
        return (logits, weights) if return_weights else logits


def _pooling(
    sizes: TextClassifierSizes, rngs: nnx.Rngs
) -> AttentionPooling | SelfAttentivePooling | MeanPooling:
    if sizes.attention == "additive":
        return AttentionPooling(sizes.embedding, sizes.scoring, rngs=rngs)
    if sizes.attention == "self-attentive":
        return SelfAttentivePooling(sizes.embedding, sizes.scoring, sizes.hops, rngs=rngs)
    if sizes.attention == MEAN:
        return MeanPooling()
    raise UnknownNameError(
        f"There is no attention {sizes.attention!r}. Choose one of {', '.join(TEXT_ATTENTIONS)}, "
        f"or {MEAN!r} for none."
    )
