"""Additive attention and recurrent decoders: Bahdanau and what followed."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.capture.programs import reference as ref
from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)


def _scores(p, query, memory):
    """`[batch query key]` in NumPy, of `[batch query feature]` and `[batch key feature]`."""
    return np.tanh((query @ p["w"])[:, :, None] + (memory @ p["u"])[:, None]) @ p["v"]


def _parameters(draw, states=5, memory=6, hidden=4):
    return {"w": draw.weight(states, hidden), "u": draw.weight(memory, hidden), "v": draw(hidden)}


@program("All queries at once; the score is a dot product with a vector.")
def parallel(draw: Draw) -> Case:
    def fn(p, states, memory):
        hidden = jnp.tanh((states @ p["w"])[:, :, None] + (memory @ p["u"])[:, None])
        weights = jax.nn.softmax(jnp.einsum("bqkh,h->bqk", hidden, p["v"]))
        return jnp.einsum("bqk,bkd->bqd", weights, memory)

    def reference(note, p, states, memory):
        w = note(ref.softmax(_scores(p, states, memory))[:, None], "cross")
        return ref.mix(w, memory[:, None])[:, 0]

    return Case(fn, (_parameters(draw), draw(2, 3, 5), draw(2, 7, 6)), reference)


@program("One query; the score keeps its last axis of length one, weights multiply and are summed.")
def single_query_keepdims(draw: Draw) -> Case:
    def fn(p, state, memory):
        hidden = jnp.tanh(jnp.expand_dims(state @ p["w"], 1) + memory @ p["u"])
        weights = jax.nn.softmax(hidden @ p["v"][:, None], axis=1)
        return jnp.sum(weights * memory, axis=1)

    def reference(note, p, state, memory):
        w = note(
            ref.softmax(_scores(p, state[:, None], memory))[:, None],
            "cross",
            also_kinds=("pooling",),
        )
        return ref.mix(w, memory[:, None])[:, 0, 0]

    return Case(fn, (_parameters(draw), draw(2, 5), draw(2, 7, 6)), reference)


@program("Queries and keys are joined and go through one matrix (Luong's concat), with a mask.")
def joined_pairs(draw: Draw) -> Case:
    states, memory, lengths = draw(2, 3, 5), draw(2, 7, 6), np.array([4, 7], np.int32)
    w, v = draw.weight(11, 4), draw(4)

    def fn(w, v, states, memory, lengths):
        b, q, k = 2, 3, 7
        left = jnp.broadcast_to(states[:, :, None], (b, q, k, 5))
        right = jnp.broadcast_to(memory[:, None], (b, q, k, 6))
        s = jnp.tanh(jnp.concatenate([left, right], -1) @ w) @ v
        s = jnp.where(jnp.arange(k) < lengths[:, None, None], s, -jnp.inf)
        return jax.nn.softmax(s) @ memory

    def reference(note, w, v, states, memory, lengths):
        s = _scores({"w": w[:5], "u": w[5:], "v": v}, states, memory)
        s = np.where(np.arange(7) < lengths[:, None, None], s, -np.inf)
        return ref.mix(note(ref.softmax(s)[:, None], "cross"), memory[:, None])[:, 0]

    return Case(fn, (w, v, states, memory, lengths), reference)


@program("A scan decoder with a simple recurrent cell; the context enters the next state.")
def scan_decoder(draw: Draw) -> Case:
    p = _parameters(draw) | {"x": draw.weight(4, 5), "h": draw.weight(5, 5), "c": draw.weight(6, 5)}

    def fn(p, inputs, memory):
        keys = memory @ p["u"]

        def step(h, x):
            e = jnp.tanh((h @ p["w"])[:, None] + keys) @ p["v"]
            alpha = jax.nn.softmax(e, axis=-1)
            context = (alpha[..., None] * memory).sum(1)
            h = jnp.tanh(x @ p["x"] + h @ p["h"] + context @ p["c"])
            return h, h

        return lax.scan(step, jnp.zeros((2, 5)), inputs)[1]

    def reference(note, p, inputs, memory):
        h, out = np.zeros((2, 5)), []
        for step, x in enumerate(inputs):
            w = note(ref.softmax(_scores(p, h[:, None], memory))[:, None], "cross", step=step)
            context = ref.mix(w, memory[:, None])[:, 0, 0]
            h = np.tanh(x @ p["x"] + h @ p["h"] + context @ p["c"])
            out.append(h)
        return np.stack(out)

    return Case(fn, (p, draw(4, 2, 4), draw(2, 7, 6)), reference)


@program("A scan decoder mapped over examples: LSTM cell, multiplicative score, keepdims.")
def scan_decoder_mapped(draw: Draw) -> Case:
    p = {"x": draw.weight(4, 20), "h": draw.weight(5, 20), "c": draw.weight(6, 20)}
    p |= {"score": draw.weight(5, 6)}

    def fn(p, inputs, memory):
        def single(inputs, memory):
            def step(state, x):
                h, c = state
                s = memory @ (h @ p["score"])[:, None]
                weights = jax.nn.softmax(s, axis=0)
                context = (weights.T @ memory)[0]
                i, f, g, o = jnp.split(x @ p["x"] + h @ p["h"] + context @ p["c"], 4)
                c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
                h = jax.nn.sigmoid(o) * jnp.tanh(c)
                return (h, c), jnp.concatenate([h, context])

            return lax.scan(step, (jnp.ones(5), jnp.zeros(5)), inputs)[1]

        return jax.vmap(single)(inputs, memory)

    def reference(note, p, inputs, memory):
        h, c, out = np.ones((2, 5)), np.zeros((2, 5)), []
        for step in range(4):
            q = (h @ p["score"])[:, None, None]
            kv = memory[:, None]
            context = ref.attend(note, q, kv, kv, kind="cross", scale=1.0, step=step)[:, 0, 0]
            z = inputs[:, step] @ p["x"] + h @ p["h"] + context @ p["c"]
            i, f, g, o = np.split(z, 4, axis=-1)
            c = ref.sigmoid(f) * c + ref.sigmoid(i) * np.tanh(g)
            h = ref.sigmoid(o) * np.tanh(c)
            out.append(np.concatenate([h, context], -1))
        return np.stack(out, 1)

    return Case(fn, (p, draw(2, 4, 4), draw(2, 7, 6)), reference)


@program("A Python loop over steps: each step is an attention of its own.")
def python_loop_decoder(draw: Draw) -> Case:
    p = _parameters(draw) | {"h": draw.weight(5, 5), "c": draw.weight(6, 5)}

    def fn(p, h, memory):
        for _ in range(3):
            e = jnp.tanh(jnp.einsum("bd,dh->bh", h, p["w"])[:, None, :] + memory @ p["u"])
            a = jax.nn.softmax(jnp.squeeze(e @ p["v"][:, None], -1))
            h = jnp.tanh(h @ p["h"] + jnp.einsum("bk,bkd->bd", a, memory) @ p["c"])
        return h

    def reference(note, p, h, memory):
        for _ in range(3):
            w = note(ref.softmax(_scores(p, h[:, None], memory))[:, None], "cross", family="steps")
            h = np.tanh(h @ p["h"] + ref.mix(w, memory[:, None])[:, 0, 0] @ p["c"])
        return h

    return Case(fn, (p, draw(2, 5), draw(2, 7, 6)), reference)


@program("Location-aware: the weights of the step before go through a convolution into the score.")
def location_aware(draw: Draw) -> Case:
    p = _parameters(draw) | {"kernel": draw(3, 4), "c": draw.weight(6, 5)}

    def fn(p, inputs, memory):
        def step(state, x):
            h, before = state
            padded = jnp.pad(before, ((0, 0), (1, 1)))
            windows = jnp.stack([padded[:, i : i + 7] for i in range(3)], -1)
            e = jnp.tanh((h @ p["w"])[:, None] + memory @ p["u"] + windows @ p["kernel"]) @ p["v"]
            alpha = jax.nn.softmax(e)
            h = jnp.tanh(x + jnp.einsum("bk,bkd->bd", alpha, memory) @ p["c"])
            return (h, alpha), h

        start = jnp.zeros((2, 5)), jnp.ones((2, 7)) / 7
        return lax.scan(step, start, inputs)[1]

    def reference(note, p, inputs, memory):
        h, before, out = np.zeros((2, 5)), np.ones((2, 7)) / 7, []
        for step, x in enumerate(inputs):
            padded = np.pad(before, ((0, 0), (1, 1)))
            windows = np.stack([padded[:, i : i + 7] for i in range(3)], -1)
            e = np.tanh((h @ p["w"])[:, None] + memory @ p["u"] + windows @ p["kernel"]) @ p["v"]
            before = note(ref.softmax(e)[:, None, None], "cross", step=step)[:, 0, 0]
            h = np.tanh(x + np.einsum("bk,bkd->bd", before, memory) @ p["c"])
            out.append(h)
        return np.stack(out)

    return Case(fn, (p, draw(4, 2, 5), draw(2, 7, 6)), reference)


@program("Coverage: the sum of all weights so far is part of the score and of the loss.")
def coverage(draw: Draw) -> Case:
    p = _parameters(draw) | {"cover": draw(4), "c": draw.weight(6, 5)}

    def fn(p, inputs, memory):
        def step(state, x):
            h, covered = state
            hidden = (h @ p["w"])[:, None] + memory @ p["u"] + covered[..., None] * p["cover"]
            a = jax.nn.softmax(jnp.tanh(hidden) @ p["v"])
            penalty = jnp.minimum(a, covered).sum(-1)
            h = jnp.tanh(x + jnp.einsum("bk,bkd->bd", a, memory) @ p["c"])
            return (h, covered + a), penalty

        (h, _), penalties = lax.scan(step, (jnp.zeros((2, 5)), jnp.zeros((2, 7))), inputs)
        return h, penalties

    def reference(note, p, inputs, memory):
        h, covered, penalties = np.zeros((2, 5)), np.zeros((2, 7)), []
        for step, x in enumerate(inputs):
            hidden = (h @ p["w"])[:, None] + memory @ p["u"] + covered[..., None] * p["cover"]
            a = ref.softmax(np.tanh(hidden) @ p["v"])
            a = note(a[:, None, None], "cross", step=step)[:, 0, 0]
            penalties.append(np.minimum(a, covered).sum(-1))
            covered = covered + a
            h = np.tanh(x + np.einsum("bk,bkd->bd", a, memory) @ p["c"])
        return h, np.stack(penalties)

    return Case(fn, (p, draw(4, 2, 5), draw(2, 7, 6)), reference)


@program("Show, attend and tell: positions of an image, a gate on the context.")
def image_captions(draw: Draw) -> Case:
    p = _parameters(draw) | {
        "beta": draw.weight(5, 1),
        "h": draw.weight(5, 5),
        "c": draw.weight(6, 5),
    }

    def fn(p, h, image):
        annotations = image.reshape(2, -1, 6)

        def step(h, _):
            e = jnp.tanh((h @ p["w"])[:, None] + annotations @ p["u"]) @ p["v"]
            alpha = jax.nn.softmax(e)
            z = jax.nn.sigmoid(h @ p["beta"]) * (annotations * alpha[:, :, None]).sum(1)
            h = jnp.tanh(h @ p["h"] + z @ p["c"])
            return h, h

        return lax.scan(step, h, length=3)[1]

    def reference(note, p, h, image):
        memory, out = image.reshape(2, -1, 6), []
        for step in range(3):
            w = note(ref.softmax(_scores(p, h[:, None], memory))[:, None], "cross", step=step)
            z = ref.sigmoid(h @ p["beta"]) * ref.mix(w, memory[:, None])[:, 0, 0]
            h = np.tanh(h @ p["h"] + z @ p["c"])
            out.append(h)
        return np.stack(out)

    return Case(fn, (p, draw(2, 5), draw(2, 3, 4, 6)), reference)


@program("Pointer-generator: the weights are also scattered into the distribution over words.")
def pointer_generator(draw: Draw) -> Case:
    p = _parameters(draw) | {"out": draw.weight(11, 9), "gate": draw.weight(11, 1)}

    def fn(p, states, memory, words):
        hidden = jnp.tanh((states @ p["w"])[:, :, None] + (memory @ p["u"])[:, None])
        a = jax.nn.softmax(hidden @ p["v"])
        joint = jnp.concatenate([states, a @ memory], -1)
        generate = jax.nn.sigmoid(joint @ p["gate"])
        copied = jnp.einsum("bqk,bkw->bqw", a, jax.nn.one_hot(words, 9))
        return generate * jax.nn.softmax(joint @ p["out"]) + (1 - generate) * copied

    def reference(note, p, states, memory, words):
        a = note(ref.softmax(_scores(p, states, memory))[:, None], "cross")
        joint = np.concatenate([states, ref.mix(a, memory[:, None])[:, 0]], -1)
        generate = ref.sigmoid(joint @ p["gate"])
        copied = a[:, 0] @ np.eye(9)[words]
        return generate * ref.softmax(joint @ p["out"]) + (1 - generate) * copied

    return Case(fn, (p, draw(2, 3, 5), draw(2, 7, 6), draw.integers(9, 2, 7)), reference)


@program("Pointer network: a soft pointer in a scan chooses the next input among the inputs.")
def pointer_network(draw: Draw) -> Case:
    p = _parameters(draw, 6) | {"h": draw.weight(6, 6), "x": draw.weight(6, 6)}

    def fn(p, x):
        def step(state, _):
            h, last = state
            h = jnp.tanh(h @ p["h"] + last @ p["x"])
            u = jnp.tanh((h @ p["w"])[:, None] + x @ p["u"]) @ p["v"]
            pointer = jax.nn.softmax(u)
            return (h, jnp.einsum("bk,bkd->bd", pointer, x)), jax.nn.log_softmax(u)

        start = jnp.zeros((2, 6)), x.mean(1)
        return lax.scan(step, start, None, length=4)

    def reference(note, p, x):
        h, last, out = np.zeros((2, 6)), x.mean(1), []
        for step in range(4):
            h = np.tanh(h @ p["h"] + last @ p["x"])
            a = ref.softmax(_scores(p, h[:, None], x))
            out.append(np.log(a[:, 0]))
            last = ref.mix(note(a[:, None], "cross", step=step), x[:, None])[:, 0, 0]
        return (h, last), np.stack(out)

    return Case(fn, (p, draw(2, 7, 6)), reference)


@program("A glimpse before the pointer: the glimpse contracts, the pointer is the output itself.")
def glimpse_and_pointer(draw: Draw) -> Case:
    p = draw.weights("q k v", 6, 2, 3) | {"o": draw(2, 3, 6, scale=0.4), "point": draw.weight(6, 6)}

    def fn(p, query, nodes, visited):
        q = jnp.einsum("bm,mhd->bhd", query, p["q"])
        k, v = (jnp.einsum("bnm,mhd->bhnd", nodes, p[n]) for n in "kv")
        s = jnp.einsum("bhd,bhnd->bhn", q, k) * 3**-0.5
        s = jnp.where(visited[:, None], -jnp.inf, s)
        glimpse = jnp.einsum("bhn,bhnd,hdm->bm", jax.nn.softmax(s), v, p["o"])
        u = 10 * jnp.tanh(jnp.einsum("bm,bnm->bn", glimpse, nodes @ p["point"]) * 6**-0.5)
        return jax.nn.softmax(jnp.where(visited, -jnp.inf, u))

    def reference(note, p, query, nodes, visited):
        q, k, v = ref.project(query[:, None], p["q"]), *(ref.project(nodes, p[n]) for n in "kv")
        mask = ~visited[:, None, None]
        glimpse = ref.unproject(ref.attend(note, q, k, v, kind="cross", mask=mask), p["o"])
        u = 10 * np.tanh(glimpse @ (nodes @ p["point"]).transpose(0, 2, 1) * 6**-0.5)[:, 0]
        pointer = ref.softmax(np.where(visited, -np.inf, u))
        reason = "the pointer is the output; nothing is contracted with it"
        return note(pointer[:, None, None], "cross", optional=reason)[:, 0, 0]

    visited = np.array([[1, 0, 0, 1, 0], [0, 0, 1, 0, 0]], bool)
    return Case(fn, (p, draw(2, 6), draw(2, 5, 6), visited), reference)
