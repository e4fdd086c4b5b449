"""Keys and values from fewer numbers: latent vectors, or no keys at all."""

import jax
import jax.numpy as jnp

from tests.capture.programs import reference as ref
from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)


@program("Keys and values come from a small latent vector (multi-head latent attention).")
def latent_keys_and_values(draw: Draw) -> Case:
    x, down = draw(2, 5, 8), draw.weight(8, 3)
    p = {"q": draw.weight(8, 2, 4), "k": draw.weight(3, 2, 4), "v": draw.weight(3, 2, 4)}

    def fn(x, down, p):
        latent = x @ down
        q = jnp.einsum("btm,mhd->bthd", x, p["q"])
        k, v = (jnp.einsum("btc,chd->bthd", latent, p[n]) for n in "kv")
        w = jax.nn.softmax(jnp.einsum("bthd,bshd->bhts", q, k) / 2)
        return jnp.einsum("bhts,bshd->bthd", w, v)

    def reference(note, x, down, p):
        q, k, v = ref.project(x, p["q"]), *(ref.project(x @ down, p[n]) for n in "kv")
        return ref.attend(note, q, k, v).transpose(0, 2, 1, 3)

    return Case(fn, (x, down, p), reference)


@program("Latent attention as served: the key matrix is absorbed by the query, values stay latent.")
def latent_absorbed(draw: Draw) -> Case:
    x, down = draw(2, 5, 8), draw.weight(8, 3)
    p = {"q": draw.weight(8, 2, 4), "k": draw.weight(3, 2, 4), "v": draw.weight(3, 2, 4)}

    def fn(x, down, p):
        latent = x @ down
        q = jnp.einsum("btm,mhd,chd->bhtc", x, p["q"], p["k"])
        w = jax.nn.softmax(jnp.einsum("bhtc,bsc->bhts", q, latent) * 0.5)
        return jnp.einsum("bhtc,chd->bthd", jnp.einsum("bhts,bsc->bhtc", w, latent), p["v"])

    def reference(note, x, down, p):
        q, k, v = ref.project(x, p["q"]), *(ref.project(x @ down, p[n]) for n in "kv")
        return ref.attend(note, q, k, v).transpose(0, 2, 1, 3)

    return Case(fn, (x, down, p), reference)


@program("Query weights depend on the query alone: a dense synthesizer with fixed length.")
def dense_synthesizer(draw: Draw) -> Case:
    x, first, second, v = draw(2, 5, 6), draw.weight(6, 6), draw.weight(6, 5), draw.weight(6, 6)

    def fn(x, first, second, v):
        attn = jax.nn.softmax(jax.nn.relu(x @ first) @ second, axis=-1)
        return attn @ (x @ v)

    def reference(note, x, first, second, v):
        weights = ref.softmax(ref.relu(x @ first) @ second)[:, None]
        weights = note(weights, "self", also_kinds=("pooling", "cross"))
        return ref.mix(weights, (x @ v)[:, None])[:, 0]

    return Case(fn, (x, first, second, v), reference)
