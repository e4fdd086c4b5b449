"""Fused kernels that are no attention, or not all of one: nothing may be shown of them."""

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl

from tests.capture.programs.fused import attend, over_heads
from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)


def _inputs(draw):
    return draw(2, 6, 8), draw.weights("q k v", 8, 2, 4)


def _fused(body):
    def fn(x, p):
        return over_heads(body, *(jnp.einsum("btm,mhd->bhtd", x, p[n]) for n in "qkv"))

    return fn


def _case(draw, body):
    return Case(_fused(body), _inputs(draw))


@program("Attention with an error: rows are divided by their largest entry.")
def divided_by_the_maximum(draw: Draw) -> Case:
    def body(q, k, v):
        e = jnp.exp(q @ k.T * 0.5)
        return e / e.max(-1, keepdims=True) @ v

    return _case(draw, body)


@program("Attention with an error: the second half of the features has weights of its own.")
def other_weights_for_half_of_the_features(draw: Draw) -> Case:
    def body(q, k, v):
        left, right = attend(q, k, v), attend(q, k, v, scale=0.1)
        return jnp.concatenate([left[:, :2], right[:, 2:]], -1)

    return _case(draw, body)


@program("Attention whose result is squashed: not linear in the values.")
def squashed(draw: Draw) -> Case:
    return _case(draw, lambda q, k, v: jnp.tanh(attend(q, k, v)))


@program("Attention with the residual connection inside of the kernel.")
def with_residual(draw: Draw) -> Case:
    return _case(draw, lambda q, k, v: q + attend(q, k, v))


@program("Attention whose result a gate scales, feature by feature.")
def gated(draw: Draw) -> Case:
    return _case(draw, lambda q, k, v: jax.nn.sigmoid(q) * attend(q, k, v))


@program("Linear attention: features of queries and keys, summed without a norm.")
def linear_attention(draw: Draw) -> Case:
    def body(q, k, v):
        return jnp.exp(q) @ (jnp.exp(k).T @ v)

    return _case(draw, body)


@program("Retention: products of queries and keys that decay with distance.")
def retention(draw: Draw) -> Case:
    def body(q, k, v):
        near = jnp.arange(6)[:, None] - jnp.arange(6)
        return jnp.where(near >= 0, jnp.exp(-0.3 * near) * (q @ k.T), 0.0) @ v

    return _case(draw, body)


@program("SwiGLU in a kernel: a gate, what it scales, and a scale.")
def swiglu(draw: Draw) -> Case:
    return _case(draw, lambda gate, up, scale: gate / (1 + jnp.exp(-gate)) * up * scale)


@program("Layer norm of a sum of three arrays, then an exponential.")
def layer_norm(draw: Draw) -> Case:
    def body(a, b, c):
        x = a + b + c
        return jnp.exp((x - x.mean(-1, keepdims=True)) / x.std(-1, keepdims=True))

    return _case(draw, body)


@program("Two matrix products with a softmax between them that is not over what is summed.")
def softmax_over_queries(draw: Draw) -> Case:
    return _case(draw, lambda q, k, v: jax.nn.softmax(q @ k.T, axis=0) @ v)


@program("A gated linear recurrence, step by step in the kernel.")
def recurrence(draw: Draw) -> Case:
    def body(x, decay, gate):
        def step(h, xs):
            x, a, g = xs
            h = jnp.exp(-jnp.exp(a)) * h + x
            return h, h * g

        return jax.lax.scan(step, jnp.zeros(x.shape[-1]), (x, decay, gate))[1]

    return _case(draw, body)


@program("A batched matrix product with a bias, fused.")
def matrix_product(draw: Draw) -> Case:
    def fn(x, p):
        def kernel(a_ref, b_ref, c_ref, o_ref):
            o_ref[...] = jnp.exp(jnp.einsum("bij,bjk->bik", a_ref[...], b_ref[...]) + c_ref[...])

        shape = jax.ShapeDtypeStruct((2, 6, 6), x.dtype)
        return pl.pallas_call(kernel, out_shape=shape, interpret=True)(x, p["a"], p["b"])

    return Case(fn, (draw(2, 6, 8), {"a": draw(2, 8, 6), "b": draw(2, 6, 6)}))


@program("One of three arrays, moved by one token: linear, and each row sums to one.")
def moved_tokens(draw: Draw) -> Case:
    return _case(draw, lambda a, b, c: jnp.roll(c, 1, axis=0))
