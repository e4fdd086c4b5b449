"""Kernels that are not JAX's own: cuDNN and foreign calls, as far as they can be without a GPU.

cuDNN's attention is traced as on a GPU: the equations are the real ones. What they compute is stood
in for by plain JAX, so its arithmetic is not tested here.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.interpreters import mlir

from attnreport import plan_attention, with_attention
from attnreport.capture.kernels.kernels import FORM
from tests.capture.attending import numbers
from tests.capture.probing import equations
from tests.capture.recognizing import analysis_of, found_in

pytestmark = pytest.mark.optimized

Q, K, V, BIAS = (
    numbers(*shape, seed=seed, dtype=jnp.bfloat16)
    for seed, shape in enumerate([(2, 8, 4, 16), (2, 24, 2, 16), (2, 24, 2, 16), (2, 4, 8, 24)])
)
LENGTHS = jnp.array([24, 9])


def weights_of(q, k, bias, lengths, scale, causal):
    """`[batch head query key]` of operands that have tokens before heads."""
    k = jnp.repeat(k, q.shape[2] // k.shape[2], 2)
    scores = scale * jnp.einsum("bqhd,bkhd->bhqk", *(x.astype(jnp.float32) for x in (q, k)))
    seen = jnp.ones(scores.shape, bool)
    if bias is not None:
        scores += bias.astype(jnp.float32)
    if lengths is not None:
        seen &= jnp.arange(k.shape[1]) < lengths[:, None, None, None]
    if causal:
        seen &= jnp.tri(q.shape[1], k.shape[1], dtype=bool)
    return jax.nn.softmax(jnp.where(seen, scores, -1e30))


def stand_in(q, k, v, bias, _, lengths, *others, scale, mask_type, is_training, **options):
    """What cuDNN would compute, in plain JAX."""
    causal, padded = "CAUSAL" in mask_type.name, "PADDING" in mask_type.name
    weights = weights_of(
        q, k, bias if bias.size else None, lengths if padded else None, scale, causal
    )
    values = jnp.repeat(v, q.shape[2] // v.shape[2], 2).astype(jnp.float32)
    out = jnp.einsum("bhqk,bkhd->bqhd", weights, values).astype(q.dtype)
    return (out, weights.max(-1)) if is_training else (out,)


@pytest.fixture
def cudnn(monkeypatch):
    """`jax.nn.dot_product_attention` by cuDNN, traced without one and run by its stand-in."""
    library = "jax._src.cudnn.fused_attention_stablehlo"
    monkeypatch.setattr(f"{library}.check_cudnn_version", lambda: 91000)

    def attend(q, k, v, **options):
        return jax.nn.dot_product_attention(q, k, v, implementation="cudnn", **options)

    for _, equation in equations(jax.make_jaxpr(attend)(Q, K, V)):
        if equation.primitive.name.startswith("dot_product_attention_fwd"):
            lowering = mlir.lower_fun(stand_in, multiple_results=True)
            mlir.register_lowering(equation.primitive, lowering, platform="cpu")
    return attend


OPTIONS = {
    "plain": {},
    "causal": {"is_causal": True},
    "scale": {"scale": 0.1},
    "bias": {"bias": BIAS},
    "lengths": {"key_value_seq_lengths": LENGTHS},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_cudnn(cudnn, name):
    options = OPTIONS[name]

    def fn(q, k, v):
        return cudnn(q, k, v, **options)

    output, attention = jax.jit(with_attention(fn))(Q, K, V)
    assert np.array_equal(output, jax.jit(fn)(Q, K, V))
    (found,) = attention.values()
    assert found.form == FORM
    expected = weights_of(
        Q,
        K,
        options.get("bias"),
        options.get("key_value_seq_lengths"),
        options.get("scale", 0.25),
        "is_causal" in options,
    )
    np.testing.assert_allclose(found.weights, expected, atol=2e-3)


def test_cudnn_tells_heads_from_tokens_of_one_size(cudnn):
    q, k, v = (numbers(2, 8, 8, 16, seed=seed, dtype=jnp.bfloat16) for seed in range(3))
    ((_, _, _, weights),) = found_in(cudnn, q, k, v)
    expected = weights_of(q, k, None, None, 0.25, causal=False)
    np.testing.assert_allclose(weights, expected, atol=2e-3)


def test_a_training_step_with_cudnn_holds_its_attention_once(cudnn):
    def loss(q):
        return cudnn(q, K, V).astype(jnp.float32).sum()

    analysis = analysis_of(jax.value_and_grad(loss), Q)
    assert [site.form for site in analysis.sites()] == [FORM]
    assert analysis.said() == []


def foreign(name):
    def fn(q, k, v):
        return jax.ffi.ffi_call(name, jax.ShapeDtypeStruct(q.shape, q.dtype))(q, k, v)

    return fn


def test_a_foreign_call_that_is_named_after_attention_is_planned():
    (planned,) = plan_attention(foreign("my_flash_mha_fwd"), Q, K, V).attentions
    assert planned.about.form == FORM
    assert planned.site.layout.shape == (2, 4, 8, 24)


def test_a_foreign_call_without_a_telling_name_is_said():
    analysis = analysis_of(foreign("my_kernel"), Q, K, V)
    assert analysis.sites() == []
    (said,) = analysis.said()
    assert "`my_kernel` takes bfloat16[2, 8, 4, 16]" in said.sentence
