"""Heads: groups of them, loops over them, maps over them, and mixtures between them."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.capture.programs import reference as ref
from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)


def _grouped(draw):
    p = {"q": draw.weight(8, 6, 3), "k": draw.weight(8, 2, 3), "v": draw.weight(8, 2, 3)}
    return draw(2, 5, 8), p


def _ref_grouped(note, x, p):
    out = ref.attend(note, *(ref.project(x, p[n]) for n in "qkv"))
    return out.transpose(0, 2, 1, 3)


@program("Grouped queries: keys and values are repeated.")
def grouped_by_repeat(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = (jnp.einsum("btm,mhd->bthd", x, p[n]) for n in "qkv")
        k, v = jnp.repeat(k, 3, axis=2), jnp.repeat(v, 3, axis=2)
        w = jax.nn.softmax(jnp.einsum("bthd,bshd->bhts", q, k) / np.sqrt(3).astype("f"))
        return jnp.einsum("bhts,bshd->bthd", w, v)

    return Case(fn, _grouped(draw), _ref_grouped)


@program("Grouped queries: keys and values get an axis by broadcasting, and are reshaped.")
def grouped_by_broadcast(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = (jnp.einsum("btm,mhd->bhtd", x, p[n]) for n in "qkv")

        def repeat_kv(y):
            b, g, t, d = y.shape
            return jnp.broadcast_to(y[:, :, None], (b, g, 3, t, d)).reshape(b, g * 3, t, d)

        w = jax.nn.softmax(jnp.matmul(q, repeat_kv(k).swapaxes(2, 3)) * 3**-0.5)
        return jnp.matmul(w, repeat_kv(v)).swapaxes(1, 2)

    return Case(fn, _grouped(draw), _ref_grouped)


@program("Grouped queries: the query is reshaped and einsum carries a group axis, weights bkgqs.")
def grouped_by_einsum(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = (jnp.einsum("btm,mhd->bthd", x, p[n]) for n in "qkv")
        q = q.reshape(2, 5, 2, 3, 3)
        s = jnp.einsum("btkgh,bskh->bkgts", q, k) / jnp.sqrt(3.0)
        out = jnp.einsum("bkgts,bskh->btkgh", jax.nn.softmax(s), v)
        return out.reshape(2, 5, 6, 3)

    return Case(fn, _grouped(draw), _ref_grouped)


@program("Grouped queries: weights laid out query, key head, group, key, after queries were moved.")
def grouped_other_layout(draw: Draw) -> Case:
    def fn(x, p):
        q = (x @ p["q"].reshape(8, 18)).reshape(2, 5, 2, 3, 3).transpose(1, 3, 0, 2, 4)
        k, v = ((x @ p[n].reshape(8, 6)).reshape(2, 5, 2, 3) for n in "kv")
        w = jax.nn.softmax(jnp.einsum("qgbkd,bskd->qbkgs", q, k) * 3**-0.5)
        return jnp.einsum("qbkgs,bskd->bqkgd", w, v).reshape(2, 5, 6, 3)

    return Case(fn, _grouped(draw), _ref_grouped)


@program("Grouped queries: vmap over key heads of an attention with several query heads.")
def grouped_by_vmap(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = (jnp.einsum("btm,mhd->hbtd", x, p[n]) for n in "qkv")

        def one_group(q, k, v):
            w = jax.nn.softmax(jnp.einsum("gbtd,bsd->gbts", q, k) / jnp.sqrt(3.0), -1)
            return jnp.einsum("gbts,bsd->gbtd", w, v)

        out = jax.vmap(one_group)(q.reshape(2, 3, 2, 5, 3), k, v)
        return out.reshape(6, 2, 5, 3).transpose(1, 2, 0, 3)

    return Case(fn, _grouped(draw), _ref_grouped)


@program("Grouped queries by jax.nn.dot_product_attention.")
def grouped_by_library(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = (jnp.einsum("btm,mhd->bthd", x, p[n]) for n in "qkv")
        return jax.nn.dot_product_attention(q, k, v)

    return Case(fn, _grouped(draw), _ref_grouped)


@program("One key head for all, broadcast by matmul.")
def multi_query(draw: Draw) -> Case:
    x, p = draw(2, 5, 8), {"q": draw.weight(8, 12), "kv": draw.weight(8, 8)}

    def fn(x, p):
        q = (x @ p["q"]).reshape(2, 5, 3, 4).transpose(0, 2, 1, 3)
        k, v = jnp.split((x @ p["kv"])[:, None], 2, axis=-1)
        return (jax.nn.softmax(q @ k.mT / 2) @ v).transpose(0, 2, 1, 3).reshape(2, 5, 12)

    def reference(note, x, p):
        k, v = (y[:, None] for y in np.split(x @ p["kv"], 2, axis=-1))
        return ref.merge(ref.attend(note, ref.split(x @ p["q"], 3), k, v))

    return Case(fn, (x, p), reference)


@program("A Python loop over heads, outputs joined; one map a head.")
def loop_over_heads_joined(draw: Draw) -> Case:
    x, p = draw(2, 5, 8), draw.weights("q k v", 3, 8, 4)

    def fn(x, p):
        heads = []
        for h in range(3):
            q, k, v = x @ p["q"][h], x @ p["k"][h], x @ p["v"][h]
            heads.append(jax.nn.softmax(q @ k.transpose(0, 2, 1) / 2) @ v)
        return jnp.concatenate(heads, axis=-1)

    def reference(note, x, p):
        heads = []
        for h in range(3):
            q, k, v = ((x @ p[n][h])[:, None] for n in "qkv")
            heads.append(ref.attend(note, q, k, v, family="heads")[:, 0])
        return np.concatenate(heads, -1)

    return Case(fn, (x, p), reference)


@program("A Python loop over heads sliced from one projection, outputs projected and added up.")
def loop_over_heads_added(draw: Draw) -> Case:
    x, w, o = draw(2, 5, 8), draw.weight(8, 24), draw.weight(8, 8)

    def fn(x, w, o):
        q, k, v = jnp.split(x @ w, 3, axis=-1)
        total = jnp.zeros_like(x)
        for h in range(2):
            part = slice(4 * h, 4 * h + 4)
            scores = jnp.einsum("bqd,bkd->bqk", q[..., part], k[..., part]) * 0.5
            total += jax.nn.softmax(scores) @ v[..., part] @ o[part]
        return total

    def reference(note, x, w, o):
        q, k, v = (ref.split(x @ part, 2) for part in np.split(w, 3, axis=1))
        heads = [
            ref.attend(note, *(y[:, h : h + 1] for y in (q, k, v)), family="heads") for h in (0, 1)
        ]
        return ref.merge(np.concatenate(heads, 1)) @ o

    return Case(fn, (x, w, o), reference)


@program("lax.map over heads, the matrices stacked.")
def map_over_heads(draw: Draw) -> Case:
    x, p = draw(2, 5, 8), draw.weights("q k v", 8, 3, 4)

    def fn(x, p):
        def head(w):
            q, k, v = x @ w["q"], x @ w["k"], x @ w["v"]
            return jax.nn.softmax(jnp.einsum("btd,bsd->bts", q, k) / 2) @ v

        return lax.map(head, jax.tree.map(lambda y: y.transpose(1, 0, 2), p))

    def reference(note, x, p):
        return ref.attend(note, *(ref.project(x, p[n]) for n in "qkv")).transpose(1, 0, 2, 3)

    return Case(fn, (x, p), reference)


def _cut_out(draw: Draw, heads) -> Case:
    """Heads are cut out of the features of one example after the other."""

    def fn(p, x):
        def one(x):
            q, k, v = (heads(x @ p[n]) for n in "qkv")
            return jnp.concatenate(list(jax.nn.softmax(q @ k.mT / 2) @ v), -1)

        return lax.map(one, x)

    def reference(note, p, x):
        qkv = [ref.split(x @ p[n], 2) for n in "qkv"]
        return ref.merge(ref.attend(note, *qkv, scale=0.5))

    return Case(fn, (draw.weights("q k v", 8, 8), draw(3, 5, 8)), reference)


@program("lax.map over examples, heads stacked that were split off.")
def split_and_stacked(draw: Draw) -> Case:
    return _cut_out(draw, lambda y: jnp.stack(jnp.split(y, 2, axis=-1)))


@program("The same with slices that are put behind each other along a new axis.")
def sliced_and_joined(draw: Draw) -> Case:
    return _cut_out(draw, lambda y: jnp.concatenate([y[None, :, :4], y[None, :, 4:]]))


@program("A scan over heads adds up their projected outputs.")
def scan_over_heads(draw: Draw) -> Case:
    x, p, o = draw(2, 5, 8), draw.weights("q k v", 3, 8, 4), draw(3, 4, 8, scale=0.3)

    def fn(x, p, o):
        def head(total, weights):
            w, o = weights
            q, k, v = (jnp.dot(x, w[n]) for n in "qkv")
            out = jax.nn.softmax(q @ k.swapaxes(1, 2) * 0.5) @ v
            return total + out @ o, None

        return lax.scan(head, jnp.zeros_like(x), (p, o))[0]

    def reference(note, x, p, o):
        q, k, v = (np.einsum("btm,hmd->bhtd", x, p[n]) for n in "qkv")
        return ref.unproject(ref.attend(note, q, k, v), o)

    return Case(fn, (x, p, o), reference)


@program("vmap over heads of a function for one head, with in_axes and out_axes in the middle.")
def vmap_over_heads(draw: Draw) -> Case:
    x, p = draw(5, 8), draw.weights("q k v", 8, 3, 4)

    def fn(x, p):
        def head(wq, wk, wv):
            s = (x @ wq) @ (x @ wk).T / 2
            return jax.nn.softmax(s) @ (x @ wv)

        return jax.vmap(head, in_axes=1, out_axes=1)(p["q"], p["k"], p["v"])

    def reference(note, x, p):
        out = ref.attend(note, *(ref.project(x[None], p[n]) for n in "qkv"))
        return out[0].transpose(1, 0, 2)

    return Case(fn, (x, p), reference)


@program("vmap over examples of vmap over heads of an attention between two matrices.")
def vmap_over_examples_and_heads(draw: Draw) -> Case:
    x, y, p = draw(3, 4, 6), draw(3, 5, 6), draw.weights("q k v", 6, 2, 3)

    def fn(x, y, p):
        def single(q, k, v):
            return jax.nn.softmax(q @ k.T) @ v

        def example(x, y):
            q = jnp.einsum("tm,mhd->htd", x, p["q"])
            k, v = (jnp.einsum("tm,mhd->htd", y, p[n]) for n in "kv")
            return jax.vmap(single)(q, k, v)

        return jax.vmap(example)(x, y)

    def reference(note, x, y, p):
        q, k, v = ref.project(x, p["q"]), ref.project(y, p["k"]), ref.project(y, p["v"])
        return ref.attend(note, q, k, v, kind="cross", scale=1.0)

    return Case(fn, (x, y, p), reference)


@program("Two batch axes (set and member), one of them mapped, the other carried by einsum.")
def two_batch_axes(draw: Draw) -> Case:
    x, p = draw(2, 3, 4, 6), draw.weights("q k v", 6, 2, 3)

    def fn(x, p):
        def one(x):
            q, k, v = (jnp.einsum("...tm,mhd->...htd", x, p[n]) for n in "qkv")
            return jax.nn.softmax(q @ k.mT * 3**-0.5) @ v

        return jax.vmap(one)(x)

    def reference(note, x, p):
        flat = x.reshape(6, 4, 6)
        return ref.attend(note, *(ref.project(flat, p[n]) for n in "qkv")).reshape(2, 3, 2, 4, 3)

    return Case(fn, (x, p), reference)


@program("Heads of different sizes: a Python loop with a different projection each.")
def heads_of_different_sizes(draw: Draw) -> Case:
    x = draw(2, 5, 6)
    p = [draw.weights("q k v", 6, size) for size in (2, 5)]

    def fn(x, p):
        def head(w):
            s = jnp.einsum("btd,bsd->bts", x @ w["q"], x @ w["k"]) / w["q"].shape[1] ** 0.5
            return jnp.einsum("bts,bsd->btd", jax.nn.softmax(s), x @ w["v"])

        return jnp.concatenate([head(w) for w in p], -1)

    def reference(note, x, p):
        heads = [
            ref.attend(note, *((x @ w[n])[:, None] for n in "qkv"), family="heads")[:, 0] for w in p
        ]
        return np.concatenate(heads, -1)

    return Case(fn, (x, p), reference)


@program("Two sequences are projected by one matrix, without heads.")
def one_matrix_for_two(draw: Draw) -> Case:
    def fn(w, x, y):
        q, k = x @ w, y @ w
        scores = jnp.einsum("bqf,bkf->bqk", q, k) / np.sqrt(6).astype("f")
        return jnp.einsum("bqk,bkf->bqf", jax.nn.softmax(scores), k)

    def reference(note, w, x, y):
        q, k = (x @ w)[:, None], (y @ w)[:, None]
        return ref.attend(note, q, k, k, kind="cross")[:, 0]

    return Case(fn, (draw.weight(6, 6), draw(3, 4, 6), draw(3, 5, 6)), reference)


@program("Queries and keys that are given have heads, the values have none.")
def given_heads_average_one_value(draw: Draw) -> Case:
    def fn(q, k, v):
        weights = jax.nn.softmax(q @ k.mT / 2)
        return jnp.einsum("bhqk,bkd->bhqd", weights, v)

    def reference(note, q, k, v):
        return ref.attend(note, q, k, v[:, None], kind="cross")

    return Case(fn, (draw(2, 3, 4, 4), draw(2, 3, 5, 4), draw(2, 5, 6)), reference)


@program("The matrix of the queries has a low-rank adapter; keys and values are the tokens.")
def adapted_queries(draw: Draw) -> Case:
    p = {"q": draw.weight(8, 8), "a": draw.weight(8, 2), "b": draw.weight(2, 8)}

    def fn(p, x):
        q = x @ (p["q"] + p["a"] @ p["b"])
        return jax.nn.softmax(q @ x.mT / np.sqrt(8).astype("f")) @ x

    def reference(note, p, x):
        q = x @ (p["q"] + p["a"] @ p["b"])
        return ref.attend(note, q[:, None], x[:, None], x[:, None])[:, 0]

    return Case(fn, (p, draw(2, 6, 8)), reference)


@program("Style tokens: one query an example looks at learned tokens, with heads.")
def style_tokens(draw: Draw) -> Case:
    p = draw.weights("q k v", 8, 2, 4) | {"tokens": draw(5, 8)}

    def fn(p, x):
        q = jnp.einsum("bm,mhd->bhd", x.mean(1), p["q"])
        k, v = (jnp.einsum("nm,mhd->nhd", jnp.tanh(p["tokens"]), p[n]) for n in "kv")
        w = jax.nn.softmax(jnp.einsum("bhd,nhd->bhn", q, k) / 2)
        return jnp.einsum("bhn,nhd->bhd", w, v)

    def reference(note, p, x):
        tokens = np.repeat(np.tanh(p["tokens"])[None], len(x), 0)
        q = ref.project(x.mean(1, keepdims=True), p["q"])
        k, v = (ref.project(tokens, p[n]) for n in "kv")
        return ref.attend(note, q, k, v, kind="cross", also_kinds=("pooling",))[:, :, 0]

    return Case(fn, (p, draw(3, 6, 8)), reference)
