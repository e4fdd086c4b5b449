"""Kernels that are read together with the calls around them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import pallas as pl
from jax.experimental.pallas.ops.gpu import attention as gpu
from jax.experimental.pallas.ops.gpu import decode_attention as gpu_decoding

from attnreport.capture.kernels.calls import kernel_calls
from attnreport.capture.kernels.kernels import FORM
from tests.capture.attending import numbers
from tests.capture.fusing import (
    LAYER,
    K,
    Q,
    V,
    X,
    differentiable,
    fused,
    only_site,
    projected,
    softmax,
)
from tests.capture.recognizing import analysis_of, found_in, graph_of


def divided_outside(q, k, v):
    """Attention whose kernel gives sums of weights times values, and of weights."""

    def kernel(q_ref, k_ref, v_ref, out_ref, sum_ref):
        weights = jnp.exp(q_ref[...] @ k_ref[...].mT * 0.5)
        out_ref[...] = weights @ v_ref[...]
        sum_ref[...] = weights.sum(-1)

    shapes = [jax.ShapeDtypeStruct(shape, q.dtype) for shape in (q.shape, q.shape[:-1])]
    out, total = pl.pallas_call(kernel, out_shape=shapes, interpret=True)(q, k, v)
    return out / total[..., None]


def test_a_kernel_whose_result_is_divided_is_read_with_the_function_around_it():
    ((_, _, _, weights),) = found_in(jax.jit(divided_outside), Q, K, V)
    np.testing.assert_allclose(weights, softmax(Q, K), atol=1e-6)


def test_a_kernel_whose_result_is_divided_is_not_shown_without_a_function_around_it():
    assert found_in(divided_outside, Q, K, V) == []


def test_operands_that_a_call_donates_are_kept():
    donating = jax.jit(divided_outside, donate_argnums=(0, 1))
    *_, around = next(kernel_calls(graph_of(donating, Q, K, V)))
    for _ in range(2):
        (result,) = around.run([Q, K, V])
        np.testing.assert_allclose(result, divided_outside(Q, K, V), atol=1e-6)


@pytest.mark.parametrize("splits", [1, 4])
def test_a_kernel_that_does_a_part_is_read_with_the_function_around_it(splits):
    q, k, v = numbers(2, 4, 16), numbers(2, 64, 2, 16, seed=1), numbers(2, 64, 2, 16, seed=2)

    def fn(q, k, v):
        return gpu_decoding.gqa(q, k, v, sm_scale=0.5, k_splits=splits, interpret=True)

    ((_, _, _, weights),) = found_in(fn, q, k, v)
    expected = softmax(q[:, :, None], jnp.repeat(jnp.moveaxis(k, 1, 2), 2, 1))
    np.testing.assert_allclose(weights, expected, atol=1e-6)


def test_attention_that_is_found_already_is_not_found_again_around_a_kernel():
    @jax.jit
    def fn(q, k, v):
        def kernel(x_ref, out_ref):
            out_ref[...] = jnp.log(jnp.exp(x_ref[...]))

        out = softmax(q, k) @ v
        shape = jax.ShapeDtypeStruct(out.shape, out.dtype)
        return pl.pallas_call(kernel, out_shape=shape, interpret=True)(out)

    (site,) = analysis_of(fn, Q, K, V).sites()
    assert site.form == "softmax"


def test_attention_in_kernels_and_out_of_them_comes_in_order():
    def fn(layer, x):
        for body in (softmax_layer, fused, softmax_layer):
            x = body(layer, x)
        return x

    def softmax_layer(layer, x):
        q, k, v = projected(layer, x)
        return x + jnp.moveaxis(softmax(q, k) @ v, 1, 2).reshape(x.shape)

    forms = [site.form for site in analysis_of(fn, LAYER, X).sites()]
    assert forms == ["softmax", FORM, "softmax"]


def test_a_call_with_a_derivative_of_its_own_is_not_entered():
    site = only_site(differentiable, LAYER, X)
    closed = jax.make_jaxpr(differentiable)(LAYER, X)
    path, _ = site.recipe.addresses[-1]
    assert len(path) == 1
    assert closed.eqns[path[0]].primitive.name.startswith("custom_vjp")


def test_of_several_calls_around_a_kernel_the_innermost_is_read():
    def fn(q, k, v):
        return gpu.mha(q, k, v, None, interpret=True)

    site = only_site(jax.jit(fn), *(jnp.moveaxis(each, 1, 2) for each in (Q, K, V)))
    assert site.recipe.addresses[-1] == ((0, "call", 0), 0)
