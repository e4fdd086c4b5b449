"""Sparse, blocked, compressed and unusually written attention."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.capture.programs import reference as ref
from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)


def _projections(p, x):
    return (ref.project(x, p[n]) for n in "qkv")


@program("Relative keys and values (Shaw): an embedding of each distance is a key and a value too.")
def relative_values(draw: Draw) -> Case:
    p = draw.weights("q k v", 6, 2, 3) | {"rk": draw(5, 3), "rv": draw(5, 3)}
    far = np.clip(np.arange(6)[None] - np.arange(6)[:, None], -2, 2) + 2

    def fn(p, x):
        q, k, v = (jnp.einsum("btm,mhd->bhtd", x, p[n]) for n in "qkv")
        s = q @ k.mT + jnp.einsum("bhqd,qkd->bhqk", q, p["rk"][far])
        w = jax.nn.softmax(s / 3**0.5)
        return w @ v + jnp.einsum("bhqk,qkd->bhqd", w, p["rv"][far])

    def reference(note, p, x):
        q, k, v = _projections(p, x)
        s = ref.logits_of(q, k, 1.0) + np.einsum("bhqd,qkd->bhqk", q, p["rk"][far])
        w = note(ref.softmax(s / 3**0.5))
        return ref.mix(w, v) + np.einsum("bhqk,qkd->bhqd", w, p["rv"][far])

    return Case(fn, (p, draw(2, 6, 6)), reference)


@program("Linformer: keys and values are mixed along their tokens to fewer before attention.")
def mixed_tokens(draw: Draw) -> Case:
    p = draw.weights("q k v", 6, 2, 3) | {"e": draw(7, 3), "f": draw(7, 3)}

    def fn(p, x):
        q, k, v = (jnp.einsum("btm,mhd->bthd", x, p[n]) for n in "qkv")
        k, v = jnp.einsum("bthd,tn->bnhd", k, p["e"]), jnp.einsum("bthd,tn->bnhd", v, p["f"])
        w = jax.nn.softmax(jnp.einsum("bqhd,bnhd->bhqn", q, k) * 3**-0.5)
        return jnp.einsum("bhqn,bnhd->bqhd", w, v)

    def reference(note, p, x):
        q, k, v = _projections(p, x)
        k, v = np.einsum("bhtd,tn->bhnd", k, p["e"]), np.einsum("bhtd,tn->bhnd", v, p["f"])
        return ref.attend(note, q, k, v, also_kinds=("cross",)).swapaxes(1, 2)

    return Case(fn, (p, draw(2, 7, 6)), reference)


@program("Blocks that see themselves and the block before, made by a shift and a concatenation.")
def two_blocks(draw: Draw) -> Case:
    p = draw.weights("q k v", 6, 2, 3)

    def fn(p, x):
        q, k, v = (jnp.einsum("btm,mhd->bthd", x, p[n]).reshape(2, 3, 2, 2, 3) for n in "qkv")

        def widen(y):
            before = jnp.pad(y, ((0, 0), (1, 0), (0, 0), (0, 0), (0, 0)))[:, :-1]
            return jnp.concatenate([before, y], axis=2)

        k, v = widen(k), widen(v)
        s = jnp.einsum("bnqhd,bnkhd->bnhqk", q, k) * 3**-0.5
        mask = jnp.arange(4)[None] <= jnp.arange(2)[:, None] + 2
        mask = mask[None] & ((jnp.arange(3) > 0)[:, None, None] | (jnp.arange(4) >= 2))
        w = jax.nn.softmax(jnp.where(mask[None, :, None], s, -1e30), axis=-1)
        return jnp.einsum("bnhqk,bnkhd->bnqhd", w, v).reshape(2, 6, 6)

    def reference(note, p, x):
        q, k, v = _projections(p, x)
        w = np.zeros((2, 3, 2, 2, 4))
        s = ref.logits_of(q, k)
        for n in range(3):
            for i in range(2):
                keys = range(max(0, 2 * n - 2), 2 * n + i + 1)
                row = ref.softmax(s[:, :, 2 * n + i, list(keys)])
                w[:, n, :, i, [j - 2 * n + 2 for j in keys]] = np.moveaxis(row, -1, 0)
        whole = note(w.reshape(6, 2, 2, 4), also_kinds=("cross",)).reshape(w.shape)
        v = np.pad(v, ((0, 0), (0, 0), (2, 0), (0, 0)))
        parts = [
            np.einsum("bhik,bhkd->bhid", whole[:, n], v[:, :, 2 * n : 2 * n + 4]) for n in range(3)
        ]
        return ref.merge(np.concatenate(parts, axis=2))

    return Case(fn, (p, draw(2, 6, 6)), reference, unused="keys before the first and after a query")


@program("Only the best three keys of each query: top_k, gathered values, softmax over the three.")
def best_keys(draw: Draw) -> Case:
    def fn(q, k, v):
        s = jnp.einsum("bqd,bkd->bqk", q, k)
        best, index = lax.top_k(s, 3)
        w = jax.nn.softmax(best, axis=-1)
        chosen = jax.vmap(lambda v, i: v[i])(v, index)
        return jnp.einsum("bqn,bqnd->bqd", w, chosen)

    def reference(note, q, k, v):
        s = np.einsum("bqd,bkd->bqk", q, k)
        index = np.argsort(-s, axis=-1)[..., :3]
        w = ref.softmax(np.take_along_axis(s, index, -1))
        full = np.zeros_like(s)
        np.put_along_axis(full, index, w, -1)
        w = note(w[:, None], "cross", also_kinds=("self",), also=[full[:, None]])[:, 0]
        return np.einsum("bqn,bqnd->bqd", w, v[np.arange(2)[:, None, None], index])

    return Case(fn, (draw(2, 4, 5), draw(2, 6, 5), draw(2, 6, 3)), reference)


@program("Heads one after the other in a scan that adds each head's projected output.")
def heads_by_scan(draw: Draw) -> Case:
    p = draw.weights("q k v", 6, 3) | draw.weights("o", 3, 6)
    p = {n: np.stack([w, draw.weight(*w.shape)]) for n, w in p.items()}

    def fn(p, x):
        def head(total, w):
            q, k, v = x @ w["q"], x @ w["k"], x @ w["v"]
            a = jax.nn.softmax(q @ k.mT / jnp.sqrt(3.0), axis=-1)
            return total + (a @ v) @ w["o"], None

        return lax.scan(head, jnp.zeros_like(x), p)[0]

    def reference(note, p, x):
        q, k, v = (np.einsum("btm,hmd->bhtd", x, p[n]) for n in "qkv")
        w = ref.softmax(ref.logits_of(q, k))
        w = note(w, also=[w.swapaxes(0, 1)[:, :, None]])
        return np.einsum("bhtd,hdm->btm", ref.mix(w, v), p["o"])

    return Case(fn, (p, draw(2, 5, 6)), reference)


@program("custom_vjp around attention whose backward pass computes the weights again, in training.")
def own_gradient(draw: Draw) -> Case:
    p = draw.weights("q k v", 6, 2, 3)

    def weights(q, k):
        return jax.nn.softmax(jnp.einsum("bqhd,bkhd->bhqk", q, k) * 3**-0.5)

    @jax.custom_vjp
    def attend(q, k, v):
        return jnp.einsum("bhqk,bkhd->bqhd", weights(q, k), v)

    def forward(q, k, v):
        return attend(q, k, v), (q, k, v)

    def backward(saved, g):
        q, k, v = saved
        w = weights(q, k)
        dv = jnp.einsum("bhqk,bqhd->bkhd", w, g)
        dw = jnp.einsum("bqhd,bkhd->bhqk", g, v)
        ds = w * (dw - jnp.sum(dw * w, axis=-1, keepdims=True)) * 3**-0.5
        return jnp.einsum("bhqk,bkhd->bqhd", ds, k), jnp.einsum("bhqk,bqhd->bkhd", ds, q), dv

    attend.defvjp(forward, backward)

    def fn(p, x):
        def loss(p):
            q, k, v = (jnp.einsum("btm,mhd->bthd", x, p[n]) for n in "qkv")
            return (attend(q, k, v) ** 2).mean()

        return jax.value_and_grad(loss)(p)

    def reference(note, p, x):
        q, k, v = _projections(p, x)
        return (ref.attend(note, q, k, v) ** 2).mean()

    return Case(fn, (p, draw(2, 5, 6)), reference, observe=lambda output: output[0])


@program("Python loops over queries and keys: scores stacked, values added one by one.")
def one_by_one(draw: Draw) -> Case:
    p = draw.weights("q k v", 5, 3)

    def fn(p, x):
        queries, keys, values = ([row @ p[n] for row in x] for n in "qkv")
        outputs = []
        for t, q in enumerate(queries):
            s = jnp.stack([jnp.dot(q, k) / 3**0.5 for k in keys[: t + 1]])
            w = jax.nn.softmax(s)
            outputs.append(sum(w[i] * values[i] for i in range(t + 1)))
        return jnp.stack(outputs)

    def reference(note, p, x):
        outputs = []
        for t in range(len(x)):
            w = ref.softmax((x[: t + 1] @ p["k"]) @ (x[t] @ p["q"]) / 3**0.5)
            reason = "a row for each query, or said"
            w = note(w[None, None, None], "cross", also_kinds=("self", "pooling"), optional=reason)
            outputs.append(w[0, 0, 0] @ (x[: t + 1] @ p["v"]))
        return np.stack(outputs)

    return Case(fn, (p, draw(4, 5)), reference)


@program("Soft mixture of experts: softmax over tokens fills slots, softmax over slots gives back.")
def soft_experts(draw: Draw) -> Case:
    p = {"phi": draw(6, 2, 2, scale=0.6), "w": draw(2, 6, 6, scale=0.4)}

    def fn(p, x):
        s = jnp.einsum("btm,mes->btes", x, p["phi"])
        dispatch = jax.nn.softmax(s, axis=1)
        combine = jax.nn.softmax(s.reshape(2, 5, 4), axis=-1).reshape(s.shape)
        slots = jnp.einsum("btm,btes->besm", x, dispatch)
        slots = jax.nn.relu(jnp.einsum("besm,emn->besn", slots, p["w"]))
        return jnp.einsum("besn,btes->btn", slots, combine)

    def reference(note, p, x):
        s = (x @ p["phi"].reshape(6, 4)).swapaxes(1, 2)
        kinds = ("cross", "router", "self", "pooling")
        dispatch = ref.softmax(s)
        forms = [dispatch[:, None], dispatch.reshape(2, 2, 2, 5).swapaxes(1, 2)]
        dispatch = note(dispatch.reshape(2, 2, 2, 5), "pooling", also=forms, also_kinds=kinds)
        slots = dispatch.reshape(2, 4, 5) @ x
        slots = ref.relu(np.einsum("besm,emn->besn", slots.reshape(2, 2, 2, 6), p["w"]))
        combine = note(ref.softmax(s, axis=1).swapaxes(1, 2)[:, None], "cross", also_kinds=kinds)
        return combine[:, 0] @ slots.reshape(2, 4, 6)

    return Case(fn, (p, draw(2, 5, 6)), reference)


@program("Keys of two kinds are concatenated: learned memory and prefix before the tokens.")
def learned_prefix(draw: Draw) -> Case:
    p = draw.weights("q k v", 6, 2, 3) | {"pk": draw(3, 2, 3), "pv": draw(3, 2, 3)}

    def fn(p, x):
        q, k, v = (jnp.einsum("btm,mhd->bthd", x, p[n]) for n in "qkv")

        def grow(y):
            return jnp.broadcast_to(y, (2, *y.shape))

        k, v = jnp.concatenate([grow(p["pk"]), k], 1), jnp.concatenate([grow(p["pv"]), v], 1)
        s = jnp.einsum("bqhd,bkhd->bhqk", q, k) * 3**-0.5
        mask = jnp.concatenate([jnp.ones((5, 3), bool), jnp.tril(jnp.ones((5, 5), bool))], axis=1)
        w = jax.nn.softmax(s, axis=-1, where=mask)
        return jnp.einsum("bhqk,bkhd->bqhd", w, v)

    def reference(note, p, x):
        q, k, v = _projections(p, x)

        def grow(y):
            return np.repeat(y.swapaxes(0, 1)[None], 2, 0)

        k, v = np.concatenate([grow(p["pk"]), k], 2), np.concatenate([grow(p["pv"]), v], 2)
        mask = np.concatenate([np.ones((5, 3), bool), ref.causal(5)], axis=1)
        return ref.attend(note, q, k, v, mask=mask, also_kinds=("cross",)).swapaxes(1, 2)

    return Case(fn, (p, draw(2, 5, 6)), reference)


@program("Two softmaxes of a sum of a content map and a position map, mixed by a learned share.")
def gated_positions(draw: Draw) -> Case:
    p = draw.weights("q k v", 6, 2, 3) | {"pos": draw(5, 5, 2), "gate": draw(2)}

    def fn(p, x):
        q, k, v = (jnp.einsum("btm,mhd->bhtd", x, p[n]) for n in "qkv")
        content = jax.nn.softmax(q @ k.mT * 3**-0.5, axis=-1)
        position = jax.nn.softmax(p["pos"].transpose(2, 0, 1), axis=-1)
        share = jax.nn.sigmoid(p["gate"]).reshape(1, -1, 1, 1)
        w = (1.0 - share) * content + share * position
        w = w / w.sum(axis=-1, keepdims=True)
        return (w @ v).swapaxes(1, 2).reshape(2, 5, 6)

    def reference(note, p, x):
        q, k, v = _projections(p, x)
        content = ref.softmax(ref.logits_of(q, k))
        share = ref.sigmoid(p["gate"]).reshape(1, -1, 1, 1)
        w = (1 - share) * content + share * ref.softmax(p["pos"].transpose(2, 0, 1))
        return ref.merge(ref.mix(note(w), v))

    return Case(fn, (p, draw(2, 5, 6)), reference)


@program("A single query and a single example, vectors only: jnp.dot, jnp.inner, vdot-like sums.")
def vectors_only(draw: Draw) -> Case:
    p = draw.weights("q k v", 5, 3)

    def fn(p, state, memory):
        s = jnp.inner(jnp.dot(memory, p["k"]), jnp.dot(state, p["q"]))
        e = jnp.exp(s - jnp.max(s))
        return jnp.dot(e / jnp.sum(e), jnp.dot(memory, p["v"]))

    def reference(note, p, state, memory):
        w = ref.softmax((memory @ p["k"]) @ (state @ p["q"]))
        w = note(w[None, None, None], "cross", also_kinds=("pooling",))[0, 0, 0]
        return w @ (memory @ p["v"])

    return Case(fn, (p, draw(5), draw(7, 5)), reference)


@program("Tokens by ids, all parameters closed over, as `lambda ids: model(ids)`.")
def closed_over(draw: Draw) -> Case:
    p = {"embed": draw(9, 6), "positions": draw(5, 6)} | draw.weights("q k v", 6, 2, 3)
    own = jax.tree.map(jnp.asarray, p)

    def fn(ids):
        x = own["embed"][ids] + own["positions"]
        q, k, v = (jnp.einsum("btm,mhd->bthd", x, own[n]) for n in "qkv")
        w = jax.nn.softmax(jnp.einsum("bqhd,bkhd->bhqk", q, k) * 3**-0.5)
        return jnp.einsum("bhqk,bkhd->bqhd", w, v)

    def reference(note, ids):
        wide = {n: a.astype(np.float64) for n, a in p.items()}
        q, k, v = _projections(wide, wide["embed"][ids] + wide["positions"])
        return ref.attend(note, q, k, v).swapaxes(1, 2)

    return Case(fn, (draw.integers(9, 2, 5),), reference)


@program("Dropout on with a random key that is closed over.")
def closed_over_key(draw: Draw) -> Case:
    p = draw.weights("q k v", 6, 2, 3)
    key = jax.random.key(5)

    def fn(p, x):
        q, k, v = (jnp.einsum("btm,mhd->bthd", x, p[n]) for n in "qkv")
        w = jax.nn.softmax(jnp.einsum("bqhd,bkhd->bhqk", q, k) * 3**-0.5)
        kept = jax.random.bernoulli(key, 0.75, w.shape)
        return jnp.einsum("bhqk,bkhd->bqhd", jnp.where(kept, w / 0.75, 0.0), v)

    def reference(note, p, x):
        q, k, v = _projections(p, x)
        before = ref.softmax(ref.logits_of(q, k))
        kept = np.asarray(jax.random.bernoulli(key, 0.75, before.shape))
        return ref.mix(note(before * kept / 0.75, also=[before]), v).swapaxes(1, 2)

    return Case(fn, (p, draw(2, 5, 6)), reference, unused="what dropout took")


@program("Heads split before one small projection that they share, in a layer without biases.")
def shared_by_heads(draw: Draw) -> Case:
    p = draw.weights("q k v", 3, 3) | draw.weights("embed o", 6, 6)
    own = jax.tree.map(jnp.asarray, p)

    def fn(x):
        q, k, v = (x.reshape(2, 5, 2, 3) @ own[n] for n in "qkv")
        energy = jnp.einsum("nqhd,nkhd->nhqk", q, k)
        w = jax.nn.softmax(energy / 6**0.5, axis=3)
        return jnp.einsum("nhqk,nkhd->nqhd", w, v).reshape(2, 5, 6) @ own["o"]

    def reference(note, x):
        q, k, v = (ref.split(x, 2) @ p[n].astype(np.float64) for n in "qkv")
        return ref.merge(ref.attend(note, q, k, v, scale=6**-0.5)) @ p["o"].astype(np.float64)

    return Case(fn, (draw(2, 5, 6),), reference)
