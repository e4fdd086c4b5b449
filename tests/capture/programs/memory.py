"""Attention to memories: learned tokens, retrieved entries, latents, hops."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.capture.programs import reference as ref
from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)


@program("Perceiver: learned latents query a long input, then each other.")
def learned_latents(draw: Draw) -> Case:
    p = {"latents": draw(3, 6), "cross": draw.weights("q k v", 6, 2, 3)}
    p["own"] = draw.weights("q k v", 6, 2, 3)

    def fn(p, x):
        def attend(x, y, p):
            q = jnp.einsum("btm,mhd->bthd", x, p["q"])
            k, v = (jnp.einsum("bsm,mhd->bshd", y, p[n]) for n in "kv")
            a = jax.nn.softmax(jnp.einsum("bthd,bshd->bhts", q, k) / jnp.sqrt(3.0))
            return x + jnp.einsum("bhts,bshd->bthd", a, v).reshape(x.shape)

        latents = jnp.broadcast_to(p["latents"], (x.shape[0], 3, 6))
        latents = attend(latents, x, p["cross"])
        return attend(latents, latents, p["own"])

    def reference(note, p, x):
        z = np.repeat(p["latents"][None], 2, 0)
        w = p["cross"]
        q, k, v = ref.project(z, w["q"]), *(ref.project(x, w[n]) for n in "kv")
        z = z + ref.merge(ref.attend(note, q, k, v, kind="cross", also_kinds=("pooling",)))
        return z + ref.merge(ref.attend(note, *(ref.project(z, p["own"][n]) for n in "qkv")))

    return Case(fn, (p, draw(2, 8, 6)), reference)


@program("Perceiver IO: output queries read the latents; queries have no batch axis at all.")
def output_queries(draw: Draw) -> Case:
    p = draw.weights("k v", 6, 4) | {"queries": draw(5, 4)}

    def fn(p, latents):
        k, v = latents @ p["k"], latents @ p["v"]
        a = jax.nn.softmax(jnp.einsum("qd,bnd->bqn", p["queries"], k) * 0.5, axis=-1)
        return jnp.einsum("bqn,bnd->bqd", a, v)

    def reference(note, p, latents):
        k, v = ((latents @ p[n])[:, None] for n in "kv")
        q = np.repeat(p["queries"][None, None], 2, 0)
        return ref.attend(note, q, k, v, kind="cross", also_kinds=("pooling",))[:, 0]

    return Case(fn, (p, draw(2, 3, 6)), reference)


@program("Learned keys and values are joined to those of the tokens (persistent memory).")
def persistent_memory(draw: Draw) -> Case:
    p = draw.weights("q k v", 6, 2, 3) | {"mk": draw(2, 2, 3), "mv": draw(2, 2, 3)}

    def fn(p, x):
        q, k, v = (jnp.einsum("btm,mhd->bhtd", x, p[n]) for n in "qkv")
        k, v = (
            jnp.concatenate([jnp.broadcast_to(m, (2, 2, 2, 3)), y], 2)
            for m, y in ((p["mk"], k), (p["mv"], v))
        )
        return jax.nn.softmax(q @ k.mT * 3**-0.5) @ v

    def reference(note, p, x):
        q, k, v = (ref.project(x, p[n]) for n in "qkv")
        k, v = (
            np.concatenate([np.repeat(m[None], 2, 0), y], 2)
            for m, y in ((p["mk"], k), (p["mv"], v))
        )
        return ref.attend(note, q, k, v, also_kinds=("cross",))

    return Case(fn, (p, draw(2, 5, 6)), reference)


@program("External attention: keys and values are parameters, tokens are the queries.")
def learned_keys_and_values(draw: Draw) -> Case:
    def fn(x, w, keys, values):
        a = jax.nn.softmax((x @ w) @ keys.T / 2, axis=-1)
        return x + a @ values

    def reference(note, x, w, keys, values):
        a = ref.softmax((x @ w) @ keys.T / 2)
        return x + note(a[:, None], "memory")[:, 0] @ values

    return Case(fn, (draw(2, 5, 6), draw.weight(6, 4), draw(7, 4), draw(7, 6)), reference)


@program("External attention normalized twice: softmax over tokens, then over memory entries.")
def doubly_normalized_memory(draw: Draw) -> Case:
    def fn(x, keys, values):
        a = jax.nn.softmax(x @ keys.T, axis=1)
        a = a / (1e-9 + a.sum(2, keepdims=True))
        return a @ values

    def reference(note, x, keys, values):
        first = ref.softmax(x @ keys.T, axis=1)
        a = note((first / first.sum(2, keepdims=True))[:, None], "memory", also=[first[:, None]])
        return a[:, 0] @ values

    return Case(fn, (draw(2, 5, 6), draw(7, 6), draw(7, 6)), reference)


@program("Memory network: three hops over the same sentences, the question is the state.")
def memory_hops(draw: Draw) -> Case:
    def fn(p, question, story):
        u = question @ p["b"]
        m, c = story @ p["a"], story @ p["c"]
        for _ in range(3):
            weights = jax.nn.softmax(jnp.einsum("bd,bnd->bn", u, m))
            u = u + jnp.einsum("bn,bnd->bd", weights, c)
        return jax.nn.softmax(u @ p["w"])

    def reference(note, p, question, story):
        u = question @ p["b"]
        m, c = ((story @ p[n])[:, None] for n in "ac")
        for _ in range(3):
            labels = {"scale": 1.0, "family": "hops", "also_kinds": ("pooling",)}
            u = u + ref.attend(note, u[:, None, None], m, c, kind="cross", **labels)[:, 0, 0]
        return ref.softmax(u @ p["w"])

    p = draw.weights("a b c", 6, 4) | {"w": draw.weight(4, 9)}
    return Case(fn, (p, draw(2, 6), draw(2, 5, 6)), reference)


@program(
    "Memory network with bags of words: embeddings are summed, hops in a scan with own tables."
)
def memory_hops_in_scan(draw: Draw) -> Case:
    def fn(tables, question, story):
        u = tables[0][question].sum(1)

        def hop(u, pair):
            a, c = pair
            p = jax.nn.softmax((a[story].sum(2) * u[:, None]).sum(-1), axis=-1)
            return u + (p[:, :, None] * c[story].sum(2)).sum(1), None

        return lax.scan(hop, u, (tables[:-1], tables[1:]))[0]

    def reference(note, tables, question, story):
        u = tables[0][question].sum(1)
        for layer in range(2):
            m, c = (tables[layer + i][story].sum(2)[:, None] for i in (0, 1))
            labels = {"scale": 1.0, "also_kinds": ("pooling",), "layer": layer}
            u = u + ref.attend(note, u[:, None, None], m, c, kind="cross", **labels)[:, 0, 0]
        return u

    args = draw(3, 12, 4, scale=0.6), draw.integers(12, 2, 3), draw.integers(12, 2, 5, 4)
    return Case(fn, args, reference)


@program("Retrieval: the nearest entries by top-k, softmax over their scores, values gathered.")
def retrieval_top_k(draw: Draw) -> Case:
    def fn(x, w, keys, values):
        scores, index = lax.top_k((x @ w) @ keys.T, 3)
        return jnp.einsum("bk,bkd->bd", jax.nn.softmax(scores), values[index])

    def reference(note, x, w, keys, values):
        s = (x @ w) @ keys.T
        index = np.argsort(-s, -1)[:, :3]
        a = ref.softmax(np.take_along_axis(s, index, -1))
        dense = np.zeros_like(s)
        np.put_along_axis(dense, index, a, -1)
        a = note(a[:, None, None], "cross", also=[dense[:, None, None]], also_kinds=("memory",))
        return np.einsum("bk,bkd->bd", a[:, 0, 0], values[index])

    return Case(fn, (draw(2, 6), draw.weight(6, 4), draw(9, 4), draw(9, 5)), reference)


@program("Retrieval over all entries with cosine and temperature; no batch axis.")
def retrieval_dense(draw: Draw) -> Case:
    def fn(queries, keys, values):
        unit = [y * lax.rsqrt((y**2).sum(-1, keepdims=True)) for y in (queries, keys)]
        return jax.nn.softmax(5.0 * unit[0] @ unit[1].T) @ values

    def reference(note, queries, keys, values):
        q, k = (y / np.sqrt((y**2).sum(-1, keepdims=True)) for y in (queries, keys))
        return ref.attend(
            note, q[None, None], k[None, None], values[None, None], kind="cross", scale=5.0
        )[0, 0]

    return Case(fn, (draw(3, 6), draw(8, 6), draw(8, 4)), reference)


@program("Matching network: similarities to a support set mix its one-hot labels.")
def matching_network(draw: Draw) -> Case:
    def fn(p, support, labels, queries):
        s, q = jnp.tanh(support @ p), jnp.tanh(queries @ p)
        s = s / jnp.linalg.norm(s, axis=-1, keepdims=True)
        a = jax.nn.softmax(q @ s.T, axis=-1)
        return a @ jax.nn.one_hot(labels, 3)

    def reference(note, p, support, labels, queries):
        s, q = np.tanh(support @ p), np.tanh(queries @ p)
        s = s / np.sqrt((s**2).sum(-1, keepdims=True))
        a = note(ref.softmax(q @ s.T)[None, None], "cross")[0, 0]
        return a @ np.eye(3)[labels]

    args = draw.weight(6, 5), draw(6, 6), np.array([0, 0, 1, 1, 2, 2], np.int32), draw(4, 6)
    return Case(fn, args, reference)


@program("Modern Hopfield network: three updates of a state by stored patterns.")
def hopfield_updates(draw: Draw) -> Case:
    def fn(state, patterns):
        def update(_, state):
            return jax.nn.softmax(0.7 * state @ patterns.T, axis=-1) @ patterns

        return lax.fori_loop(0, 3, update, state)

    def reference(note, state, patterns):
        for step in range(3):
            a = ref.softmax(0.7 * state @ patterns.T)[None, None]
            state = note(a, "cross", also_kinds=("memory",), step=step)[0, 0] @ patterns
        return state

    return Case(fn, (draw(4, 6), draw(7, 6)), reference)


@program("Hopfield's update as the gradient of its energy, a logsumexp.")
def hopfield_by_gradient(draw: Draw) -> Case:
    def fn(state, patterns):
        def energy(state):
            return jax.nn.logsumexp(patterns @ state) - 0.5 * state @ state

        return state + jax.vmap(jax.grad(energy))(state)

    def reference(note, state, patterns):
        a = note(ref.softmax(state @ patterns.T)[None, None], "cross")[0, 0]
        return a @ patterns

    return Case(fn, (draw(4, 6), draw(7, 6)), reference)


@program("Prefix tuning: a learned prefix of keys and values, never masked, before causal ones.")
def prefix_tuning(draw: Draw) -> Case:
    p = draw.weights("q k v", 6, 2, 3) | {"prefix": draw(2, 3, 2, 3)}

    def fn(p, x):
        q, k, v = (jnp.einsum("btm,mhd->bthd", x, p[n]) for n in "qkv")
        prefix = jnp.repeat(p["prefix"][:, None], 2, axis=1)
        k, v = jnp.concatenate([prefix[0], k], 1), jnp.concatenate([prefix[1], v], 1)
        mask = jnp.concatenate([jnp.ones((5, 3), bool), jnp.tri(5, dtype=bool)], 1)
        return jax.nn.dot_product_attention(q, k, v, mask=mask[None, None])

    def reference(note, p, x):
        q, k, v = (ref.project(x, p[n]) for n in "qkv")
        prefix = np.repeat(p["prefix"].transpose(0, 2, 1, 3)[:, None], 2, 1)
        k, v = np.concatenate([prefix[0], k], 2), np.concatenate([prefix[1], v], 2)
        mask = np.concatenate([np.ones((5, 3), bool), ref.causal(5)], 1)
        out = ref.attend(note, q, k, v, mask=mask, also_kinds=("cross",))
        return out.transpose(0, 2, 1, 3)

    return Case(fn, (p, draw(2, 5, 6)), reference)


@program("Encoder and decoder: self-attention, causal self-attention and attention to the encoder.")
def encoder_decoder(draw: Draw) -> Case:
    p = {part: draw.weights("q k v", 6, 2, 3) for part in ("encoder", "decoder", "cross")}

    def fn(p, source, target):
        def attend(x, y, p, mask=None):
            q = jnp.einsum("btm,mhd->bthd", x, p["q"])
            k, v = (jnp.einsum("bsm,mhd->bshd", y, p[n]) for n in "kv")
            s = jnp.einsum("bthd,bshd->bhts", q, k) * 3**-0.5
            s = s if mask is None else jnp.where(mask, s, -1e9)
            return x + jnp.einsum("bhts,bshd->bthd", jax.nn.softmax(s), v).reshape(x.shape)

        memory = attend(source, source, p["encoder"])
        x = attend(target, target, p["decoder"], jnp.tri(4, dtype=bool))
        return attend(x, memory, p["cross"])

    def reference(note, p, source, target):
        def attend(x, y, p, **labels):
            q, k, v = ref.project(x, p["q"]), *(ref.project(y, p[n]) for n in "kv")
            return x + ref.merge(ref.attend(note, q, k, v, **labels))

        memory = attend(source, source, p["encoder"])
        x = attend(target, target, p["decoder"], mask=ref.causal(4))
        return attend(x, memory, p["cross"], kind="cross")

    return Case(fn, (p, draw(2, 7, 6), draw(2, 4, 6)), reference)


@program("Keys and values of the encoder come in as arguments, already projected.")
def keys_and_values_given(draw: Draw) -> Case:
    def fn(wq, x, k, v, padding):
        q = jnp.einsum("btm,mhd->bthd", x, wq)
        s = jnp.einsum("bqhd,bkhd->bhqk", q, k) / jnp.sqrt(3.0)
        s = s + jnp.where(padding, -1e9, 0.0)[:, None, None]
        return jnp.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(s), v)

    def reference(note, wq, x, k, v, padding):
        k, v = k.transpose(0, 2, 1, 3), v.transpose(0, 2, 1, 3)
        mask = ~padding[:, None, None]
        out = ref.attend(note, ref.project(x, wq), k, v, kind="cross", mask=mask)
        return out.transpose(0, 2, 1, 3)

    padding = np.arange(6) >= np.array([[4], [6]])
    args = draw.weight(6, 2, 3), draw(2, 3, 6), draw(2, 6, 2, 3), draw(2, 6, 2, 3), padding
    return Case(fn, args, reference)


@program("Content addressing, interpolation with the weights before, a shift by convolution (NTM).")
def neural_turing_machine(draw: Draw) -> Case:
    def fn(p, inputs, memory):
        def step(before, x):
            key, g = x @ p["key"], jax.nn.sigmoid(x @ p["gate"])
            shift = jax.nn.softmax(x @ p["shift"])
            content = jax.nn.softmax(jnp.einsum("bd,bnd->bn", key, memory))
            w = g * content + (1 - g) * before
            w = sum(shift[:, i : i + 1] * jnp.roll(w, i - 1, axis=1) for i in range(3))
            return w, jnp.einsum("bn,bnd->bd", w, memory)

        return lax.scan(step, jnp.ones((2, 5)) / 5, inputs)[1]

    def reference(note, p, inputs, memory):
        w, out = np.ones((2, 5)) / 5, []
        for step, x in enumerate(inputs):
            key, g = x @ p["key"], ref.sigmoid(x @ p["gate"])
            shift = ref.softmax(x @ p["shift"])
            content = ref.softmax(np.einsum("bd,bnd->bn", key, memory))
            w = g * content + (1 - g) * w
            w = np.sum([shift[:, i : i + 1] * np.roll(w, i - 1, axis=1) for i in range(3)], 0)
            w = note(w[:, None, None], "cross", also=[content[:, None, None]], step=step)[:, 0, 0]
            out.append(np.einsum("bn,bnd->bd", w, memory))
        return np.stack(out)

    p = {"key": draw.weight(6, 4), "gate": draw.weight(6, 1), "shift": draw.weight(6, 3)}
    return Case(fn, (p, draw(3, 2, 6), draw(2, 5, 4)), reference)


@program("A neural process: Laplace kernels between targets and contexts.")
def neural_process(draw: Draw) -> Case:
    def fn(p, context_x, context_y, target_x):
        r = jnp.tanh(jnp.concatenate([context_x, context_y], -1) @ p)
        d = jnp.abs(target_x[:, :, None] - context_x[:, None]).sum(-1)
        return jnp.einsum("bqk,bkd->bqd", jax.nn.softmax(-d / 0.5), r)

    def reference(note, p, context_x, context_y, target_x):
        r = np.tanh(np.concatenate([context_x, context_y], -1) @ p)
        d = np.abs(target_x[:, :, None] - context_x[:, None]).sum(-1)
        return ref.mix(note(ref.softmax(-d / 0.5)[:, None], "cross"), r[:, None])[:, 0]

    return Case(fn, (draw.weight(5, 4), draw(2, 6, 3), draw(2, 6, 2), draw(2, 4, 3)), reference)


@program("Kernel regression (Nadaraya and Watson): scalars are averaged by distances.")
def kernel_regression(draw: Draw) -> Case:
    def fn(x, y, targets):
        s = -((targets[:, None] - x[None]) ** 2)
        return jax.nn.softmax(s, axis=1) @ y

    def reference(note, x, y, targets):
        a = ref.softmax(-((targets[:, None] - x) ** 2))
        return note(a[None, None], "cross", optional="scalars without features")[0, 0] @ y

    return Case(fn, (draw(7), draw(7), draw(4)), reference)
