"""Attention in fused kernels, and what is measured of it."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl
from jax.experimental.pallas.ops.gpu import attention as gpu

from attnreport.capture.kernels.kernels import FORM
from tests.capture.attending import numbers, projections
from tests.capture.programs.fused import attend, over_heads
from tests.capture.recognizing import analysis_of
from tests.compiling import run as quickly

X = numbers(3, 5, 8)
LAYER = projections()
Q, K, V = (numbers(2, 3, length, 8, seed=seed) for seed, length in enumerate((6, 7, 7)))


def softmax(q, k):
    return jax.nn.softmax(jnp.einsum("bhqd,bhkd->bhqk", q, k) * 0.5)


def projected(layer, x, order="bhtd"):
    return (jnp.einsum(f"btm,mhd->{order}", x, layer[name]) for name in "qkv")


def fused(layer, x, body=attend):
    """What `attend` of `tests.capture.attending` computes, in a kernel."""
    out = over_heads(body, *projected(layer, x))
    return x + jnp.moveaxis(out, 1, 2).reshape(x.shape)


def differentiable(layer, x):
    """The same, in a kernel that has a derivative of its own."""
    out: Any = gpu.mha(*projected(layer, x, "bthd"), None, sm_scale=0.5, interpret=True)
    return x + out.reshape(x.shape)


def in_one_block(q, k, v):
    """Attention of all heads, tokens before heads, in a kernel that has no grid."""

    def kernel(q_ref, k_ref, v_ref, out_ref):
        weights = jax.nn.softmax(jnp.einsum("bqhd,bkhd->bhqk", q_ref[...], k_ref[...]) * 0.5)
        out_ref[...] = jnp.einsum("bhqk,bkhd->bqhd", weights, v_ref[...])

    return pl.pallas_call(kernel, out_shape=jax.ShapeDtypeStruct(q.shape, q.dtype), interpret=True)(
        q, k, v
    )


def only_site(function, *args):
    (site,) = analysis_of(function, *args).sites()
    assert site.form == FORM
    return site


def measured(body, *args):
    """Weights of a kernel by itself, and how far its result bears them out."""

    def kernel(q, k, v):
        return over_heads(body, q, k, v)

    site = only_site(kernel, *args)
    return quickly(lambda *args: site.recipe.run(*args, kernel(*args)), *args)
