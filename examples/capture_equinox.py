"""Captures the attention of an Equinox model, written for one example, and reports on it.

python examples/capture_equinox.py report.html
"""

import sys

import equinox as eqx
import jax

from attnreport import capture_attention, write_report

SENTENCE = ["the", "cat", "that", "chased", "the", "mouse", "sleeps"]


class Encoder(eqx.Module):
    """Three layers of attention."""

    layers: list[eqx.nn.MultiheadAttention]

    def __init__(self, key):
        keys = jax.random.split(key, 3)
        self.layers = [eqx.nn.MultiheadAttention(4, 32, key=each) for each in keys]

    def __call__(self, words):
        for attention in self.layers:
            words = words + attention(words, words, words)
        return words


def main(path: str = "capture_equinox.html") -> None:
    words = jax.random.normal(jax.random.key(0), (len(SENTENCE), 32))
    recording = capture_attention(Encoder(jax.random.key(1)), words, tokens=SENTENCE)
    print(write_report(recording, path))


if __name__ == "__main__":
    main(*sys.argv[1:])
