"""Learned queries: latents, seeds and probes that a model holds, the same for all examples."""

import jax
import jax.numpy as jnp
import numpy as np

from tests.capture.programs import reference as ref
from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)


def _normal(x):
    return (x - x.mean(-1, keepdims=True)) / jnp.sqrt(x.var(-1, keepdims=True) + 1e-6)


def _attend(x, y, p):
    q = jnp.einsum("btm,mhd->bthd", x, p["q"])
    k, v = (jnp.einsum("bsm,mhd->bshd", y, p[n]) for n in "kv")
    return jax.nn.dot_product_attention(q, k, v).reshape(x.shape)


def _attend_reference(note, x, y, p, kind="self"):
    q, k, v = ref.project(x, p["q"]), *(ref.project(y, p[n]) for n in "kv")
    return ref.merge(ref.attend(note, q, k, v, kind=kind))


@program(
    "Perceiver: normalized latents look at the inputs, at each other, and at the inputs again."
)
def normalized_latents(draw: Draw) -> Case:
    p = {n: draw.weights("q k v", 6, 2, 3) for n in ("first", "own", "again")}
    p |= {"latents": draw(3, 6), "scale": draw(6)}

    def fn(p, x):
        z = jnp.repeat(p["latents"][None], x.shape[0], 0)
        z = z + _attend(_normal(z) * p["scale"], _normal(x), p["first"])
        z = z + _attend(_normal(z), _normal(z), p["own"])
        return z + _attend(z, x, p["again"])

    def reference(note, p, x):
        z = np.repeat(p["latents"][None], 2, 0)
        first = ref.layer_norm(z) * p["scale"], ref.layer_norm(x)
        z = z + _attend_reference(note, *first, p["first"], "pooling")
        z = z + _attend_reference(note, *(ref.layer_norm(z),) * 2, p["own"])
        return z + _attend_reference(note, z, x, p["again"], "cross")

    return Case(fn, (p, draw(2, 8, 6)), reference)


@program(
    "A probe of one vector pools patches by attention with biases (the MAP head of Big Vision)."
)
def probe_of_patches(draw: Draw) -> Case:
    p = draw.weights("q k v", 6, 2, 3) | {"probe": draw(1, 1, 6), "biases": draw(3, 2, 3)}

    def fn(p, x):
        probe = jnp.tile(p["probe"], [x.shape[0], 1, 1])
        made = zip("qkv", (probe, x, x), p["biases"], strict=True)
        q, k, v = (jnp.einsum("btm,mhd->bthd", y, p[n]) + b for n, y, b in made)
        return jax.nn.dot_product_attention(q, k, v)[:, 0]

    def reference(note, p, x):
        made = zip("qkv", (np.repeat(p["probe"], 2, 0), x, x), p["biases"], strict=True)
        q, k, v = (ref.project(y, p[n]) + b[:, None] for n, y, b in made)
        return ref.attend(note, q, k, v, kind="pooling")[:, :, 0]

    return Case(fn, (p, draw(2, 8, 6)), reference)


@program("Pooling by seeds (Set Transformer): inputs pass a layer first, queries are added again.")
def pooling_by_seeds(draw: Draw) -> Case:
    p = draw.weights("q k v", 6, 2, 3) | {"seeds": draw(1, 2, 6), "layer": draw.weight(6, 6)}

    def fn(p, x):
        seeds = jnp.repeat(p["seeds"], x.shape[0], axis=0)
        y = jax.nn.relu(x @ p["layer"])
        q = jnp.einsum("btm,mhd->bthd", seeds, p["q"])
        k, v = (jnp.einsum("bsm,mhd->bshd", y, p[n]) for n in "kv")
        a = jax.nn.softmax(jnp.einsum("bthd,bshd->bhts", q, k) / np.sqrt(6))
        return q + jnp.einsum("bhts,bshd->bthd", a, v)

    def reference(note, p, x):
        y = ref.relu(x @ p["layer"])
        q = ref.project(np.repeat(p["seeds"], 2, 0), p["q"])
        k, v = (ref.project(y, p[n]) for n in "kv")
        out = q + ref.attend(note, q, k, v, kind="pooling", scale=6**-0.5)
        return out.transpose(0, 2, 1, 3)

    return Case(fn, (p, draw(2, 7, 6)), reference)


