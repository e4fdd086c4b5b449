"""What is added to the scores or bends them: position biases, softcaps, tables."""

import jax
import jax.numpy as jnp
import numpy as np

from tests.capture.programs import reference as ref
from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)


def _heads(x, p):
    return tuple(jnp.einsum("btm,mhd->bthd", x, p[n]) for n in "qkv")


def _ref_heads(x, p):
    return tuple(ref.project(x, p[n]) for n in "qkv")


@program("ALiBi: slopes times distances, with a causal mask.")
def alibi(draw: Draw) -> Case:
    x, p = draw(2, 5, 8), draw.weights("q k v", 8, 4, 2)

    def fn(x, p):
        q, k, v = _heads(x, p)
        slopes = 2.0 ** (-2 * jnp.arange(1, 5))
        distance = jnp.arange(5)[None, :] - jnp.arange(5)[:, None]
        s = jnp.einsum("bqhd,bkhd->bhqk", q, k) * 2**-0.5
        s = s + slopes[:, None, None] * distance
        s = jnp.where(distance > 0, -jnp.inf, s)
        return jnp.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(s, axis=-1), v)

    def reference(note, x, p):
        distance = np.arange(5) - np.arange(5)[:, None]
        bias = 4.0 ** -np.arange(1, 5)[:, None, None] * distance
        out = ref.attend(note, *_ref_heads(x, p), bias=bias, mask=ref.causal(5))
        return out.transpose(0, 2, 1, 3)

    return Case(fn, (x, p), reference)


@program("ALiBi on the key side alone: a bias that is constant down the rows, as BLOOM adds it.")
def alibi_keys_only(draw: Draw) -> Case:
    x, p = draw(2, 5, 8), draw.weights("q k v", 8, 2, 4)

    def fn(x, p):
        q, k, v = (y.transpose(0, 2, 1, 3).reshape(4, 5, 4) for y in _heads(x, p))
        alibi = jnp.tile(jnp.array([0.5, 0.25])[:, None] * jnp.arange(5.0), (2, 1))
        s = alibi[:, None] + 0.5 * jnp.einsum("nqd,nkd->nqk", q, k)
        s = s.reshape(2, 2, 5, 5) + jnp.triu(jnp.full((5, 5), -1e9), 1)
        context = jax.nn.softmax(s).reshape(4, 5, 5) @ v
        return context.reshape(2, 2, 5, 4)

    def reference(note, x, p):
        bias = np.array([0.5, 0.25])[:, None, None] * np.arange(5)
        return ref.attend(note, *_ref_heads(x, p), bias=bias, mask=ref.causal(5))

    return Case(fn, (x, p), reference)


@program("T5: a table of biases is looked up by buckets of distance; scores are not scaled.")
def relative_buckets(draw: Draw) -> Case:
    x, p, table = draw(2, 6, 8), draw.weights("q k v", 8, 2, 4), draw(5, 2)

    def buckets(xp):
        return xp.clip(xp.arange(6)[None, :] - xp.arange(6)[:, None], -2, 2) + 2

    def fn(x, p, table):
        q, k, v = _heads(x, p)
        bias = jnp.take(table, buckets(jnp), axis=0).transpose(2, 0, 1)[None]
        w = jax.nn.softmax(jnp.einsum("bqhd,bkhd->bhqk", q, k) + bias)
        return jnp.einsum("bhqk,bkhd->bqhd", w, v)

    def reference(note, x, p, table):
        bias = table[buckets(np)].transpose(2, 0, 1)
        out = ref.attend(note, *_ref_heads(x, p), scale=1.0, bias=bias)
        return out.transpose(0, 2, 1, 3)

    return Case(fn, (x, p, table), reference)


@program("Shaw: relative embeddings are part of the scores and of the values.")
def relative_keys_and_values(draw: Draw) -> Case:
    x, p = draw(2, 5, 8), draw.weights("q k v", 8, 2, 4)
    tables = draw(2, 9, 4, scale=0.5)
    index = np.arange(5)[None, :] - np.arange(5)[:, None] + 4

    def fn(x, p, tables):
        q, k, v = _heads(x, p)
        rk, rv = tables[0][index], tables[1][index]
        s = jnp.einsum("bqhd,bkhd->bhqk", q, k) + jnp.einsum("bqhd,qkd->bhqk", q, rk)
        w = jax.nn.softmax(s / 2)
        return jnp.einsum("bhqk,bkhd->bqhd", w, v) + jnp.einsum("bhqk,qkd->bqhd", w, rv)

    def reference(note, x, p, tables):
        q, k, v = _ref_heads(x, p)
        bias = np.einsum("bhqd,qkd->bhqk", q, tables[0][index]) / 2
        w = note(ref.softmax(ref.logits_of(q, k) + bias))
        out = ref.mix(w, v) + np.einsum("bhqk,qkd->bhqd", w, tables[1][index])
        return out.transpose(0, 2, 1, 3)

    return Case(fn, (x, p, tables), reference)


