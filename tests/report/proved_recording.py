"""A model with every kind of proof: multiplied out, not multiplied out, and resting on a guess."""

import functools

import jax
import jax.numpy as jnp

from attnreport.capture import capture_attention
from attnreport.recording import Recording

WORDS = ["the", "cat", "chased", "the", "mouse"]
HEADS = 2
SIZE = 8


def numbers(*shape, seed=0):
    return jax.random.normal(jax.random.key(seed), shape)


def projected(layer, x):
    return (jnp.reshape(x @ layer[name], (*x.shape[:-1], HEADS, SIZE // HEADS)) for name in "qkv")


def weighted(layer, x):
    query, key, value = projected(layer, x)
    weights = jax.nn.softmax(jnp.einsum("bqhd,bkhd->bhqk", query, key))  # multiplied out
    return jnp.einsum("bhqk,bkhd->bqhd", weights, value).reshape(x.shape)


def mixed(layer, x):
    query, key, value = projected(layer, x)
    weights = jax.nn.softmax(jnp.einsum("bqhd,bkhd->bhqk", query, key))  # not multiplied out
    weights = jnp.einsum("bhqk,hg->bgqk", weights, layer["mix"])
    return jnp.einsum("bhqk,bkhd->bqhd", weights, value).reshape(x.shape)


def model(layers, x, heads):
    """Two plain layers, one that mixes its heads, and attention without projections."""
    for layer in layers[:2]:
        x = x + weighted(layer, x)
    scores = jnp.einsum("bqhd,bkhd->bhqk", heads, heads)
    weights = jax.nn.softmax(scores)  # rests on a guess
    return mixed(layers[2], x), jnp.einsum("bhqk,bkhd->bqhd", weights, heads)


@functools.cache
def proved_recording(examples: int = 2) -> Recording:
    layers = [
        {name: numbers(SIZE, SIZE, seed=4 * place + number) for number, name in enumerate("qkv")}
        | {"mix": numbers(HEADS, HEADS, seed=4 * place + 3)}
        for place in range(3)
    ]
    x = numbers(examples, len(WORDS), SIZE, seed=12)
    heads = numbers(examples, len(WORDS), HEADS, SIZE // HEADS, seed=13)
    return capture_attention(model, layers, x, heads, tokens=[WORDS] * examples)
