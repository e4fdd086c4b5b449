"""Captures attention that is written in plain JAX, and says what is found before anything runs.

python examples/capture_jax.py report.html
"""

import sys

import jax
import jax.numpy as jnp

from attnreport import capture_attention, plan_attention, write_report

SENTENCE = ["the", "cat", "that", "chased", "the", "mouse", "sleeps"]


def encode(layers, words):
    for layer in layers:
        query, key, value = (jnp.einsum("btm,mhd->bthd", words, layer[name]) for name in "qkv")
        scores = jnp.einsum("bqhd,bkhd->bhqk", query, key) / query.shape[-1] ** 0.5
        weights = jax.nn.softmax(jnp.where(jnp.tri(words.shape[1]), scores, -jnp.inf))
        words = words + jnp.einsum("bhqk,bkhd->bqhd", weights, value).reshape(words.shape)
    return words


def main(path: str = "capture_jax.html") -> None:
    keys = jax.random.split(jax.random.key(0), (3, 3))
    layers = [
        {name: jax.random.normal(key, (32, 4, 8)) / 8 for name, key in zip("qkv", row, strict=True)}
        for row in keys
    ]
    words = jax.random.normal(jax.random.key(1), (1, len(SENTENCE), 32))
    print(plan_attention(encode, layers, words))
    print(write_report(capture_attention(encode, layers, words, tokens=SENTENCE), path))


if __name__ == "__main__":
    main(*sys.argv[1:])