@program(
    "Transformer-XL: content and position scores, the second shifted by padding and reshaping."
)
def relative_shift(draw: Draw) -> Case:
    x, p = draw(2, 4, 8), draw.weights("q k v r", 8, 2, 4)
    positions, u, w = draw(4, 8), draw(2, 4), draw(2, 4)

    def fn(x, p, positions, u, w):
        q, k, v = _heads(x, p)
        r = jnp.einsum("tm,mhd->thd", positions, p["r"])
        content = jnp.einsum("bihd,bjhd->bhij", q + u, k)
        position = jnp.einsum("bihd,jhd->bhij", q + w, r)
        padded = jnp.pad(position, ((0, 0), (0, 0), (0, 0), (1, 0)))
        shifted = padded.reshape(2, 2, 5, 4)[:, :, 1:]
        s = (content + shifted) / 2
        s = jnp.where(jnp.tri(4, dtype=bool), s, -1e30)
        return jnp.einsum("bhij,bjhd->bihd", jax.nn.softmax(s), v)

    def reference(note, x, p, positions, u, w):
        q, k, v = _ref_heads(x, p)
        r = np.einsum("tm,mhd->htd", positions, p["r"])
        bias = np.zeros((2, 2, 4, 4))
        for i in range(4):
            for j in range(i + 1):
                bias[:, :, i, j] = ((q[:, :, i] + w) * r[:, 3 - i + j]).sum(-1) / 2
        s = ref.logits_of(q + u[:, None], k) + bias
        weights = note(ref.softmax(np.where(ref.causal(4), s, -np.inf)))
        return ref.mix(weights, v).transpose(0, 2, 1, 3)

    return Case(fn, (x, p, positions, u, w), reference)


@program("Softcap before the mask, grouped queries, as Gemma 2 does.")
def softcap_then_mask(draw: Draw) -> Case:
    x, q, k, v = draw(2, 5, 8), draw.weight(8, 4, 3), draw.weight(8, 2, 3), draw.weight(8, 2, 3)

    def fn(x, wq, wk, wv):
        q = jnp.einsum("btd,dnh->btnh", x, wq) * 3**-0.5
        k, v = (jnp.einsum("bsd,dkh->bskh", x, w) for w in (wk, wv))
        logits = jnp.einsum("btkgh,bskh->btkgs", q.reshape(2, 5, 2, 2, 3), k).reshape(2, 5, 4, 5)
        logits = jnp.tanh(logits / 2.0) * 2.0
        mask = jnp.tril(jnp.ones((5, 5), bool))[None, :, None, :]
        probs = jax.nn.softmax(jnp.where(mask, logits, -2.3819763e38), axis=-1)
        return jnp.einsum("btkgs,bskh->btkgh", probs.reshape(2, 5, 2, 2, 5), v).reshape(2, 5, 4, 3)

    def reference(note, x, wq, wk, wv):
        q, k, v = (ref.project(x, w) for w in (wq, wk, wv))
        return ref.attend(note, q, k, v, cap=2.0, mask=ref.causal(5)).transpose(0, 2, 1, 3)

    return Case(fn, (x, q, k, v), reference)


@program("Tanh clipping of the scores, as in pointer networks for routing: 10 * tanh.")
def tanh_clipping(draw: Draw) -> Case:
    x, y, p = draw(2, 1, 6), draw(2, 7, 6), draw.weights("q k v", 6, 6)

    def fn(x, y, p):
        compat = (x @ p["q"]) @ (y @ p["k"]).mT / jnp.sqrt(6.0)
        return jax.nn.softmax(10 * jnp.tanh(compat), axis=-1) @ (y @ p["v"])

    def reference(note, x, y, p):
        q, k, v = ((z @ p[n])[:, None] for z, n in ((x, "q"), (y, "k"), (y, "v")))
        return ref.attend(note, q, k, v, kind="cross", cap=10.0, scale=10 * 6**-0.5)[:, 0]

    return Case(fn, (x, y, p), reference)


