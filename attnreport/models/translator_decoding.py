"""How a Translator writes: word by word, greedily or with several hypotheses at once.

Both ways run as one compiled loop over time. A sentence ends with `END`; after it come `PADDING`
and attention rows of zeros. Greedy decoding shows its weights under `nnx.capture` too; those of a
beam search, most of whose hypotheses come to nothing, are only returned.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Bool, Float, Int

from attnreport.models.translator import END, PADDING, START, Encoded, Translator, Words
from attnreport.nn.weights import sow_attention


class Translation(NamedTuple):
    """What a model wrote.

    Attributes:
        words: Word numbers.
        log_probabilities: Natural logarithm of the probability the model gave each word, given
            those before it; 0 for padding. Their sum is that of the sentence.
        weights: Where the model looked to write each word; None if that was not asked for.
    """

    words: Int[Array, "*batch target"]
    log_probabilities: Float[Array, "*batch target"]
    weights: Float[Array, "*batch target source"] | None


class _Hypotheses(NamedTuple):
    """The sentences that a beam search follows, best first."""

    state: Float[Array, "batch beam hidden"]
    words: Int[Array, "batch beam"]
    total: Float[Array, "batch beam"]
    finished: Bool[Array, "batch beam"]


@nnx.jit(static_argnames=("length", "return_weights"))
def translate_greedily(
    model: Translator, source: Words, *, length: int, return_weights: bool = False
) -> Translation:
    """The translations that arise when each word is the likeliest one.

    Args:
        model: A trained model.
        source: Source sentences.
        length: Most words of a translation, its end marker included.
        return_weights: Whether to return the attention too.
    """
    encoded = model.encode(source)
    batch = source.shape[0]

    def advance(
        carry: tuple[Array, Array, Array], place: Array
    ) -> tuple[tuple[Array, Array, Array], Translation]:
        state, previous, finished = carry
        state, scores, weights = _next_word(model, encoded, state, previous, place)
        word = jnp.where(finished, PADDING, scores.argmax(axis=-1))
        chosen = jnp.take_along_axis(scores, word[:, None], axis=-1)[:, 0]
        written = Translation(
            word,
            jnp.where(finished, 0.0, chosen),
            jnp.where(finished[:, None], 0.0, weights),
        )
        return (state, word, finished | (word == END)), written

    start = jnp.full((batch,), START), jnp.zeros((batch,), dtype=bool)
    _, steps = jax.lax.scan(advance, (encoded.state, *start), jnp.arange(length))
    words, log_probabilities, weights = jax.tree.map(lambda part: jnp.swapaxes(part, 0, 1), steps)
    # Behind the end marker nothing is looked at, so those rows are zero and masked.
    mask = model.decoder.mask(encoded.real, length) & (words != PADDING)[:, None, :, None]
    sow_attention(model.decoder.attention, weights[:, None], mask, same_input=False)
    return Translation(words, log_probabilities, weights if return_weights else None)


@nnx.jit(static_argnames=("length", "width"))
def translate_with_beam(
    model: Translator, source: Words, *, length: int, width: int
) -> Translation:
    """The likeliest translations that beam search finds, best first.

    At every step the search keeps the `width` likeliest beginnings. With a width of 1 it is
    `translate_greedily`.

    Args:
        model: A trained model.
        source: Source sentences.
        length: Most words of a translation, its end marker included.
        width: How many hypotheses to follow, and to return: results are `[batch, beam, target]`.

    Source: Graves (2012), "Sequence Transduction with Recurrent Neural Networks", section 2.5.
    """
    batch = source.shape[0]
    encoded = Encoded(*(jnp.repeat(part, width, axis=0) for part in model.encode(source)))
    # All hypotheses begin alike, so only the first may continue at first.
    total = jnp.where(jnp.arange(width) == 0, 0.0, -jnp.inf)
    first = _Hypotheses(
        encoded.state.reshape(batch, width, -1),
        jnp.full((batch, width), START),
        jnp.broadcast_to(total, (batch, width)),
        jnp.zeros((batch, width), dtype=bool),
    )

    def advance(
        hypotheses: _Hypotheses, place: Array
    ) -> tuple[_Hypotheses, tuple[Translation, Array]]:
        return _extend(model, encoded, hypotheses, place)

    _, (steps, parents) = jax.lax.scan(advance, first, jnp.arange(length))
    return _read_back(steps, parents)


def _next_word(
    model: Translator, encoded: Encoded, state: Array, previous: Array, place: Array
) -> tuple[Array, Array, Array]:
    """The next state, log probabilities of the next word, and the attention."""
    decoder = model.decoder
    words = decoder.words(previous)
    step = decoder.step(encoded, state, decoder.unit.inputs(words), place)
    scores = jax.nn.log_softmax(decoder.logits(step.state, words, step.context))
    allowed = jnp.arange(scores.shape[-1])
    never = (allowed == PADDING) | (allowed == START)
    return step.state, jnp.where(never, -jnp.inf, scores), step.weights


def _extend(
    model: Translator, encoded: Encoded, hypotheses: _Hypotheses, place: Array
) -> tuple[_Hypotheses, tuple[Translation, Array]]:
    """The likeliest continuations of all hypotheses, and which hypothesis each one continues."""
    batch, width = hypotheses.words.shape
    state, words = (part.reshape(batch * width, *part.shape[2:]) for part in hypotheses[:2])
    state, scores, weights = (
        part.reshape(batch, width, -1) for part in _next_word(model, encoded, state, words, place)
    )
    # A finished sentence goes on with padding, for sure.
    padding = jnp.where(jnp.arange(scores.shape[-1]) == PADDING, 0.0, -jnp.inf)
    scores = jnp.where(hypotheses.finished[..., None], padding, scores)
    sums = (hypotheses.total[..., None] + scores).reshape(batch, -1)
    total, places = jax.lax.top_k(sums, width)
    parents, words = jnp.divmod(places, scores.shape[-1])

    def of_parents(values: Array) -> Array:
        index = parents.reshape(*parents.shape, *(1,) * (values.ndim - 2))
        return jnp.take_along_axis(values, index, axis=1)

    finished = of_parents(hypotheses.finished)
    chosen = jnp.take_along_axis(of_parents(scores), words[..., None], axis=-1)[..., 0]
    written = Translation(words, chosen, jnp.where(finished[..., None], 0.0, of_parents(weights)))
    following = _Hypotheses(of_parents(state), words, total, finished | (words == END))
    return following, (written, parents)


def _read_back(steps: Translation, parents: Int[Array, "target batch beam"]) -> Translation:
    """The sentences of a beam search, followed from their last words back to the first."""
    _, batch, width = parents.shape
    last = jnp.broadcast_to(jnp.arange(width), (batch, width))

    def step_back(place: Array, step: tuple[Translation, Array]) -> tuple[Array, tuple[Array, ...]]:
        written, parents = step

        def here(values: Array) -> Array:
            index = place.reshape(*place.shape, *(1,) * (values.ndim - 2))
            return jnp.take_along_axis(values, index, axis=1)

        return here(parents), tuple(here(part) for part in written if part is not None)

    _, parts = jax.lax.scan(step_back, last, (steps, parents), reverse=True)
    return Translation(*(jnp.moveaxis(part, 0, 2) for part in parts))
