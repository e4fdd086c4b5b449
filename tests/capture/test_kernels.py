"""Weights of fused kernels: measured, borne out by the kernel's own result, or not shown."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
from jax.experimental.pallas.ops.gpu import attention as gpu
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P

from attnreport import capture_attention, with_attention
from attnreport._errors import CaptureError
from attnreport.capture.extraction.proofs import product_of
from attnreport.capture.kernels.kernels import FORM
from attnreport.capture.kernels.weights import tolerance
from tests.capture.attending import numbers, projections, weights_of
from tests.capture.fusing import (
    LAYER,
    K,
    Q,
    V,
    X,
    differentiable,
    fused,
    in_one_block,
    measured,
    only_site,
    projected,
    quickly,
    softmax,
)
from tests.capture.programs.fused import attend, over_heads
from tests.capture.programs.kernels import program as positive
from tests.capture.programs.negatives_kernels import program as negative
from tests.capture.recognizing import analysis_of, found_in
from tests.capture.versions import AFTER_0_10_0

pytestmark = pytest.mark.optimized


@pytest.mark.parametrize(
    "name", ["gpu_causal", "cross_in_a_branch", "scan_over_layers", "training", "decoding"]
)
def test_a_fused_kernel(name):
    program = positive[f"kernels.{name}"]()
    _, attention = quickly(with_attention(program.fn), *program.args)
    for found, truth in zip(attention.values(), program.expected(), strict=True):
        assert (found.kind, found.axes, found.form) == (truth.kind, truth.axes, FORM)
        np.testing.assert_allclose(found.weights, truth.weights, atol=truth.tolerance)
        assert "in no array of the program" in found.fallbacks[0]


@pytest.mark.parametrize("name", ["gated", "linear_attention", "moved_tokens"])
def test_a_kernel_that_is_no_attention(name):
    program = negative[f"negatives_kernels.{name}"]()
    with pytest.raises(CaptureError, match=r"own result by|do not sum|not read as queries"):
        capture_attention(program.fn, *program.args, verify=False)


def test_output_stays_as_it_is():
    output, _ = quickly(with_attention(differentiable), LAYER, X)
    assert np.array_equal(output, quickly(differentiable, LAYER, X))


def test_a_kernel_bears_out_its_weights():
    weights, error = measured(attend, Q, K, V)
    np.testing.assert_allclose(weights, softmax(Q, K), atol=1e-6)
    assert 0 < error < 1e-6


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_weights_that_a_kernel_does_not_bear_out_are_not_numbers(dtype):
    args = [each.astype(dtype) for each in (Q, K, V)]
    weights, error = measured(lambda q, k, v: jnp.sin(attend(q, k, v)), *args)
    assert error > tolerance(dtype)
    assert np.isnan(weights).all()


@pytest.mark.parametrize("keys", [1, 8, 9, 21])
def test_any_number_of_keys(keys):
    k, v = K[:, :, :1] * jnp.linspace(-1, 1, keys)[:, None], numbers(2, 3, keys, 8)
    weights, _ = measured(attend, Q, k, v)
    np.testing.assert_allclose(weights, softmax(Q, k), atol=1e-6)


def test_values_with_fewer_features_than_queries():
    weights, _ = measured(attend, Q, K, V[..., :3])
    np.testing.assert_allclose(weights, softmax(Q, K), atol=1e-6)


def test_rows_of_rounded_weights_sum_to_one():
    args = [each.astype(jnp.bfloat16) for each in (Q, K, V)]
    weights, error = measured(attend, *args)
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-6)
    np.testing.assert_allclose(
        weights, softmax(*(each.astype(jnp.float32) for each in args[:2])), atol=5e-3
    )
    assert error < tolerance(jnp.bfloat16)


@pytest.mark.parametrize("shape", [(2, 6, 4, 8), (4, 4, 4, 4)])
@pytest.mark.parametrize("heads", [1, 2])
def test_blocks_tell_heads_from_tokens_of_raw_operands(shape, heads):
    q, k, v = (numbers(*shape, seed=seed) for seed in range(3))

    def fn(q, k, v):
        return over_heads(attend, q, k, v, heads=heads)

    assert "from its place" in only_site(fn, q, k, v).roles.fallbacks[1]
    ((_, _, _, weights),) = found_in(fn, q, k, v)
    q, k = (jnp.moveaxis(each, heads, 1) for each in (q, k))
    np.testing.assert_allclose(weights, softmax(q, k), atol=1e-6)


def test_projections_tell_heads_from_tokens():
    def fn(layer, x):
        return in_one_block(*projected(layer, x, "bthd"))

    layer = projections(heads=4)
    ((_, kind, _, weights),) = found_in(fn, layer, X)
    q, k, _ = projected(layer, X)
    assert kind == "self"
    np.testing.assert_allclose(weights, softmax(q, k), atol=1e-6)


def test_axes_that_change_places_within_a_call_are_told_by_projections():
    @jax.custom_vjp
    def heads_last(q, k, v):
        return over_heads(attend, *(jnp.moveaxis(each, 2, 1) for each in (q, k, v))).swapaxes(1, 2)

    heads_last.defvjp(lambda *args: (heads_last(*args), args), lambda args, _: args)

    def fn(layer, x):
        return heads_last(*projected(layer, x, "bthd"))

    layer, x = projections(heads=4), X[:, :4]
    ((_, _, _, weights),) = found_in(fn, layer, x)
    np.testing.assert_allclose(weights, weights_of(layer, x), atol=1e-6)


@pytest.mark.parametrize("indices", [0, 1])
def test_names_tell_operands_of_one_shape(indices):
    def fn(v, k, q):
        def body(values_ref, key_ref, query_ref, out_ref):
            out_ref[...] = attend(query_ref[0, 0], key_ref[0, 0], values_ref[0, 0])[None, None]

        def kernel(index_ref, values_ref, key_ref, query_ref, out_ref):
            body(values_ref, key_ref, query_ref, out_ref)

        whole = pl.BlockSpec((1, 1, *q.shape[2:]), lambda b, h, *_: (b, h, 0, 0))
        grid = pltpu.PrefetchScalarGridSpec(
            num_scalar_prefetch=indices, grid=q.shape[:2], in_specs=[whole] * 3, out_specs=whole
        )
        return pl.pallas_call(
            kernel if indices else body,
            grid_spec=grid,
            out_shape=jax.ShapeDtypeStruct(q.shape, q.dtype),
            interpret=True,
        )(*[jnp.zeros(1, jnp.int32)] * indices, v, k, q)

    site = only_site(fn, V, K, V)
    assert site.contraction.values.address == (("in",), 0)
    assert site.scores.query is not None
    assert site.scores.query.address == (("in",), 2)


def test_where_nothing_tells_heads_from_tokens_a_wrong_guess_is_not_shown():
    args = (numbers(2, 6, 4, 8, seed=seed) for seed in range(3))
    assert found_in(in_one_block, *args) == []


def test_names_are_those_of_the_projections():
    def fn(layers, x):
        for layer in layers:
            x = fused(layer, x)
        return x

    _, attention = quickly(with_attention(fn), [LAYER, projections(1)], X)
    assert list(attention) == ["layers.0", "layers.1"]


def test_without_guesses_nothing_of_a_kernel_is_kept():
    assert list(with_attention(fused, strict=True)(LAYER, X)[1]) == []


def test_no_other_product_checks_a_kernel():
    # All sizes are different, so dimensions could be told by them.
    args = (each[:1, :1] for each in (Q, K, V))
    analysis = analysis_of(lambda q, k, v: over_heads(attend, q, k, v), *args)
    (site,) = analysis.sites()
    assert product_of(analysis.facts.dimensions, site) is None


def test_a_captured_training_step_has_the_same_gradients():
    def loss(layer, layer_of=differentiable):
        return (layer_of(layer, X) ** 2).sum()

    def captured(layer):
        output, attention = with_attention(differentiable)(layer, X)
        return (output**2).sum(), attention

    gradients, attention = quickly(jax.grad(captured, has_aux=True), LAYER)
    expected = quickly(jax.grad(loss), LAYER)
    assert jax.tree.all(jax.tree.map(np.array_equal, gradients, expected))
    (found,) = attention.values()
    np.testing.assert_allclose(found.weights, weights_of(LAYER, X), atol=1e-6)


def test_weights_have_the_kernels_own_gradients():
    def captured(layer):
        (found,) = with_attention(differentiable)(layer, X)[1].values()
        return (found.weights**2).sum()

    gradients = quickly(jax.grad(captured), LAYER)
    expected = jax.grad(lambda layer: (weights_of(layer, X) ** 2).sum())(LAYER)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), gradients, expected)


def test_under_vmap():
    layers = jax.tree.map(lambda *each: jnp.stack(each), LAYER, projections(1))
    _, attention = quickly(jax.vmap(with_attention(fused), in_axes=(0, None)), layers, X)
    (found,) = attention.values()
    expected = jax.vmap(weights_of, in_axes=(0, None))(layers, X)
    np.testing.assert_allclose(found.weights, expected, atol=1e-6)


def test_inside_shard_map():
    mesh = jax.make_mesh((1,), ("data",), axis_types=(AxisType.Auto,))
    fn = jax.shard_map(
        fused, mesh=mesh, in_specs=(P(), P("data")), out_specs=P("data"), check_vma=False
    )
    _, attention = quickly(with_attention(fn), LAYER, X)
    (found,) = attention.values()
    np.testing.assert_allclose(found.weights, weights_of(LAYER, X), atol=1e-6)


def test_memory_is_taken_for_little_more_than_the_weights():
    args = [numbers(2, 256, 4, 16, seed=seed) for seed in range(3)]

    def fn(q, k, v):
        return gpu.mha(q, k, v, None, interpret=True)

    def taken(function):
        memory = jax.jit(function).lower(*args).compile().memory_analysis()
        assert memory is not None
        return memory.temp_size_in_bytes + memory.output_size_in_bytes

    weights = 2 * 4 * 256 * 256 * 4
    most = 1.5 if AFTER_0_10_0 else 1.75  # JAX 0.10.0 copies more: 1.66 times
    assert taken(with_attention(fn)) - taken(fn) < most * weights


def test_what_cannot_be_read_as_attention_is_said():
    def fn(a, b, c):
        def kernel(a_ref, b_ref, c_ref, out_ref):
            out_ref[...] = a_ref[...] @ b_ref[...].mT + c_ref[...]

        shape = jax.ShapeDtypeStruct(c.shape, c.dtype)
        return pl.pallas_call(kernel, out_shape=shape, interpret=True, name="add_up")(a, b, c)

    (said,) = analysis_of(fn, Q, K, numbers(2, 3, 6, 7)).said()
    assert said.what == "kernel"
    assert "`add_up` takes float32[2, 3, 6, 8]" in said.sentence


def test_nothing_is_said_of_kernels_that_are_read_or_run_backward():
    def loss(layer):
        return (differentiable(layer, X) ** 2).sum()

    analysis = analysis_of(jax.value_and_grad(loss), LAYER)
    assert [site.form for site in analysis.sites()] == [FORM]
    assert analysis.said() == []
