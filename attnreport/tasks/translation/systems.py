"""What is asked of a translator, whichever it is: the recurrent one or a Transformer."""

import dataclasses

import jax.numpy as jnp
from flax import nnx
from jaxtyping import Array, Float, Int

from attnreport.models.transformer import Transformer
from attnreport.models.transformer_decoding import write_greedily
from attnreport.models.transformer_layers import TransformerSizes
from attnreport.models.translator import END, START, Translator, TranslatorSizes, Words
from attnreport.models.translator_decoding import translate_greedily
from attnreport.tasks.translation.batches import Languages
from attnreport.tasks.translation.plan import RecurrentSizes

System = Translator | Transformer

# The weights of all cross-attention.
Looks = Float[Array, "batch layer head target source"]


def new_system(
    sizes: RecurrentSizes | TransformerSizes, languages: Languages, rngs: nnx.Rngs
) -> System:
    """A translator of some sizes before any training."""
    words = len(languages.source), len(languages.target)
    if isinstance(sizes, TransformerSizes):
        return Transformer(*words, sizes, rngs=rngs)
    return Translator(TranslatorSizes(*words, **dataclasses.asdict(sizes)), rngs=rngs)


def logits(model: System, source: Words, target: Words) -> Float[Array, "batch target vocabulary"]:
    """Scores of every target word, given the words before it."""
    if isinstance(model, Transformer):
        return model(source, words_before(target))
    return model(source, target)


@nnx.jit
def looks(model: System, source: Words, target: Words) -> tuple[Words, Looks]:
    """The likeliest target words, each given those before it, and where the model looked.

    Row `i` is where it looked to write word `i`.
    """
    if isinstance(model, Translator):
        scores, weights = model(source, target, return_weights=True)
        return scores.argmax(axis=-1), weights[:, None, None]
    run = nnx.capture(model, nnx.Intermediate)
    scores, stored = run(source, words_before(target))
    layers = nnx.to_pure_dict(stored)["decoder"]["layers"]
    weights = [
        layers[number]["cross_attention"]["attention_weights"][0] for number in sorted(layers)
    ]
    return scores.argmax(axis=-1), jnp.stack(weights, axis=1)


def written(model: System, source: Words, length: int) -> Int[Array, "batch length"]:
    """The translations that arise when each word is the likeliest one.

    Args:
        model: A translator.
        source: Source sentences.
        length: Most words of a translation, its end marker included.
    """
    if isinstance(model, Transformer):
        return write_greedily(model, source, length=length, start=START, end=END)
    return translate_greedily(model, source, length=length).words


def words_before(target: Words) -> Words:
    """Of each target word the one before it, for a Transformer to read."""
    return jnp.concatenate([jnp.full_like(target[:, :1], START), target[:, :-1]], axis=1)