@program("A bias made from edges between pairs of tokens (Graphormer, AlphaFold).")
def pair_bias(draw: Draw) -> Case:
    x, pair, p, w = (
        draw(2, 5, 8),
        draw(2, 5, 5, 3),
        draw.weights("q k v", 8, 2, 4),
        draw.weight(3, 2),
    )

    def fn(x, pair, p, w):
        q, k, v = _heads(x, p)
        bias = jnp.moveaxis(pair @ w, -1, 1)
        a = jax.nn.softmax(jnp.einsum("bqhd,bkhd->bhqk", q, k) / 2 + bias, -1)
        return jnp.einsum("bhqk,bkhd->bqhd", a, v)

    def reference(note, x, pair, p, w):
        bias = (pair @ w).transpose(0, 3, 1, 2)
        return ref.attend(note, *_ref_heads(x, p), bias=bias).transpose(0, 2, 1, 3)

    return Case(fn, (x, pair, p, w), reference)


@program("DeBERTa: content to content, content to position and position to content, by gathers.")
def disentangled(draw: Draw) -> Case:
    x, p, table = draw(2, 4, 6), draw.weights("q k v", 6, 2, 3), draw(7, 6)
    delta = np.arange(4)[:, None] - np.arange(4)[None, :] + 3

    def fn(x, p, table):
        q, k, v = (y.transpose(0, 2, 1, 3) for y in _heads(x, p))
        pq, pk = (jnp.einsum("rm,mhd->hrd", table, p[n]) for n in "qk")
        c2p = jnp.einsum("bhqd,hrd->bhqr", q, pk)
        c2p = jnp.take_along_axis(c2p, jnp.broadcast_to(delta, (2, 2, 4, 4)), axis=-1)
        p2c = jnp.einsum("bhkd,hrd->bhkr", k, pq)
        p2c = jnp.take_along_axis(p2c, jnp.broadcast_to(delta.T, (2, 2, 4, 4)), axis=-1)
        s = (q @ k.mT + c2p + p2c.mT) / jnp.sqrt(9.0)
        return jax.nn.softmax(s, axis=-1) @ v

    def reference(note, x, p, table):
        q, k, v = _ref_heads(x, p)
        pq, pk = (np.einsum("rm,mhd->hrd", table, p[n]) for n in "qk")
        bias = np.einsum("bhqd,hqkd->bhqk", q, pk[:, delta])
        bias = bias + np.einsum("bhkd,hqkd->bhqk", k, pq[:, delta])
        return ref.attend(note, q, k, v, scale=1 / 3, bias=bias / 3)

    return Case(fn, (x, p, table), reference)


@program("A learned scale per query and a learned bias per key.")
def learned_temperature_per_query(draw: Draw) -> Case:
    x, p, t, c = draw(2, 5, 8), draw.weights("q k v", 8, 2, 4), draw.weight(8, 1), draw.weight(8, 2)

    def fn(x, p, t, c):
        q, k, v = _heads(x, p)
        temperature = jax.nn.softplus(x @ t)[:, None]
        s = jnp.einsum("bqhd,bkhd->bhqk", q, k) * temperature + (x @ c).mT[:, :, None, :]
        return jnp.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(s), v)

    def reference(note, x, p, t, c):
        temperature = np.log1p(np.exp(x @ t))[:, None]
        bias = (x @ c).transpose(0, 2, 1)[:, :, None]
        out = ref.attend(note, *_ref_heads(x, p), scale=temperature, bias=bias)
        return out.transpose(0, 2, 1, 3)

    return Case(fn, (x, p, t, c), reference)


@program("jax.nn.dot_product_attention with a bias.")
def library_function_bias(draw: Draw) -> Case:
    x, p, bias = draw(2, 5, 8), draw.weights("q k v", 8, 2, 4), draw(1, 2, 5, 5)

    def fn(x, p, bias):
        return jax.nn.dot_product_attention(*_heads(x, p), bias=bias)

    def reference(note, x, p, bias):
        return ref.attend(note, *_ref_heads(x, p), bias=bias).transpose(0, 2, 1, 3)

    return Case(fn, (x, p, bias), reference)
