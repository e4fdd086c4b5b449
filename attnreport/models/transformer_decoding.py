"""How an encoder-decoder Transformer writes: word by word, each one the likeliest."""

import jax
import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Int

from attnreport.models.transformer import PADDING, Transformer, Words
from attnreport.nn.cache import KeyValueCache

_Carry = tuple[tuple[KeyValueCache, ...], Array, Array]


@nnx.jit(static_argnames=("length", "start", "end"))
def write_greedily(
    model: Transformer, source: Words, *, length: int, start: int = 1, end: int = 2
) -> Int[Array, "batch length"]:
    """The sentences that arise when each word is the likeliest one, padded behind their ends.

    Keys and values of the words written before are kept, so each word is computed once.

    Args:
        model: A trained model.
        source: Source sentences.
        length: Most words to write, the end marker included.
        start: Number of the marker before the first word.
        end: Number of the marker behind the last word.
    """
    memory, real = model.encode(source), source != PADDING
    batch = source.shape[0]

    def advance(carry: _Carry, _: None) -> tuple[_Carry, Array]:
        caches, previous, finished = carry
        logits, caches = model.decode(previous[:, None], caches, memory, real)
        numbers = jnp.arange(logits.shape[-1])
        never = (numbers == PADDING) | (numbers == start)
        likeliest = jnp.where(never, -jnp.inf, logits[:, 0]).argmax(axis=-1)
        word = jnp.where(finished, PADDING, likeliest)
        return (caches, word, finished | (word == end)), word

    first = (
        model.decoder.empty_caches(batch, length),
        jnp.full((batch,), start),
        jnp.zeros((batch,), dtype=bool),
    )
    _, words = jax.lax.scan(advance, first, None, length=length)
    return words.T
