"""The recurrent translator with attention of Bahdanau, Cho and Bengio (2015)."""

import dataclasses
from typing import Literal, NamedTuple, overload

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from attnreport.models.looking import make_attention, seen_at
from attnreport.nn.recurrent import GatedRecurrentUnit
from attnreport.nn.weights import sow_attention

# Word numbers that every vocabulary of a Translator keeps free for these markers.
PADDING, START, END = 0, 1, 2

Words = Int[Array, "batch length"]
Logits = Float[Array, "batch target word"]
Weights = Float[Array, "batch target source"]


@dataclasses.dataclass(frozen=True)
class TranslatorSizes:
    """Sizes of a Translator.

    Attributes:
        source_words: Words of the source vocabulary, with markers.
        target_words: Words of the target vocabulary, with markers.
        embedding: Features of a word.
        hidden: Features of a recurrent state, in each direction.
        scoring: Features of the network that scores a source word.
        dropout: Share of the features of words and annotations that training drops.
        attention: How the decoder looks at the source: one of
            `attnreport.models.looking.ATTENTIONS`.
        reach: How many words on either side a local attention sees.
    """

    source_words: int
    target_words: int
    embedding: int = 96
    hidden: int = 128
    scoring: int = 96
    dropout: float = 0.0
    attention: str = "additive"
    reach: int = 2

    @property
    def annotation(self) -> int:
        """Features of an annotation: a state of either direction."""
        return 2 * self.hidden

    @property
    def state(self) -> int:
        """Features of the decoder's state; `dot` compares it with annotations as it is."""
        return self.annotation if self.attention == "dot" else self.hidden


class Encoded(NamedTuple):
    """What the decoder needs to know about a batch of source sentences."""

    annotations: Float[Array, "batch source features"]
    keys: Float[Array, "batch source hidden"]
    real: Bool[Array, "batch source"]
    state: Float[Array, "batch hidden"]


class Step(NamedTuple):
    """What one step of the decoder gives."""

    state: Float[Array, "batch hidden"]
    context: Float[Array, "batch features"]
    weights: Float[Array, "batch source"]


class Encoder(nnx.Module):
    """A recurrent network that reads the sentence in both directions.

    The annotation of a word is what the network knows after reading it from the left, and after
    reading it from the right.

    Source: Bahdanau et al. (2015), section 3.2.
    """

    def __init__(self, sizes: TranslatorSizes, *, rngs: nnx.Rngs) -> None:
        self.embedding = nnx.Embed(sizes.source_words, sizes.embedding, rngs=rngs)
        self.dropout = nnx.Dropout(sizes.dropout, rngs=rngs)
        self.forward = GatedRecurrentUnit(sizes.embedding, sizes.hidden, rngs=rngs)
        self.backward = GatedRecurrentUnit(sizes.embedding, sizes.hidden, rngs=rngs)

    def __call__(
        self, source: Words, real: Bool[Array, "batch length"]
    ) -> Float[Array, "batch length features"]:
        """The annotation of each word."""
        words = self.dropout(self.embedding(source))
        both = (self.forward(words, real), self.backward(words, real, reverse=True))
        return self.dropout(jnp.concatenate(both, axis=-1))


