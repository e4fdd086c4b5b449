"""Captures the attention of a Flax NNX encoder and decoder, and reports on both sides of it.

python examples/capture_nnx.py report.html
"""

import sys

import jax
from flax import nnx

from attnreport import capture_attention, write_report

SOURCE, TARGET = ["the", "cat", "sleeps"], ["die", "Katze", "schläft", "."]


class Translator(nnx.Module):
    """Self-attention on both sides, and from one to the other."""

    def __init__(self, rngs):
        options = {"num_heads": 4, "in_features": 32, "decode": False, "rngs": rngs}
        self.encoder = nnx.MultiHeadAttention(**options)
        self.decoder = nnx.MultiHeadAttention(**options)
        self.cross = nnx.MultiHeadAttention(**options)

    def __call__(self, source, target):
        source = source + self.encoder(source)
        target = target + self.decoder(target, is_causal=True)
        return target + self.cross(target, source)


def main(path: str = "capture_nnx.html") -> None:
    source = jax.random.normal(jax.random.key(0), (1, len(SOURCE), 32))
    target = jax.random.normal(jax.random.key(1), (1, len(TARGET), 32))
    model = Translator(nnx.Rngs(0))
    recording = capture_attention(model, source, target, tokens=TARGET, key_tokens=SOURCE)
    print(write_report(recording, path))


if __name__ == "__main__":
    main(*sys.argv[1:])
