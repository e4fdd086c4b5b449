"""Captures the attention of a Flax model that knows nothing of attnreport.

python examples/own_model.py report.html
"""

import sys

import jax.numpy as jnp
from flax import nnx

from attnreport import capture_attention, write_report

SENTENCE = ["the", "cat", "that", "chased", "the", "mouse", "sleeps"]
FEATURES = 32


class Block(nnx.Module):
    """One layer of a Transformer encoder."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.attention = nnx.MultiHeadAttention(4, FEATURES, decode=False, rngs=rngs)
        self.norm = nnx.LayerNorm(FEATURES, rngs=rngs)
        self.dense = nnx.Linear(FEATURES, FEATURES, rngs=rngs)

    def __call__(self, words):
        words = self.norm(words + self.attention(words))
        return words + nnx.gelu(self.dense(words))


class Encoder(nnx.Module):
    """Words to vectors, with random parameters."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.words = nnx.Embed(len(SENTENCE), FEATURES, rngs=rngs)
        self.blocks = nnx.List([Block(rngs) for _ in range(3)])

    def __call__(self, numbers):
        words = self.words(numbers)
        for block in self.blocks:
            words = block(words)
        return words


def main(path: str = "own_model.html") -> None:
    model = Encoder(nnx.Rngs(0))
    recording = capture_attention(model, jnp.arange(len(SENTENCE))[None], tokens=[SENTENCE])
    print(recording.examples[0].maps[0].checks)
    print(write_report(recording, path))


if __name__ == "__main__":
    main(*sys.argv[1:])
