"""Attention in plain JAX that tests of capture share, with the weights it computes."""

import jax
import jax.numpy as jnp
import numpy as np

# Weights of two programs that XLA may fuse differently: the last places of a number below 1.
ROUNDING = 5e-7


def numbers(*shape, seed=0, dtype=jnp.float32):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), dtype)


def projections(seed=0, features=8, heads=2):
    stack = 0.4 * numbers(3, features, heads, features // heads, seed=seed)
    return dict(zip("qkv", stack, strict=True))


def weights_of(layer, x, memory=None):
    """`[batch, head, query, key]`."""
    memory = x if memory is None else memory
    query, key = (
        jnp.einsum("btm,mhd->bhtd", x, layer["q"]),
        jnp.einsum("btm,mhd->bhtd", memory, layer["k"]),
    )
    return jax.nn.softmax(query @ key.mT / 2)


def attend(layer, x, memory=None, tag=lambda weights: weights):
    """`x` and what it attends to, `[batch, query, feature]`."""
    weights = tag(weights_of(layer, x, memory))
    value = jnp.einsum("btm,mhd->bhtd", x if memory is None else memory, layer["v"])
    return x + jnp.moveaxis(weights @ value, 1, 2).reshape(x.shape)


def encode(layers, x):
    for layer in layers:
        x = attend(layer, x)
    return x


def references(layers, x):
    """The weights of every layer of `encode`."""
    found = []
    for layer in layers:
        found.append(weights_of(layer, x))
        x = attend(layer, x)
    return found
