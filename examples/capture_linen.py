"""Captures the attention of a Flax Linen model, whose layers lie in a scan, and reports on it.

python examples/capture_linen.py report.html
"""

import sys

import jax
from flax import linen as nn

from attnreport import capture_attention, write_report

SENTENCE = ["the", "cat", "chased", "the", "mouse"]


class Block(nn.Module):
    """One layer."""

    @nn.compact
    def __call__(self, words, _):
        return words + nn.MultiHeadAttention(4, name="attention")(nn.LayerNorm()(words)), None


class Encoder(nn.Module):
    """Three layers whose parameters lie in one array each."""

    @nn.compact
    def __call__(self, words):
        layers = nn.scan(Block, variable_axes={"params": 0}, split_rngs={"params": True}, length=3)
        return layers(name="layers")(words, None)[0]


def main(path: str = "capture_linen.html") -> None:
    words = jax.random.normal(jax.random.key(0), (1, len(SENTENCE), 32))
    variables = Encoder().init(jax.random.key(1), words)
    print(write_report(capture_attention(Encoder(), variables, words, tokens=SENTENCE), path))


if __name__ == "__main__":
    main(*sys.argv[1:])
