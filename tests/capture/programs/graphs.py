"""Attention on graphs: dense with a mask, and by segments of edges.

Segments have no dense map in the program; the truth is the map over all pairs of nodes, and the
weights of the edges as one row are accepted.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.capture.programs import reference as ref
from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)
SAID = "weights of segments may be said instead"
NODES = 5
SENDERS = np.array([0, 1, 2, 3, 4, 0, 2, 4, 1, 3, 0], np.int32)
RECEIVERS = np.array([0, 1, 2, 3, 4, 1, 1, 0, 3, 2, 4], np.int32)
ADJACENT = np.zeros((NODES, NODES), bool)
ADJACENT[RECEIVERS, SENDERS] = True


def _on_edges(note, scores, **labels):
    """Notes `[head receiver sender]` scores of the edges, and gives the weights back."""
    w = ref.softmax(np.where(ADJACENT, scores, -np.inf))
    edges = w[:, RECEIVERS, SENDERS][None, :, None]
    loose = [edges, edges.transpose(0, 2, 1, 3)]
    kinds = ("cross", "pooling")
    return note(w[None], "self", also=loose, also_kinds=kinds, optional=SAID, **labels)[0]


def _segment_softmax(s):
    top = jax.ops.segment_max(s, RECEIVERS, NODES)
    e = jnp.exp(s - top[RECEIVERS])
    return e / jax.ops.segment_sum(e, RECEIVERS, NODES)[RECEIVERS]


@program("GAT: edges, leaky ReLU of the sum of two scores, segment softmax with maxima.")
def graph_attention_by_segments(draw: Draw) -> Case:
    p = {"w": draw.weight(6, 2, 3), "a": draw(2, 3), "b": draw(2, 3)}

    def fn(p, x):
        h = jnp.einsum("nm,mhd->nhd", x, p["w"])
        left, right = (h * p["a"]).sum(-1), (h * p["b"]).sum(-1)
        alpha = _segment_softmax(jax.nn.leaky_relu(left[RECEIVERS] + right[SENDERS], 0.2))
        return jax.ops.segment_sum(alpha[..., None] * h[SENDERS], RECEIVERS, NODES)

    def reference(note, p, x):
        h = np.einsum("nm,mhd->hnd", x, p["w"])
        s = (h * p["a"][:, None]).sum(-1)[:, :, None] + (h * p["b"][:, None]).sum(-1)[:, None]
        w = _on_edges(note, np.where(s > 0, s, 0.2 * s))
        return np.einsum("hij,hjd->ihd", w, h)

    return Case(fn, (p, draw(NODES, 6)), reference, unused="pairs without an edge do not show")


@program("The same without maxima, senders and receivers as arguments, at[].add for the sums.")
def segments_by_scatter(draw: Draw) -> Case:
    p = draw.weights("q k v", 6, 4)

    def fn(p, x, senders, receivers):
        q, k, v = (x @ p[n] for n in "qkv")
        e = jnp.exp((q[receivers] * k[senders]).sum(-1) / 2)
        total = jnp.zeros(x.shape[0]).at[receivers].add(e)
        w = e / total[receivers]
        return jnp.zeros((x.shape[0], 4)).at[receivers].add(w[:, None] * v[senders])

    def reference(note, p, x, senders, receivers):
        q, k, v = (x @ p[n] for n in "qkv")
        return _on_edges(note, (q @ k.T / 2)[None])[0] @ v

    args = p, draw(NODES, 6), SENDERS, RECEIVERS
    return Case(fn, args, reference, unused="pairs without an edge do not show")


@program("Normalized after the sum over edges: two segment sums, one division.")
def segments_normalized_late(draw: Draw) -> Case:
    p = draw.weights("q k v", 6, 2, 3)

    def fn(p, x):
        q, k, v = (jnp.einsum("nm,mhd->nhd", x, p[n]) for n in "qkv")
        e = jnp.exp(jnp.einsum("ehd,ehd->eh", q[RECEIVERS], k[SENDERS]) * 3**-0.5)
        out = jax.ops.segment_sum(e[..., None] * v[SENDERS], RECEIVERS, NODES)
        return out / jax.ops.segment_sum(e, RECEIVERS, NODES)[..., None]

    def reference(note, p, x):
        q, k, v = (np.einsum("nm,mhd->hnd", x, p[n]) for n in "qkv")
        w = _on_edges(note, np.einsum("hid,hjd->hij", q, k) * 3**-0.5)
        return np.einsum("hij,hjd->ihd", w, v)

    return Case(fn, (p, draw(NODES, 6)), reference, unused="pairs without an edge do not show")


@program("GATv2 with a dense adjacency: leaky ReLU before the product, where with -9e15.")
def dense_adjacency(draw: Draw) -> Case:
    p = draw.weights("l r", 6, 2, 3) | {"a": draw(2, 3)}

    def fn(p, x, adjacent):
        left, right = (jnp.einsum("nm,mhd->nhd", x, p[n]) for n in "lr")
        e = jnp.einsum("ijhd,hd->ijh", jax.nn.leaky_relu(left[:, None] + right[None], 0.2), p["a"])
        w = jax.nn.softmax(jnp.where(adjacent[..., None], e, -9e15), axis=1)
        return jax.nn.elu(jnp.einsum("ijh,jhd->ihd", w, right))

    def reference(note, p, x, adjacent):
        left, right = (np.einsum("nm,mhd->hnd", x, p[n]) for n in "lr")
        z = left[:, :, None] + right[:, None]
        s = np.einsum("hijd,hd->hij", np.where(z > 0, z, 0.2 * z), p["a"])
        w = note(ref.softmax(np.where(adjacent, s, -np.inf))[None])
        out = np.einsum("hij,hjd->ihd", w[0], right)
        return np.where(out > 0, out, np.expm1(np.minimum(out, 0)))

    return Case(fn, (p, draw(NODES, 6), ADJACENT), reference)


@program("GATv2 without heads of its own in the projections: they are split afterwards.")
def dense_adjacency_split(draw: Draw) -> Case:
    p = draw.weights("l r", 6, 6) | {"a": draw(2, 3)}

    def fn(p, x, adjacent):
        left, right = ((x @ p[n]).reshape(-1, 2, 3) for n in "lr")
        z = jax.nn.leaky_relu(right[:, None] + left[None], 0.2)
        e = jnp.exp(jnp.einsum("ijhd,hd->hij", z, p["a"]) + (1 - adjacent) * -1e9)
        return jnp.einsum("hij,jhd->ihd", e / e.sum(-1, keepdims=True), left).mean(1)

    def reference(note, p, x, adjacent):
        left, right = ((x @ p[n]).reshape(-1, 2, 3) for n in "lr")
        z = right[:, None] + left[None]
        s = np.einsum("ijhd,hd->hij", np.where(z > 0, z, 0.2 * z), p["a"])
        w = note(ref.softmax(np.where(adjacent, s, -np.inf))[None])
        return np.einsum("hij,jhd->ihd", w[0], left).mean(1)

    return Case(fn, (p, draw(NODES, 6), ADJACENT.astype(np.float32)), reference)


@program("GAT in its first dense form: scores of nodes are added as a row and a column.")
def dense_outer_sum(draw: Draw) -> Case:
    def fn(x, w, a, b, adjacent):
        h = x @ w
        e = jax.nn.leaky_relu(h @ a + (h @ b).T, negative_slope=0.2)
        return jax.nn.softmax(e + jnp.log(adjacent.astype(jnp.float32)), axis=-1) @ h

    def reference(note, x, w, a, b, adjacent):
        h = x @ w
        s = h @ a + (h @ b).T
        s = np.where(adjacent, np.where(s > 0, s, 0.2 * s), -np.inf)
        return note(ref.softmax(s)[None, None])[0, 0] @ h

    args = draw(NODES, 6), draw.weight(6, 4), draw(4, 1), draw(4, 1), ADJACENT
    return Case(fn, args, reference)


@program("Readout of several graphs: softmax of node scores over each graph's segment.")
def readout_by_segments(draw: Draw) -> Case:
    graph = np.array([0, 0, 1, 1, 1, 2, 2], np.int32)

    def fn(x, gate, w):
        s = (jnp.tanh(x @ w) @ gate)[:, 0]
        e = jnp.exp(s - jax.ops.segment_max(s, graph, 3)[graph])
        a = e / jax.ops.segment_sum(e, graph, 3)[graph]
        return jax.ops.segment_sum(a[:, None] * x, graph, 3)

    def reference(note, x, gate, w):
        s = (np.tanh(x @ w) @ gate)[:, 0]
        a = ref.softmax(np.where(graph == np.arange(3)[:, None], s, -np.inf))
        loose = a[graph, np.arange(7)][None, None, None]
        a = note(a[None, None], "pooling", also=[loose], also_kinds=("cross",), optional=SAID)
        return a[0, 0] @ x

    return Case(fn, (draw(7, 6), draw(4, 1), draw.weight(6, 4)), reference)


@program("Two layers of segment attention in a scan over stacked parameters.")
def segments_in_scan(draw: Draw) -> Case:
    p = {n: draw(2, 4, 4, scale=0.5) for n in "qkv"}

    def fn(p, x):
        def layer(x, p):
            s = ((x @ p["q"])[RECEIVERS] * (x @ p["k"])[SENDERS]).sum(-1, keepdims=True)
            messages = _segment_softmax(s) * (x @ p["v"])[SENDERS]
            return x + jax.ops.segment_sum(messages, RECEIVERS, NODES), None

        return lax.scan(layer, x, p)[0]

    def reference(note, p, x):
        for layer in range(2):
            q, k, v = (x @ p[n][layer] for n in "qkv")
            x = x + _on_edges(note, (q @ k.T)[None], layer=layer)[0] @ v
        return x

    return Case(fn, (p, draw(NODES, 4)), reference, unused="pairs without an edge do not show")


@program("Set2Set: a recurrent query reads the set three times.")
def set_to_set(draw: Draw) -> Case:
    def fn(x, w):
        def step(state, _):
            q_star, h = state
            h = jnp.tanh(q_star @ w["in"] + h @ w["h"])
            a = jax.nn.softmax(jnp.einsum("bnd,bd->bn", x, h))
            return (jnp.concatenate([h, jnp.einsum("bn,bnd->bd", a, x)], -1), h), None

        start = jnp.zeros((2, 8)), jnp.zeros((2, 4))
        return lax.scan(step, start, length=3)[0][0]

    def reference(note, x, w):
        q_star, h = np.zeros((2, 8)), np.zeros((2, 4))
        for step in range(3):
            h = np.tanh(q_star @ w["in"] + h @ w["h"])
            kv, q = x[:, None], h[:, None, None]
            labels = {"scale": 1.0, "also_kinds": ("pooling",), "step": step}
            read = ref.attend(note, q, kv, kv, kind="cross", **labels)[:, 0, 0]
            q_star = np.concatenate([h, read], -1)
        return q_star

    return Case(fn, (draw(2, 6, 4), {"in": draw.weight(8, 4), "h": draw.weight(4, 4)}), reference)
