"""Captures the attention of a Haiku model and reports on it.

python examples/capture_haiku.py report.html
"""

import sys

import haiku as hk
import jax

from attnreport import capture_attention, write_report

SENTENCE = ["the", "cat", "that", "chased", "the", "mouse", "sleeps"]


def encode(words):
    for layer in range(3):
        attention = hk.MultiHeadAttention(
            4, 8, w_init=hk.initializers.VarianceScaling(1), name=f"layer_{layer}"
        )
        words = words + attention(words, words, words)
    return words


def main(path: str = "capture_haiku.html") -> None:
    words = jax.random.normal(jax.random.key(0), (1, len(SENTENCE), 32))
    encoder = hk.without_apply_rng(hk.transform(encode))
    parameters = encoder.init(jax.random.key(1), words)
    recording = capture_attention(encoder.apply, parameters, words, tokens=SENTENCE)
    print(write_report(recording, path))


if __name__ == "__main__":
    main(*sys.argv[1:])
