"""Learned tables that are averaged: centers, codebooks, memories of product keys."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.capture.programs import reference as ref
from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)


@program("Normalized radial basis functions: distances to learned centers share out learned rows.")
def radial_basis(draw: Draw) -> Case:
    p = {"in": draw.weight(6, 3), "centers": draw(4, 3), "out": draw(4, 6)}
    p |= {"widths": 1 + np.abs(draw(4))}

    def fn(p, x):
        h = jnp.tanh(x @ p["in"])
        far = jnp.sum(jnp.square(h[..., None, :] - p["centers"]), -1)
        near = jnp.exp(-far / (2 * p["widths"] ** 2))
        return near / (near.sum(-1, keepdims=True) + 1e-8) @ p["out"]

    def reference(note, p, x):
        h = np.tanh(x @ p["in"])
        far = ((h[..., None, :] - p["centers"]) ** 2).sum(-1)
        near = ref.softmax(-far / (2 * p["widths"] ** 2))
        return note(near[:, None], "memory")[:, 0] @ p["out"]

    return Case(fn, (p, draw(2, 5, 6)), reference)


@program("Soft assignment to the codes of a table by absolute distances; the codes are averaged.")
def soft_codes(draw: Draw) -> Case:
    def fn(codes, x):
        far = jnp.abs(x[:, :, None] - codes).sum(-1)
        return jax.nn.softmax(-far) @ codes

    def reference(note, codes, x):
        far = np.abs(x[:, :, None] - codes).sum(-1)
        return note(ref.softmax(-far)[:, None], "memory")[:, 0] @ codes

    return Case(fn, (draw(4, 3), draw(2, 5, 3)), reference)


@program("A codebook under Gumbel noise by distances, hard forward and soft backward.")
def codes_under_noise(draw: Draw) -> Case:
    def fn(key, codes, x):
        scores = -((x[:, :, None] - codes) ** 2).sum(-1)
        soft = jax.nn.softmax((scores + jax.random.gumbel(key, scores.shape)) / 0.7)
        hard = jax.nn.one_hot(soft.argmax(-1), 7)
        return jnp.einsum("btk,kd->btd", hard + soft - lax.stop_gradient(soft), codes)

    def reference(note, key, codes, x):
        noise = np.asarray(jax.random.gumbel(key, (2, 5, 7)))
        soft = ref.softmax((-((x[:, :, None] - codes) ** 2).sum(-1) + noise) / 0.7)
        hard = np.eye(7)[soft.argmax(-1)]
        # The output is that of the hard choice, whatever the soft one is.
        return (hard + note(soft[:, None], "memory")[:, 0] - soft) @ codes

    return Case(fn, (jax.random.key(3), draw(7, 4), draw(2, 5, 4)), reference)


@program("Memory of product keys (Lample): the best pairs of two halves, their rows looked up.")
def product_keys(draw: Draw) -> Case:
    p = {"q": draw.weight(6, 8), "one": draw(4, 2), "two": draw(4, 2), "values": draw(16, 6)}

    def fn(p, x):
        q = (x @ p["q"]).reshape(2, 5, 2, 4)
        first, i = lax.top_k(q[..., :2] @ p["one"].T, 2)
        second, j = lax.top_k(q[..., 2:] @ p["two"].T, 2)
        scores = (first[..., :, None] + second[..., None, :]).reshape(2, 5, 2, 4)
        places = (i[..., :, None] * 4 + j[..., None, :]).reshape(2, 5, 2, 4)
        best, at = lax.top_k(scores, 3)
        rows = p["values"][jnp.take_along_axis(places, at, -1)]
        return jnp.einsum("bthk,bthkm->btm", jax.nn.softmax(best), rows)

    def reference(note, p, x):
        q = (x @ p["q"]).reshape(2, 5, 2, 4)
        halves = q[..., :2] @ p["one"].T, q[..., 2:] @ p["two"].T
        scores = (halves[0][..., :, None] + halves[1][..., None, :]).reshape(2, 5, 2, 16)
        # The best three of all are among the pairs of the best two of each half, but not always.
        i, j = (np.argsort(-half, -1)[..., :2] for half in halves)
        places = (i[..., :, None] * 4 + j[..., None, :]).reshape(2, 5, 2, 4)
        best = np.argsort(-np.take_along_axis(scores, places, -1), -1)[..., :3]
        places = np.take_along_axis(places, best, -1)
        w = ref.softmax(np.take_along_axis(scores, places, -1))
        # Each token has rows of its own, so tokens are examples where nobody is told of a batch.
        w = note(w.transpose(0, 2, 1, 3), "memory", also=[w.reshape(10, 1, 2, 3)])
        return np.einsum("bhtk,bthkm->btm", w, p["values"][places])

    return Case(fn, (p, draw(2, 5, 6)), reference)


@program("Product keys of each head in one table; rows taken by `jnp.take` and summed with heads.")
def product_keys_of_heads(draw: Draw) -> Case:
    p = {"q": draw.weight(6, 8), "keys": draw(2, 2, 4, 2), "values": draw(16, 6)}

    def fn(p, x):
        q = (x @ p["q"]).reshape(10, 2, 2, 2)
        (one, two), (i, j) = lax.top_k(jnp.einsum("nhpd,hpkd->pnhk", q, p["keys"]), 2)
        scores = (one[..., :, None] + two[..., None, :]).reshape(10, 2, 4)
        places = (i[..., :, None] * 4 + j[..., None, :]).reshape(10, 2, 4)
        best, at = lax.top_k(scores, 2)
        rows = jnp.take(p["values"], jnp.take_along_axis(places, at, -1), axis=0)
        return (jax.nn.softmax(best)[..., None] * rows).sum((1, 2)).reshape(2, 5, 6)

    def reference(note, p, x):
        q = (x @ p["q"]).reshape(10, 2, 2, 2)
        one, two = np.einsum("nhpd,hpkd->pnhk", q, p["keys"])
        scores = (one[..., :, None] + two[..., None, :]).reshape(10, 2, 16)
        places = np.argsort(-scores, -1)[..., :2]
        w = ref.softmax(np.take_along_axis(scores, places, -1))
        w = note(w.reshape(2, 5, 2, 2).transpose(0, 2, 1, 3), "memory", also=[w[:, None]])
        rows = p["values"][places].reshape(2, 5, 2, 2, 6)
        return np.einsum("bhtk,bthkm->btm", w, rows)

    return Case(fn, (p, draw(2, 5, 6)), reference)