@program("Object queries attend to each other before they look at the picture, as in DETR.")
def object_queries(draw: Draw) -> Case:
    p = {n: draw.weights("q k v", 6, 2, 3) for n in ("own", "cross")} | {"queries": draw(3, 6)}

    def fn(p, x, places):
        queries = jnp.broadcast_to(p["queries"], (2, 3, 6))
        t = _normal(_attend(queries, queries, p["own"])) + queries
        q, k, v = (
            jnp.einsum("btm,mhd->bthd", y, p["cross"][n])
            for n, y in zip("qkv", (t, x + places, x), strict=True)
        )
        return jax.nn.dot_product_attention(q, k, v)

    def reference(note, p, x, places):
        queries = np.repeat(p["queries"][None], 2, 0)
        t = ref.layer_norm(_attend_reference(note, queries, queries, p["own"])) + queries
        made = zip("qkv", (t, x + places, x), strict=True)
        q, k, v = (ref.project(y, p["cross"][n]) for n, y in made)
        return ref.attend(note, q, k, v, kind="cross").transpose(0, 2, 1, 3)

    return Case(fn, (p, draw(2, 8, 6), draw(8, 6)), reference)


@program("One example without an axis for the batch, latents beside the matrices.")
def latents_without_batch(draw: Draw) -> Case:
    p = draw.weights("q k v", 6, 2, 3) | {"latents": draw(3, 6)}

    def fn(p, x):
        q = jnp.einsum("tm,mhd->thd", _normal(p["latents"]), p["q"])
        k, v = (jnp.einsum("sm,mhd->shd", x, p[n]) for n in "kv")
        a = jax.nn.softmax(jnp.einsum("thd,shd->hts", q, k) / np.sqrt(3))
        return jnp.einsum("hts,shd->thd", a, v)

    def reference(note, p, x):
        q = ref.project(ref.layer_norm(p["latents"])[None], p["q"])
        k, v = (ref.project(x[None], p[n]) for n in "kv")
        return ref.attend(note, q, k, v, kind="pooling")[0].transpose(1, 0, 2)

    return Case(fn, (p, draw(8, 6)), reference)


@program("Two given sequences without a batch: the one that asks is no part of the model.")
def two_given_sequences(draw: Draw) -> Case:
    def fn(p, x, y):
        q = jnp.einsum("tm,mhd->thd", _normal(x), p["q"])
        k, v = (jnp.einsum("sm,mhd->shd", y, p[n]) for n in "kv")
        a = jax.nn.softmax(jnp.einsum("thd,shd->hts", q, k) / np.sqrt(3))
        return jnp.einsum("hts,shd->thd", a, v)

    def reference(note, p, x, y):
        q = ref.project(ref.layer_norm(x)[None], p["q"])
        k, v = (ref.project(y[None], p[n]) for n in "kv")
        return ref.attend(note, q, k, v, kind="cross")[0].transpose(1, 0, 2)

    return Case(fn, (draw.weights("q k v", 6, 2, 3), draw(3, 6), draw(8, 6)), reference)


@program("Words of one text look at a picture: both come out of tables or matrices of the model.")
def words_at_a_picture(draw: Draw) -> Case:
    p = draw.weights("q k v", 6, 2, 3) | {"words": draw(9, 6)}

    def fn(p, ids, picture):
        q = jnp.einsum("tm,mhd->thd", p["words"][ids], p["q"])
        k, v = (jnp.einsum("sm,mhd->shd", picture, p[n]) for n in "kv")
        a = jax.nn.softmax(jnp.einsum("thd,shd->hts", q, k) / np.sqrt(3))
        return jnp.einsum("hts,shd->thd", a, v)

    def reference(note, p, ids, picture):
        q = ref.project(p["words"][ids][None], p["q"])
        k, v = (ref.project(picture[None], p[n]) for n in "kv")
        return ref.attend(note, q, k, v, kind="cross")[0].transpose(1, 0, 2)

    return Case(fn, (p, draw.integers(9, 4), draw(8, 6)), reference)
