"""Models of a user who knows nothing of us, and what Flax sows when such a model is edited."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

FEATURES, HEADS = 8, 2

# Asked to sow, NNX leaves `jax.nn.dot_product_attention` for another way to compute the same: the
# rounding of several layers adds up.
ROUNDING = 5e-7


class Layer(nnx.Module):
    """`sow` is there for the reference only: capture does without it."""

    def __init__(self, rngs, *, cross=False, rate=0.0, dtype=None):
        options = {"dropout_rate": rate, "decode": False, "dtype": dtype, "rngs": rngs}
        self.self_attention = nnx.MultiHeadAttention(HEADS, FEATURES, **options)
        if cross:
            self.cross_attention = nnx.MultiHeadAttention(4, FEATURES, **options)

    def __call__(self, x, mask=None, memory=None, memory_mask=None, *, sow=False):
        x = x + self.self_attention(x, mask=mask, sow_weights=sow)
        if memory is not None:
            x = x + self.cross_attention(x, memory, mask=memory_mask, sow_weights=sow)
        return x


class Encoder(nnx.Module):
    def __init__(self, rngs, *, depth=2, **options):
        self.layers = nnx.List([Layer(rngs, **options) for _ in range(depth)])

    def __call__(self, x, *args, sow=False):
        for layer in self.layers:
            x = layer(x, *args, sow=sow)
        return x


class EncoderDecoder(nnx.Module):
    def __init__(self, rngs, rate=0.0):
        self.encoder = Encoder(rngs, rate=rate)
        self.decoder = Encoder(rngs, rate=rate, cross=True)

    def __call__(self, source, target, real, *, sow=False):
        padding = real[:, None, None, :]
        memory = self.encoder(source, padding, sow=sow)
        causal = nnx.make_causal_mask(target[..., 0])
        return self.decoder(target, causal, memory, padding, sow=sow)


def numbers(*shape, seed=0, dtype=jnp.float32):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), dtype)


def flax_sown(model, *inputs, **options):
    """What Flax sows under `jax.jit` when every call says `sow_weights=True`, by path."""
    graph, state = nnx.split(model)

    @jax.jit
    def run(state, *inputs):
        copy = nnx.merge(graph, state)
        output, sown = nnx.capture(lambda m: m(*inputs, sow=True, **options), nnx.Intermediate)(
            copy
        )
        return output, {
            ".".join(map(str, path[:-1])): variable.get_value()
            for path, variable in nnx.to_flat_state(sown)
        }

    return run(state, *inputs)[1]


def maps(recording, example=0):
    return {attention.name: attention for attention in recording.examples[example].maps}
