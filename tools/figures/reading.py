"""A small language model with an attention of one's choice, and what it looks at."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from attnreport import Recording
from attnreport.models.transformer_layers import sinusoids
from attnreport.nn import MultiHeadAttention, causal_mask
from attnreport.recording import Source
from attnreport.tasks.training import Schedule
from attnreport.tasks.translation.corpus import CorpusSizes, make_corpus
from attnreport.tasks.translation.vocabulary import Vocabulary
from figures.training import Labeling, trained

FEATURES, HEADS = 64, 4
# Sentences of a text: so many that distance matters.
TOGETHER = 3

Maker = Callable[[nnx.Rngs], Any]


class Layer(nnx.Module):
    """Attention and a feed-forward network, each added to its input."""

    def __init__(self, attention: Maker, rngs: nnx.Rngs) -> None:
        self.norms = nnx.List([nnx.LayerNorm(FEATURES, rngs=rngs) for _ in range(2)])
        self.attention = attention(rngs)
        self.up = nnx.Linear(FEATURES, 2 * FEATURES, rngs=rngs)
        self.down = nnx.Linear(2 * FEATURES, FEATURES, rngs=rngs)

    def __call__(self, hidden: jax.Array, mask: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The features after the layer, and its weights."""
        looked, weights = self.attention(self.norms[0](hidden), mask=mask, return_weights=True)
        hidden = hidden + looked
        inner = jax.nn.gelu(self.up(self.norms[1](hidden)))
        return hidden + self.down(inner), weights


class Reader(nnx.Module):
    """Scores the next word after each beginning of a text."""

    def __init__(
        self, words: int, attention: Maker, *, sinusoidal: bool, rngs: nnx.Rngs, layers: int = 2
    ) -> None:
        self.words = nnx.Embed(words, FEATURES, rngs=rngs)
        self.layers = nnx.List([Layer(attention, rngs) for _ in range(layers)])
        self.norm = nnx.LayerNorm(FEATURES, rngs=rngs)
        self.scores = nnx.Linear(FEATURES, words, rngs=rngs)
        self.sinusoidal = sinusoidal

    def __call__(self, words: jax.Array) -> tuple[jax.Array, list[jax.Array]]:
        """The scores, and the weights of each layer."""
        hidden = self.words(words)
        if self.sinusoidal:
            hidden = hidden + sinusoids(jnp.arange(words.shape[1]), FEATURES)
        found = []
        for layer in self.layers:
            hidden, weights = layer(hidden, causal_mask(words.shape[1]))
            found.append(weights)
        return self.scores(self.norm(hidden)), found


def texts(count: int, seed: int = 0) -> list[tuple[str, ...]]:
    """Texts of a few sentences of the storybook language of the translation demo."""
    pairs = make_corpus(CorpusSizes(train=count * TOGETHER, validation=1, test=1), seed=seed).train
    groups = (pairs[at : at + TOGETHER] for at in range(0, len(pairs), TOGETHER))
    return [sum((pair.english for pair in group), ()) for group in groups]


def record_reader(
    attention: Maker, *, sinusoidal: bool = False, epochs: int = 12, normalized: bool = True
) -> Recording:
    """What a reader with an attention looks at in the first test text."""
    every = texts(1_600)
    vocabulary = Vocabulary.of(every)
    rows = vocabulary.encode(every)
    # The label of a word is the next one; padding has none.
    labels = np.where(rows[:, 1:] == 0, -1, rows[:, 1:])
    inputs, cut = rows[:, :-1], len(every) - 100
    task = Labeling(
        lambda rngs: Reader(len(vocabulary), attention, sinusoidal=sinusoidal, rngs=rngs),
        (inputs[:cut], labels[:cut]),
        (inputs[cut:], labels[cut:]),
        Schedule(epochs=epochs, rounds=1, patience=epochs),
        size=50,
    )
    model, score = trained(task)
    words = every[cut]
    _, weights = model(vocabulary.encode([words])[:, :-1])
    length = len(words)
    return Recording.from_arrays(
        [np.asarray(each[0]) for each in weights],
        tokens=list(words),
        mask=np.asarray(causal_mask(length)[0, 0]),
        normalized=normalized,
        source=Source(model="Small language model", data=f"{score:.0%} of next words right."),
    )


def multi_head(**options: Any) -> Maker:
    """Makes a `MultiHeadAttention` with options."""
    return lambda rngs: MultiHeadAttention(HEADS, FEATURES, rngs=rngs, **options)
