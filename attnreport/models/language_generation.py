"""How a language model goes on with a text: token by token, each one the likeliest."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from attnreport.models.transformer import LanguageModel, Words
from attnreport.nn.cache import KeyValueCache

_Carry = tuple[tuple[KeyValueCache, ...], Array]


class Continuation(NamedTuple):
    """What a language model wrote.

    Attributes:
        words: Word numbers.
        logits: The scores of all words that each was chosen by.
    """

    words: Int[Array, "batch length"]
    logits: Float[Array, "batch length vocabulary"]


@nnx.jit(static_argnames=("length",))
def continue_greedily(model: LanguageModel, prompt: Words, *, length: int) -> Continuation:
    """The words that follow a prompt when each is the likeliest one.

    The prompt is read at once, and each word that is written is read by itself: keys and values of
    all before it are kept. The last one is not read any more, so attention has a row for each word
    of the prompt and of what was written but for that one. `attnreport.stitch_steps` makes one
    matrix of what `capture_attention` finds.

    Args:
        model: A trained model.
        prompt: Words to begin with, without padding.
        length: Words to write.
    """
    batch, given = prompt.shape
    caches = model.decoder.empty_caches(batch, given + length - 1)
    read, caches = model.decode(prompt, caches)
    first = read[:, -1]

    def advance(carry: _Carry, _: None) -> tuple[_Carry, tuple[Array, Array]]:
        caches, previous = carry
        logits, caches = model.decode(previous[:, None], caches)
        word = logits[:, 0].argmax(axis=-1)
        return (caches, word), (word, logits[:, 0])

    start = caches, first.argmax(axis=-1)
    _, (words, logits) = jax.lax.scan(advance, start, None, length=length - 1)
    return Continuation(
        jnp.concatenate([start[1][:, None], words.T], axis=1),
        jnp.concatenate([first[:, None], jnp.swapaxes(logits, 0, 1)], axis=1),
    )