class Decoder(nnx.Module):
    """A recurrent network that writes a sentence word by word, and looks before each word.

    To write word $i$, its state $s_{i-1}$ looks at the source; the context $c_i$ it finds and
    the last word give the next state $s_i$, and these three give the word. So row $i$ of the
    attention is where the network looked to write word $i$ itself, and can be compared with the
    words that word $i$ translates.

    Source: Bahdanau et al. (2015), section 3.1 and appendix A.2.2.
    """

    def __init__(self, sizes: TranslatorSizes, *, rngs: nnx.Rngs) -> None:
        annotation, state = sizes.annotation, sizes.state
        self.looks, self.reach = sizes.attention, sizes.reach
        self.embedding = nnx.Embed(sizes.target_words, sizes.embedding, rngs=rngs)
        self.dropout = nnx.Dropout(sizes.dropout, rngs=rngs)
        self.attention = make_attention(
            sizes.attention, state, annotation, sizes.scoring, sizes.reach, rngs=rngs
        )
        self.first = nnx.Linear(sizes.hidden, state, rngs=rngs)
        self.unit = GatedRecurrentUnit(sizes.embedding, state, rngs=rngs)
        self.context = nnx.Linear(annotation, 3 * state, use_bias=False, rngs=rngs)
        self.maxout = nnx.Linear(state + sizes.embedding + annotation, 2 * sizes.hidden, rngs=rngs)
        self.word = nnx.Linear(sizes.hidden, sizes.target_words, rngs=rngs)

    def words(self, target: Int[Array, "*batch"]) -> Float[Array, "*batch embedding"]:
        """The features of words that were written."""
        return self.dropout(self.embedding(target))

    def step(
        self,
        encoded: Encoded,
        state: Float[Array, "batch hidden"],
        projected: Float[Array, "batch gates"],
        place: Int[Array, ""],
    ) -> Step:
        """Looks at the source and moves on.

        Args:
            encoded: The source.
            state: The state before.
            projected: `self.unit.inputs` of the last word.
            place: Number of the word that is written.
        """
        seen = seen_at(self.looks, self.reach, encoded.real, place)
        weights = self.attention.weights(state[:, None], encoded.keys, seen)[:, 0]
        context = jnp.einsum("bs,bsf->bf", weights, encoded.annotations)
        return Step(self.unit.step(state, projected + self.context(context)), context, weights)

    def mask(
        self, real: Bool[Array, "batch source"], length: int
    ) -> Bool[Array, "batch 1 target source"]:
        """Where each of the first words of the target may look."""
        places = jnp.arange(length)
        return jax.vmap(lambda place: seen_at(self.looks, self.reach, real, place), out_axes=2)(
            places
        )

    def logits(
        self,
        state: Float[Array, "*batch hidden"],
        words: Float[Array, "*batch embedding"],
        context: Float[Array, "*batch features"],
    ) -> Float[Array, "*batch word"]:
        """Scores of the next word, from state, last word and context, through a maxout layer."""
        pairs = self.maxout(jnp.concatenate([state, words, context], axis=-1))
        pieces = pairs.reshape(*pairs.shape[:-1], -1, 2)
        return self.word(pieces.max(axis=-1))


class Translator(nnx.Module):
    """Reads a sentence in one language and writes it in another.

    Sentences are word numbers, padded on the right with `PADDING`; they end with `END`. Attention
    has one head and is additive unless the sizes say otherwise; its map is called
    `decoder.attention`. How words are written by a trained model is in
    `attnreport.models.translator_decoding`.

    Source: Bahdanau, Cho and Bengio (2015), "Neural Machine Translation by Jointly Learning to
    Align and Translate". The recurrent unit is the one of `attnreport.nn.recurrent`, and the
    output layer reads the new state $s_i$, as in equation 4 of the paper.
    """

    def __init__(self, sizes: TranslatorSizes, *, rngs: nnx.Rngs) -> None:
        self.encoder = Encoder(sizes, rngs=rngs)
        self.decoder = Decoder(sizes, rngs=rngs)

    def encode(self, source: Words) -> Encoded:
        """Reads the source sentences."""
        real = source != PADDING
        annotations = self.encoder(source, real)
        # The backward network's first position has read the whole sentence.
        backward = annotations[:, 0, annotations.shape[-1] // 2 :]
        state = jnp.tanh(self.decoder.first(backward))
        return Encoded(annotations, self.decoder.attention.key(annotations), real, state)

    @overload
    def __call__(self, source: Words, target: Words) -> Logits: ...
    @overload
    def __call__(
        self, source: Words, target: Words, *, return_weights: Literal[True]
    ) -> tuple[Logits, Weights]: ...
    def __call__(
        self, source: Words, target: Words, *, return_weights: bool = False
    ) -> Logits | tuple[Logits, Weights]:
        """Scores of every target word, given the words before it (teacher forcing).

        Args:
            source: Source sentences.
            target: Target sentences.
            return_weights: Whether to return the attention of each target word too.

        Returns:
            Scores at position `i` for what stands at position `i` of `target`, or
            `(scores, weights)`.
        """
        encoded = self.encode(source)
        start = jnp.full_like(target[:, :1], START)
        words = self.decoder.words(jnp.concatenate([start, target[:, :-1]], axis=1))
        projected = jnp.swapaxes(self.decoder.unit.inputs(words), 0, 1)

        def advance(state: Array, each: tuple[Array, Array]) -> tuple[Array, Step]:
            step = self.decoder.step(encoded, state, *each)
            return step.state, step

        places = jnp.arange(target.shape[1])
        _, steps = jax.lax.scan(advance, encoded.state, (projected, places))
        states, contexts, weights = (jnp.swapaxes(part, 0, 1) for part in steps)
        sow_attention(
            self.decoder.attention,
            weights[:, None],
            self.decoder.mask(encoded.real, target.shape[1]),
            same_input=False,
        )
        logits = self.decoder.logits(states, words, contexts)
        return (logits, weights) if return_weights else logits
