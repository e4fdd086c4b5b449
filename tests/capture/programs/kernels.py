"""Fused kernels: Pallas kernels of JAX and written by hand, run by interpreters on the CPU."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental import pallas as pl
from jax.experimental.pallas import tpu as pltpu
from jax.experimental.pallas.ops.gpu import attention as gpu
from jax.experimental.pallas.ops.tpu import flash_attention as tpu
from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_kernel as splash
from jax.experimental.pallas.ops.tpu.splash_attention import splash_attention_mask as masks

from tests.capture.programs import reference as ref
from tests.capture.programs.fused import attend, block, cap, causal, over_heads
from tests.capture.programs.program import BFLOAT16, Case, Draw, Registry

program = Registry(__name__)


def _inputs(draw, length=6, heads=2, features=4, key_heads=None):
    p = draw.weights("q", 8, heads, features)
    p |= draw.weights("k v", 8, key_heads or heads, features)
    return draw(2, length, 8), p | {"o": draw(heads, features, 8, scale=0.3)}


def _project(x, p, order="bhtd", memory=None):
    return (
        jnp.einsum(f"btm,mhd->{order}", x if memory is None or n == "q" else memory, p[n])
        for n in "qkv"
    )


def _layer(x, p, body=attend, **options):
    out = over_heads(body, *_project(x, p), **options)
    return x + jnp.einsum("bhtd,hdm->btm", out, p["o"])


def _reference(note, x, p, labels=None, memory=None, **options):
    q, k, v = (ref.project(x if memory is None or n == "q" else memory, p[n]) for n in "qkv")
    out = ref.attend(note, q, k, v, **({"scale": 0.5} | options), **(labels or {}))
    return x + ref.unproject(out, p["o"])


@program("A kernel for each head, tokens before heads, causal, as `mha` of JAX's GPU kernels.")
def gpu_causal(draw: Draw) -> Case:
    def fn(x, p):
        out = gpu.mha(*_project(x, p, "bthd"), None, sm_scale=0.5, causal=True, interpret=True)
        return x + jnp.einsum("bthd,hdm->btm", out, p["o"])

    return Case(fn, _inputs(draw, 16, features=8), partial(_reference, mask=ref.causal(16)))


@program("JAX's GPU kernel with segment ids; the weights of other segments are zero.")
def gpu_segments(draw: Draw) -> Case:
    ids = np.repeat([[0, 1, 2], [0, 0, 1]], [5, 4, 7], axis=1).astype(np.int32)

    def fn(x, p):
        out = gpu.mha(*_project(x, p, "bthd"), jnp.asarray(ids), sm_scale=0.5, interpret=True)
        return x + jnp.einsum("bthd,hdm->btm", out, p["o"])

    mask = (ids[:, :, None] == ids[:, None])[:, None]
    return Case(fn, _inputs(draw, 16, features=8), partial(_reference, mask=mask))


@program("JAX's flash attention for TPUs, with a bias of scores and a causal mask.")
def tpu_flash(draw: Draw) -> Case:
    def fn(x, p, bias):
        with pltpu.force_tpu_interpret_mode():
            out = tpu.flash_attention(*_project(x, p), bias, causal=True, sm_scale=0.5)
        return x + jnp.einsum("bhtd,hdm->btm", out, p["o"])

    def reference(note, x, p, bias):
        return _reference(note, x, p, bias=0.5 * bias, mask=ref.causal(128))

    return Case(fn, (*_inputs(draw, 128, 1, 128), draw(2, 1, 128, 128)), reference)


@program("JAX's splash attention for TPUs: two heads share keys, in a sliding window, capped.")
def tpu_splash(draw: Draw) -> Case:
    mask = masks.MultiHeadMask([masks.LocalMask((128, 128), (9, 0), 0)] * 2)

    def fn(x, p):
        kernel = splash.make_splash_mqa_single_device(
            mask, attn_logits_soft_cap=2.0, interpret=True
        )
        q, k, v = _project(x, p)
        out = jax.vmap(kernel)(q * 0.5, k[:, 0], v[:, 0])
        return x + jnp.einsum("bhtd,hdm->btm", out, p["o"])

    seen = np.tri(128, dtype=bool) & ~np.tri(128, k=-10, dtype=bool)
    return Case(
        fn, _inputs(draw, 128, 2, 128, key_heads=1), partial(_reference, mask=seen, cap=2.0)
    )


@program("Capped scores; two heads of queries share one of keys.")
def grouped_and_capped(draw: Draw) -> Case:
    body = partial(attend, change=cap)
    return Case(
        partial(_layer, body=body),
        _inputs(draw, heads=4, key_heads=2),
        partial(_reference, cap=2.0),
    )


@program("Heads that share keys lie as far apart as there are heads of keys.")
def grouped_apart(draw: Draw) -> Case:
    def reference(note, x, p):
        q, k, v = (ref.project(x, p[n]) for n in "qkv")
        out = ref.attend(note, q, np.tile(k, (1, 2, 1, 1)), np.tile(v, (1, 2, 1, 1)), scale=0.5)
        return x + ref.unproject(out, p["o"])

    return Case(partial(_layer, apart=True), _inputs(draw, heads=4, key_heads=2), reference)


@program("All queries share the keys of one head, which have no axis for it.")
def multi_query(draw: Draw) -> Case:
    def fn(x, p):
        def kernel(q_ref, k_ref, v_ref, o_ref):
            o_ref[...] = attend(q_ref[...], k_ref[...], v_ref[...])

        q, k, v = _project(x, p)
        out = pl.pallas_call(
            kernel,
            grid=q.shape[:2],
            in_specs=[block(q.shape, 0, 1), *[block(k[:, 0].shape, 0, -1)] * 2],
            out_specs=block(q.shape, 0, 1),
            out_shape=jax.ShapeDtypeStruct(q.shape, q.dtype),
            interpret=True,
        )(q, k[:, 0], v[:, 0])
        return x + jnp.einsum("bhtd,hdm->btm", out, p["o"])

    return Case(fn, _inputs(draw, key_heads=1), _reference)


@program("A kernel that gives the logarithm of each row's sum as well.")
def with_log_sums(draw: Draw) -> Case:
    def fn(x, p):
        def kernel(q_ref, k_ref, v_ref, lse_ref, o_ref):
            scores = q_ref[...] @ k_ref[...].T * 0.5
            lse_ref[...] = jax.nn.logsumexp(scores, -1)
            o_ref[...] = jnp.exp(scores - lse_ref[...][:, None]) @ v_ref[...]

        q, k, v = _project(x, p)
        lse, out = pl.pallas_call(
            kernel,
            grid=q.shape[:2],
            in_specs=[block(each.shape, 0, 1) for each in (q, k, v)],
            out_specs=[block(q.shape[:3], 0, 1), block(q.shape, 0, 1)],
            out_shape=[jax.ShapeDtypeStruct(s, q.dtype) for s in (q.shape[:3], q.shape)],
            interpret=True,
        )(q, k, v)
        return x + jnp.einsum("bhtd,hdm->btm", out, p["o"]), lse

    return Case(fn, _inputs(draw), _reference, observe=lambda output: output[0])


@program("Batch and heads in one axis; the kernel takes all of it at once, keys transposed.")
def flattened_and_transposed(draw: Draw) -> Case:
    def fn(x, p):
        def kernel(a_ref, b_ref, c_ref, o_ref):
            scores = jnp.einsum("ntd,nds->nts", a_ref[...], b_ref[...]) * 0.5
            o_ref[...] = jnp.einsum("nts,nsd->ntd", jax.nn.softmax(scores), c_ref[...])

        q, k, v = (each.reshape(-1, *each.shape[2:]) for each in _project(x, p))
        shape = jax.ShapeDtypeStruct(q.shape, q.dtype)
        out = pl.pallas_call(kernel, out_shape=shape, interpret=True)(q, k.mT, v)
        return x + jnp.einsum("bhtd,hdm->btm", out.reshape(2, 2, *out.shape[1:]), p["o"])

    return Case(fn, _inputs(draw), _reference)


@program("Operands in the order values, keys, queries, and without names; all of one size.")
def operands_in_another_order(draw: Draw) -> Case:
    def fn(x, p):
        def kernel(*refs):
            v, k, q = (ref[...] for ref in refs[:3])
            refs[3][...] = jnp.einsum(
                "bhts,bhsd->bhtd",
                jax.nn.softmax(jnp.einsum("bhtd,bhsd->bhts", q, k) * 0.5),
                v,
            )

        q, k, v = _project(x, p)
        shape = jax.ShapeDtypeStruct(q.shape, q.dtype)
        out = pl.pallas_call(kernel, out_shape=shape, interpret=True)(v, k, q)
        return x + jnp.einsum("bhtd,hdm->btm", out, p["o"])

    return Case(fn, _inputs(draw), _reference)


@program("A bias for each head and lengths of the keys are further operands.")
def biased_with_lengths(draw: Draw) -> Case:
    lengths = np.array([4, 6], np.int32)

    def body(q, k, v, bias, length):
        seen = lax.broadcasted_iota(jnp.int32, bias.shape, 1) < length
        return attend(q, k, v, change=lambda s: jnp.where(seen, s + bias, -1e30))

    def fn(x, p, bias):
        out = over_heads(body, *_project(x, p), bias, jnp.asarray(lengths), each=[(-1, 0), (0, -1)])
        return x + jnp.einsum("bhtd,hdm->btm", out, p["o"])

    def reference(note, x, p, bias):
        seen = np.arange(6) < lengths[:, None]
        return _reference(note, x, p, bias=bias, mask=seen[:, None, None])

    return Case(fn, (*_inputs(draw), draw(2, 6, 6)), reference)


@program("Cross attention to a memory of another length, under vmap, in branches of a cond.")
def cross_in_a_branch(draw: Draw) -> Case:
    def attend_to(x, memory, p):
        q, k, v = _project(x[None], p, memory=memory[None])
        return x + jnp.einsum("bhtd,hdm->btm", over_heads(attend, q, k, v), p["o"])[0]

    def fn(x, p, memory, use):
        return jax.vmap(lambda x, memory: lax.cond(use, attend_to, lambda x, *_: x, x, memory, p))(
            x, memory
        )

    def reference(note, x, p, memory, use):
        return _reference(note, x, p, {"kind": "cross"}, memory)

    return Case(fn, (*_inputs(draw), draw(2, 9, 8), np.array(True)), reference)


@program("A scan over stacked layers, each rematerialized.")
def scan_over_layers(draw: Draw) -> Case:
    def fn(x, p):
        layer = jax.checkpoint(partial(_layer, body=partial(attend, change=causal)))
        return lax.scan(lambda x, p: (layer(x, p), None), x, p)[0]

    def reference(note, x, p):
        for number in range(3):
            own = {name: each[number] for name, each in p.items()}
            x = _reference(note, x, own, {"layer": number}, mask=ref.causal(6))
        return x

    p = {name: draw(3, 8, 2, 4, scale=0.4) for name in "qkv"}
    return Case(fn, (draw(2, 6, 8), p | {"o": draw(3, 2, 4, 8, scale=0.3)}), reference)


@program("Value and gradient through JAX's GPU kernels, whose backward pass is kernels as well.")
def training(draw: Draw) -> Case:
    def loss(p, x):
        for w in p:
            out = gpu.mha(*_project(x, w, "bthd"), None, sm_scale=0.5, causal=True, interpret=True)
            x = x + jnp.einsum("bthd,hdm->btm", out, w["o"])
        return (x**2).mean()

    def reference(note, p, x):
        for w in p:
            x = _reference(note, x, w, mask=ref.causal(16))
        return (x**2).mean()

    (x, first), (_, second) = (_inputs(draw, 16, features=8) for _ in range(2))
    return Case(
        jax.value_and_grad(loss), ([first, second], x), reference, observe=lambda made: made[0]
    )


@program("Decoding: each step appends to the cache and asks one question of what it holds.")
def decoding(draw: Draw) -> Case:
    def body(q, k, v, length):
        seen = lax.broadcasted_iota(jnp.int32, (1, k.shape[0]), 1) < length
        return attend(q, k, v, change=lambda s: jnp.where(seen, s, -1e30))

    def fn(x, p):
        def step(caches, xt):
            t, keys, values = caches
            q, k, v = _project(xt[:, None], p)
            keys = lax.dynamic_update_slice(keys, k, (0, 0, t, 0))
            values = lax.dynamic_update_slice(values, v, (0, 0, t, 0))
            length = jnp.full(2, t + 1)
            out = over_heads(body, q, keys, values, length, each=[(0, -1)])
            return (t + 1, keys, values), jnp.einsum("bhtd,hdm->bm", out, p["o"])

        empty = jnp.zeros((2, 2, 5, 4))
        return lax.scan(step, (0, empty, empty), jnp.moveaxis(x, 1, 0))[1]

    def reference(note, x, p):
        q, k, v = (ref.project(x, p[n]) for n in "qkv")
        made = []
        for t in range(5):
            seen = np.arange(5) <= t
            out = ref.attend(note, q[:, :, t : t + 1], k, v, scale=0.5, mask=seen, step=t)
            made.append(np.einsum("bhtd,hdm->bm", out, p["o"]))
        return np.stack(made)

    return Case(fn, _inputs(draw, 5), reference)


@program("bfloat16 all through.")
def half_precision(draw: Draw) -> Case:
    def fn(x, p):
        x, p = jax.tree.map(lambda y: y.astype(jnp.bfloat16), (x, p))
        return over_heads(attend, *_project(x, p)).astype(jnp.float32)

    def reference(note, x, p):
        q, k, v = (ref.project(x, p[n]) for n in "qkv")
        return ref.attend(note, q, k, v, scale=0.5)

    return Case(fn, _inputs(draw), reference, tolerance=BFLOAT16)
