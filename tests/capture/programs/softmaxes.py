"""Softmax as people write it: by hand, by logarithms, late, in half precision."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy.special import logsumexp

from tests.capture.programs import reference as ref
from tests.capture.programs import two_heads
from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)


@program("By hand, the maximum subtracted, keepdims.")
def by_hand(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = two_heads.heads(x, p)
        s = q @ k.mT / 2
        e = jnp.exp(s - jnp.max(s, axis=-1, keepdims=True))
        return e / jnp.sum(e, axis=-1, keepdims=True) @ v

    return Case(fn, two_heads.inputs(draw), two_heads.plain)


@program("By hand, nothing subtracted, sums without keepdims.")
def by_hand_without_maximum(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = two_heads.heads(x, p)
        e = jnp.exp(jnp.einsum("bhqd,bhkd->bhqk", q, k) * 0.5)
        w = e / e.sum(-1)[..., None]
        return jnp.einsum("bhqk,bhkd->bhqd", w, v)

    return Case(fn, two_heads.inputs(draw), two_heads.plain)


@program("By hand with the reciprocal of the sum, causal by a mask on the exponentials.")
def by_hand_reciprocal(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = two_heads.heads(x, p)
        e = jnp.where(jnp.tri(5, dtype=bool), jnp.exp(q @ k.mT / 2), 0.0)
        inverse = lax.reciprocal(jnp.sum(e, -1))
        return jnp.einsum("bhqk,bhq,bhkd->bhqd", e, inverse, v)

    return Case(fn, two_heads.inputs(draw), two_heads.causal)


@program("By hand; the sum is a product with a vector of ones.")
def by_hand_sum_by_ones(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = two_heads.heads(x, p)
        e = jnp.exp(q @ k.mT / 2)
        return (e / (e @ jnp.ones((5, 1)))) @ v

    return Case(fn, two_heads.inputs(draw), two_heads.plain)


@program("By hand with powers of two, the factor hidden in the scale.")
def by_hand_base_two(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = two_heads.heads(x, p)
        s = (q * (0.5 * np.log2(np.e).astype("f"))) @ k.mT
        e = jnp.exp2(s - s.max(-1, keepdims=True))
        return (e / e.sum(-1, keepdims=True)) @ v

    return Case(fn, two_heads.inputs(draw), two_heads.plain)


@program("By hand with a small number added to the sum.")
def by_hand_epsilon(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = two_heads.heads(x, p)
        s = jnp.einsum("bhqd,bhkd->bhqk", q, k) / 2
        e = jnp.exp(s - lax.stop_gradient(lax.reduce_max(s, (3,)))[..., None])
        w = e / jnp.maximum(e.sum(axis=3, keepdims=True), 1e-9)
        return jnp.einsum("bhqk,bhkd->bhqd", w, v)

    return Case(fn, two_heads.inputs(draw), two_heads.plain)


@program("exp(log_softmax).")
def exponential_of_log_softmax(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = two_heads.heads(x, p)
        return jnp.exp(jax.nn.log_softmax(q @ k.mT / 2)) @ v

    return Case(fn, two_heads.inputs(draw), two_heads.plain)


@program("exp(log_softmax) over the second axis, of scores laid out query, key, batch, head.")
def exponential_of_log_softmax_other_axis(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = two_heads.heads(x, p)
        logp = jax.nn.log_softmax(jnp.einsum("bhqd,bhkd->qkbh", q, k) / 2, axis=1)
        return jnp.einsum("qkbh,bhkd->bhqd", jnp.exp(logp), v)

    return Case(fn, two_heads.inputs(draw), two_heads.plain)


@program("exp(s - logsumexp(s)).")
def exponential_minus_logsumexp(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = two_heads.heads(x, p)
        s = jnp.where(jnp.tri(5, dtype=bool), q @ k.mT / 2, -1e9)
        return jnp.exp(s - logsumexp(s, axis=-1, keepdims=True)) @ v

    return Case(fn, two_heads.inputs(draw), two_heads.causal)


@program("exp(s - log(sum(exp(s)))), nothing subtracted, causal.")
def exponential_minus_log_of_sum(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = two_heads.heads(x, p)
        s = q @ k.mT / 2 + jnp.where(jnp.tri(5) > 0, 0.0, -jnp.inf)
        normalizer = jnp.log(jnp.sum(jnp.exp(s), axis=-1))
        return jnp.einsum("bhqk,bhkd->bhqd", jnp.exp(s - normalizer[..., None]), v)

    return Case(fn, two_heads.inputs(draw), two_heads.causal)


@program("The gradient of logsumexp is taken for softmax.")
def gradient_of_logsumexp(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = two_heads.heads(x, p)
        weights = jax.grad(lambda s: logsumexp(s, axis=-1).sum())(q @ k.mT / 2)
        return weights @ v

    return Case(fn, two_heads.inputs(draw), two_heads.plain)


@program("The gradient of a handwritten log-partition function, mapped over every row.")
def gradient_of_partition_mapped_over_rows(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = two_heads.heads(x, p)

        def partition(s):
            return jnp.log(jnp.sum(jnp.exp(s)))

        rows = jax.vmap(jax.vmap(jax.vmap(jax.grad(partition))))(q @ k.mT / 2)
        return jnp.einsum("bhqk,bhkd->bqhd", rows, v)

    def reference(note, x, p):
        return two_heads.plain(note, x, p).transpose(0, 2, 1, 3)

    return Case(fn, two_heads.inputs(draw), reference)


@program("Values are contracted with the exponentials first and divided by the sum afterwards.")
def normalized_after_contraction(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = two_heads.heads(x, p)
        s = q @ k.mT / 2
        e = jnp.exp(s - s.max(-1, keepdims=True))
        return (e @ v) / e.sum(-1, keepdims=True)

    return Case(fn, two_heads.inputs(draw), two_heads.plain)


@program(
    "Normalized after the contraction, in the layout of MaxText: sums and maxima turned first."
)
def normalized_after_contraction_grouped(draw: Draw) -> Case:
    x, wq, wk, wv = draw(2, 5, 8), draw.weight(8, 4, 3), draw.weight(8, 2, 3), draw.weight(8, 2, 3)

    def fn(x, wq, wk, wv):
        q = jnp.einsum("btm,mhd->bthd", x, wq).reshape(2, 5, 2, 2, 3)
        k, v = (jnp.einsum("bsm,mhd->bshd", x, w) for w in (wk, wv))
        s = jnp.einsum("btkgd,bskd->bkgts", q / jnp.sqrt(3.0), k)
        s = jnp.where(jnp.tri(5, dtype=bool), s, -0.7 * float(jnp.finfo(jnp.float32).max))
        top = jnp.max(s, -1, keepdims=True)
        e = jnp.exp(s - top)
        total = jnp.moveaxis(jnp.sum(e, -1, keepdims=True), -2, 1).reshape(2, 5, 4, 1)
        out = jnp.einsum("bkgts,bskd->btkgd", e, v).reshape(2, 5, 4, 3)
        return out / total

    def reference(note, x, wq, wk, wv):
        q, k, v = (ref.project(x, w) for w in (wq, wk, wv))
        return ref.attend(note, q, k, v, mask=ref.causal(5)).transpose(0, 2, 1, 3)

    return Case(fn, (x, wq, wk, wv), reference)


@program("A column of ones in the values brings the sum along; normalized after the contraction.")
def sum_as_a_column_of_values(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = two_heads.heads(x, p)
        v = jnp.concatenate([v, jnp.ones_like(v[..., :1])], -1)
        out = jnp.exp(q @ k.mT / 2) @ v
        return out[..., :-1] / out[..., -1:]

    return Case(fn, two_heads.inputs(draw), two_heads.plain)


@program("Softmax plus one: one is added to the sum of exponentials, with the maximum subtracted.")
def plus_one(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = two_heads.heads(x, p)
        s = q @ k.mT / 2
        top = jnp.maximum(s.max(-1, keepdims=True), 0.0)
        e = jnp.exp(s - top)
        return e / (jnp.exp(-top) + e.sum(-1, keepdims=True)) @ v

    def reference(note, x, p):
        q, k, v = (ref.project(x, p[n]) for n in "qkv")
        e = np.exp(ref.logits_of(q, k))
        return ref.mix(note(e / (1 + e.sum(-1, keepdims=True))), v)

    return Case(fn, two_heads.inputs(draw), reference)


@program("Softmax plus one, written plainly in one line.")
def plus_one_plain(draw: Draw) -> Case:
    x, y, p = draw(3, 6), draw(7, 6), draw.weights("q k v", 6, 3)

    def fn(x, y, p):
        e = jnp.exp(x @ p["q"] @ (y @ p["k"]).T)
        return (e / (1 + e.sum(axis=1, keepdims=True))) @ (y @ p["v"])

    def reference(note, x, y, p):
        e = np.exp(x @ p["q"] @ (y @ p["k"]).T)
        w = note((e / (1 + e.sum(-1, keepdims=True)))[None, None], "cross")
        return w[0, 0] @ (y @ p["v"])

    return Case(fn, (x, y, p), reference)


@program("softmax with a custom derivative.")
def custom_derivative(draw: Draw) -> Case:
    @jax.custom_jvp
    def stable_softmax(s):
        e = jnp.exp(s - s.max(-1, keepdims=True))
        return e / e.sum(-1, keepdims=True)

    @stable_softmax.defjvp
    def _(primals, tangents):
        y = stable_softmax(*primals)
        return y, y * (tangents[0] - (y * tangents[0]).sum(-1, keepdims=True))

    def fn(x, p):
        q, k, v = two_heads.heads(x, p)
        return stable_softmax(q @ k.mT / 2) @ v

    return Case(fn, two_heads.inputs(draw), two_heads.plain)


@program("The whole attention has a custom backward pass that recomputes the weights.")
def custom_backward(draw: Draw) -> Case:
    @jax.custom_vjp
    def attention(q, k, v):
        return jax.nn.softmax(q @ k.mT / 2) @ v

    def forward(q, k, v):
        return attention(q, k, v), (q, k, v)

    def backward(saved, g):
        return jax.vjp(lambda q, k, v: jax.nn.softmax(q @ k.mT / 2) @ v, *saved)[1](g)

    attention.defvjp(forward, backward)
    return Case(
        lambda x, p: attention(*two_heads.heads(x, p)), two_heads.inputs(draw), two_heads.plain
    )


@program("Softmax by pairwise differences: one over the sum of exp(s_j - s_i).")
def by_pairwise_differences(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = two_heads.heads(x, p)
        s = q @ k.mT / 2
        w = 1.0 / jnp.exp(s[..., None, :] - s[..., :, None]).sum(-1)
        return w @ v

    def reference(note, x, p):
        q, k, v = (ref.project(x, p[n]) for n in "qkv")
        weights = ref.softmax(ref.logits_of(q, k))
        return ref.mix(note(weights, optional="an unusual form, may be said"), v)

    return Case(fn, two_heads.inputs(draw, 4), reference)


@program("Two keys only: softmax is a sigmoid of the difference of two scores.")
def two_keys_by_sigmoid(draw: Draw) -> Case:
    x, y, p = draw(2, 3, 6), draw(2, 2, 6), draw.weights("q k v", 6, 4)

    def fn(x, y, p):
        q, k, v = x @ p["q"], y @ p["k"], y @ p["v"]
        s = jnp.einsum("bqd,bkd->bqk", q, k) / 2
        first = jax.nn.sigmoid(s[..., 0] - s[..., 1])[..., None]
        return first * v[:, None, 0] + (1 - first) * v[:, None, 1]

    def reference(note, x, y, p):
        q, k, v = ((z @ p[n])[:, None] for z, n in ((x, "q"), (y, "k"), (y, "v")))
        w = note(ref.softmax(ref.logits_of(q, k)), "cross", optional="an unusual form, may be said")
        return ref.mix(w, v)[:, 0]

    return Case(fn, (x, y, p), reference)
