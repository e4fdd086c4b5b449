"""Memories that a network reads and writes, as research code has them."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.capture.programs import reference as ref
from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)
NOT_DECIDED = "what comes after the softmax may be said instead"


@program("Neural Turing machine: content, interpolation, shift, sharpening; read, erase, add.")
def neural_turing_machine(draw: Draw) -> Case:
    p = draw.weights("key erase add", 5, 4) | {"rest": draw.weight(5, 6)}

    def fn(p, memory, xs):
        def step(carry, x):
            memory, w = carry
            key, rest = jnp.tanh(x @ p["key"]), x @ p["rest"]
            beta, g, gamma = (
                jax.nn.softplus(rest[0]),
                jax.nn.sigmoid(rest[1]),
                1 + jax.nn.softplus(rest[2]),
            )
            shift = jax.nn.softmax(rest[3:])
            norms = jnp.linalg.norm(memory, axis=1) * jnp.linalg.norm(key)
            content = jax.nn.softmax(beta * (memory @ key) / (norms + 1e-8))
            w = g * content + (1 - g) * w
            w = shift[0] * jnp.roll(w, 1) + shift[1] * w + shift[2] * jnp.roll(w, -1)
            w = w**gamma
            w = w / jnp.sum(w)
            read = w @ memory
            erase, add = jax.nn.sigmoid(x @ p["erase"]), jnp.tanh(x @ p["add"])
            memory = memory * (1 - jnp.outer(w, erase)) + jnp.outer(w, add)
            return (memory, w), read

        w = jnp.zeros(memory.shape[0]).at[0].set(1.0)
        return lax.scan(step, (memory, w), xs)[1]

    def reference(note, p, memory, xs):
        w, reads = np.eye(6)[0], []
        for t, x in enumerate(xs):
            key, rest = np.tanh(x @ p["key"]), x @ p["rest"]
            beta, g, gamma = (
                np.log1p(np.exp(rest[0])),
                ref.sigmoid(rest[1]),
                1 + np.log1p(np.exp(rest[2])),
            )
            shift = ref.softmax(rest[3:])
            cosine = memory @ key / (np.linalg.norm(memory, axis=1) * np.linalg.norm(key) + 1e-8)
            content = ref.softmax(beta * cosine)
            w = g * content + (1 - g) * w
            w = shift[0] * np.roll(w, 1) + shift[1] * w + shift[2] * np.roll(w, -1)
            w = w**gamma / np.sum(w**gamma)
            w = note(w[None, None, None], "cross", step=t, optional=NOT_DECIDED)[0, 0, 0]
            reads.append(w @ memory)
            erase, add = ref.sigmoid(x @ p["erase"]), np.tanh(x @ p["add"])
            memory = memory * (1 - np.outer(w, erase)) + np.outer(w, add)
        return np.stack(reads)

    return Case(fn, (p, draw(6, 4), draw(3, 5)), reference)


@program("Reading by content alone, several heads, cosine by normalized vectors (DNC).")
def content_reads(draw: Draw) -> Case:
    p = {"keys": draw.weight(5, 8), "strengths": draw.weight(5, 2)}

    def fn(p, memory, x):
        def unit(z):
            return z / jnp.sqrt(jnp.sum(z**2, axis=-1, keepdims=True) + 1e-6)

        keys = (x @ p["keys"]).reshape(-1, 2, 4)
        beta = 1 + jax.nn.softplus(x @ p["strengths"])
        similarity = jnp.einsum("brw,bnw->brn", unit(keys), unit(memory)) * beta[..., None]
        return jnp.einsum("brn,bnw->brw", jax.nn.softmax(similarity, axis=2), memory)

    def reference(note, p, memory, x):
        keys = (x @ p["keys"]).reshape(-1, 2, 4)
        beta = 1 + np.log1p(np.exp(x @ p["strengths"]))

        def unit(z):
            return z / np.sqrt((z**2).sum(-1, keepdims=True) + 1e-6)

        s = np.einsum("brw,bnw->brn", unit(keys), unit(memory)) * beta[..., None]
        # Two read heads of one query; the program itself does not tell heads from queries.
        w = ref.softmax(s)
        w = note(w[:, :, None], "cross", also=[w[:, None]])
        return ref.mix(w, np.repeat(memory[:, None], 2, 1))[:, :, 0]

    return Case(fn, (p, draw(2, 6, 4), draw(2, 5)), reference)


@program("Key-value memory network: three hops by fori_loop, each hop adds to the question.")
def memory_hops(draw: Draw) -> Case:
    p = {"a": draw(12, 5), "c": draw(12, 5), "hop": draw.weight(5, 5)}

    def fn(p, stories, question):
        keys, values = p["a"][stories].sum(2), p["c"][stories].sum(2)

        def hop(_, u):
            weights = jax.nn.softmax(jnp.matmul(keys, u[..., None])[..., 0], axis=-1)
            return u @ p["hop"] + (weights[..., None] * values).sum(1)

        return lax.fori_loop(0, 3, hop, p["a"][question].sum(1))

    def reference(note, p, stories, question):
        keys, values = p["a"][stories].sum(2), p["c"][stories].sum(2)
        u = p["a"][question].sum(1)
        for step in range(3):
            w = ref.softmax(np.einsum("bnd,bd->bn", keys, u))
            w = note(w[:, None, None], "cross", step=step, also_kinds=("pooling",))
            u = u @ p["hop"] + ref.mix(w, values[:, None])[:, 0, 0]
        return u

    return Case(fn, (p, draw.integers(12, 2, 5, 3), draw.integers(12, 2, 4)), reference)


@program("Modern Hopfield network: three updates of states by stored patterns, nothing projected.")
def hopfield(draw: Draw) -> Case:
    def fn(patterns, states):
        for _ in range(3):
            states = jax.nn.softmax(0.7 * states @ patterns.T, axis=-1) @ patterns
        return states

    def reference(note, patterns, states):
        for _ in range(3):
            w = ref.softmax(0.7 * states @ patterns.T)
            states = note(w[None, None], "cross", also_kinds=("self", "memory"))[0, 0] @ patterns
        return states

    return Case(fn, (draw(6, 4), draw(3, 4)), reference)


def _paged(draw: Draw, tokens: int) -> Case:
    """Keys and values lie in pages of two, and a table has the pages of each example."""
    table = np.array([[4, 1, 6], [2, 5, 0], [3, 3, 1]], np.int32)
    lengths = np.array([6, 3, 4], np.int32)

    def fn(q, key_pages, value_pages, table, lengths):
        k, v = (pages[table].reshape(3, 6, 2, 4) for pages in (key_pages, value_pages))
        filled = jnp.arange(6) < lengths[:, None, None]
        if tokens == 1:
            s = jnp.einsum("bhd,bshd->bhs", q[:, 0], k) / 2
            w = jax.nn.softmax(jnp.where(filled, s, -jnp.inf))
            return jnp.einsum("bhs,bshd->bhd", w, v)[:, None]
        s = jnp.einsum("bthd,bshd->bhts", q, k) / 2
        w = jax.nn.softmax(jnp.where(filled[:, None], s, -jnp.inf))
        return jnp.einsum("bhts,bshd->bthd", w, v)

    def reference(note, q, key_pages, value_pages, table, lengths):
        k, v = (
            pages[table].reshape(3, 6, 2, 4).swapaxes(1, 2) for pages in (key_pages, value_pages)
        )
        filled = (np.arange(6) < lengths[:, None])[:, None, None]
        return ref.attend(note, q.swapaxes(1, 2), k, v, kind="cross", mask=filled).swapaxes(1, 2)

    args = (draw(3, tokens, 2, 4), draw(7, 2, 2, 4), draw(7, 2, 2, 4), table, lengths)
    return Case(fn, args, reference, unused="places of pages that are not yet filled")


@program("vLLM: one token each looks at pages of a cache, looked up in a table of its own.")
def paged_cache(draw: Draw) -> Case:
    return _paged(draw, 1)


@program("The same with several tokens of each prompt at once.")
def paged_cache_of_several_tokens(draw: Draw) -> Case:
    return _paged(draw, 4)


@program("Key-value memories: one matrix makes features of the question, of keys and of values.")
def one_matrix_for_all(draw: Draw) -> Case:
    def fn(a, question, keys, values):
        w = jax.nn.softmax(jnp.sum((question @ a)[:, None] * (keys @ a), -1))
        return jnp.sum(w[:, :, None] * (values @ a), axis=1)

    def reference(note, a, question, keys, values):
        w = ref.softmax(np.einsum("bf,bsf->bs", question @ a, keys @ a))
        w = note(w[:, None, None], "cross")
        return ref.mix(w, (values @ a)[:, None])[:, 0, 0]

    return Case(fn, (draw.weight(5, 5), draw(3, 5), draw(3, 6, 5), draw(3, 6, 5)), reference)
