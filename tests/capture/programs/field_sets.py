"""Sets, graphs, molecules and few examples: attention that is not over a sequence."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.capture.programs import reference as ref
from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)
SAID = "weights that no row sums to one of may be said instead"


def _block_parameters(draw):
    return draw.weights("q k v o", 6, 6)


def _set_block(p, x, y):
    """Heads are stacked in front of the batch, as the first code of the paper has it."""
    q, k, v = x @ p["q"], y @ p["k"], y @ p["v"]
    q_, k_, v_ = (jnp.concatenate(jnp.split(z, 2, axis=2), axis=0) for z in (q, k, v))
    a = jax.nn.softmax(jnp.matmul(q_, k_.transpose(0, 2, 1)) / np.sqrt(6), axis=2)
    out = jnp.concatenate(jnp.split(q_ + jnp.matmul(a, v_), 2, axis=0), axis=2)
    return out + jax.nn.relu(out @ p["o"])


def _set_block_reference(note, p, x, y, kind, also):
    q, k, v = (ref.split(z @ p[n], 2) for z, n in ((x, "q"), (y, "k"), (y, "v")))
    w = ref.softmax(ref.logits_of(q, k, 6**-0.5))
    out = ref.merge(q + ref.mix(note(w, kind, also_kinds=also), v))
    return out + ref.relu(out @ p["o"])


@program("Set transformer: induced points, then pooling by seeds; the scale is the model's size.")
def set_transformer(draw: Draw) -> Case:
    p = {n: _block_parameters(draw) for n in ("induce", "back", "pool")}
    p |= {"points": draw(1, 3, 6), "seeds": draw(1, 2, 6)}

    def fn(p, x):
        h = _set_block(p["induce"], jnp.tile(p["points"], (2, 1, 1)), x)
        x = _set_block(p["back"], x, h)
        return _set_block(p["pool"], jnp.tile(p["seeds"], (2, 1, 1)), x)

    def reference(note, p, x):
        both = ("cross", "pooling")
        block = _set_block_reference
        h = block(note, p["induce"], np.repeat(p["points"], 2, 0), x, "pooling", both)
        x = block(note, p["back"], x, h, "cross", ())
        return block(note, p["pool"], np.repeat(p["seeds"], 2, 0), x, "pooling", both)

    return Case(fn, (p, draw(2, 7, 6)), reference)


@program("Graph attention on a dense adjacency: source and target scores added, heads by vmap.")
def dense_graph(draw: Draw) -> Case:
    p = {"w": draw(3, 5, 4, scale=0.5), "source": draw(3, 4), "target": draw(3, 4)}

    def fn(p, x, adjacency):
        def head(w, source, target):
            h = x @ w
            e = jax.nn.leaky_relu((h @ source)[:, None] + (h @ target)[None, :], 0.2)
            e = jnp.where(adjacency > 0, e, -9e15 * jnp.ones_like(e))
            return jax.nn.elu(jnp.matmul(jax.nn.softmax(e, axis=1), h))

        heads = jax.vmap(head)(p["w"], p["source"], p["target"])
        return jnp.concatenate(heads, axis=1)

    def reference(note, p, x, adjacency):
        h = np.einsum("nf,hfd->hnd", x, p["w"])
        e = np.einsum("hnd,hd->hn", h, p["source"])[:, :, None]
        e = e + np.einsum("hnd,hd->hn", h, p["target"])[:, None]
        e = np.where(adjacency > 0, np.where(e > 0, e, 0.2 * e), -np.inf)
        out = note(ref.softmax(e)[None])[0] @ h
        out = np.where(out > 0, out, np.exp(np.minimum(out, 0)) - 1)
        return np.concatenate(list(out), axis=1)

    adjacency = np.array(
        [[1, 1, 0, 0, 1], [1, 1, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 1, 1], [1, 0, 0, 1, 1]],
        np.int32,
    )
    return Case(fn, (p, draw(5, 5), adjacency), reference, unused="nodes that are no neighbors")


@program("Triplet-free CLRS graph network: logits from three linear maps, edges bias, tensordot.")
def algorithmic_graph(draw: Draw) -> Case:
    p = (
        draw.weights("values", 5, 6)
        | draw.weights("one two edge", 5, 2)
        | {"skip": draw.weight(5, 6)}
    )

    def fn(p, nodes, edges, adjacency):
        b, n, _ = nodes.shape
        bias = (adjacency - 1.0) * 1e9
        bias = jnp.tile(bias[..., None], (1, 1, 1, 2)).transpose(0, 3, 1, 2)
        values = (nodes @ p["values"]).reshape(b, n, 2, 3).transpose(0, 2, 1, 3)
        one = jnp.expand_dims(nodes @ p["one"], -1).transpose(0, 2, 1, 3)
        two = jnp.expand_dims(nodes @ p["two"], -1).transpose(0, 2, 3, 1)
        logits = one + two + (edges @ p["edge"]).transpose(0, 3, 1, 2)
        coefs = jax.nn.softmax(jax.nn.leaky_relu(logits) + bias, axis=-1)
        ret = jnp.matmul(coefs, values).transpose(0, 2, 1, 3).reshape(b, n, 6)
        return jax.nn.relu(ret + nodes @ p["skip"])

    def reference(note, p, nodes, edges, adjacency):
        logits = (nodes @ p["one"]).swapaxes(1, 2)[..., None]
        logits = logits + (nodes @ p["two"]).swapaxes(1, 2)[:, :, None]
        logits = logits + (edges @ p["edge"]).transpose(0, 3, 1, 2)
        logits = np.where(logits > 0, logits, 0.01 * logits)
        w = note(ref.softmax(np.where(adjacency[:, None] > 0, logits, -np.inf)))
        out = ref.merge(ref.mix(w, ref.split(nodes @ p["values"], 2)))
        return ref.relu(out + nodes @ p["skip"])

    adjacency = np.maximum(draw.integers(2, 2, 4, 4), np.eye(4, dtype=np.int32)).astype(np.float32)
    args = (p, draw(2, 4, 5), draw(2, 4, 4, 5), adjacency)
    return Case(fn, args, reference, unused="nodes that are no neighbors")


@program("AlphaFold's triangle around the starting node: bias from pairs, sigmoid gate, mask.")
def triangle_attention(draw: Draw) -> Case:
    p = {f"{n}_w": draw(6, 2, 3, scale=0.4) for n in ("query", "key", "value", "gating")}
    p |= {"output_w": draw(2, 3, 6, scale=0.4), "gating_b": np.ones((2, 3), np.float32)}
    p |= {"pair": draw.weight(6, 2)}

    def fn(p, act, mask):
        act = (act - act.mean(-1, keepdims=True)) * lax.rsqrt(act.var(-1, keepdims=True) + 1e-5)
        bias = (1e9 * (mask - 1.0))[:, None, None, :]
        nonbatched = jnp.einsum("qkc,ch->hqk", act, p["pair"])
        q = jnp.einsum("bqa,ahc->bqhc", act, p["query_w"]) * 3 ** (-0.5)
        k = jnp.einsum("bka,ahc->bkhc", act, p["key_w"])
        v = jnp.einsum("bka,ahc->bkhc", act, p["value_w"])
        logits = jnp.einsum("bqhc,bkhc->bhqk", q, k) + bias
        logits += jnp.expand_dims(nonbatched, axis=0)
        weighted = jnp.einsum("bhqk,bkhc->bqhc", jax.nn.softmax(logits), v)
        gate = jax.nn.sigmoid(jnp.einsum("bqc,chv->bqhv", act, p["gating_w"]) + p["gating_b"])
        return jnp.einsum("bqhc,hco->bqo", weighted * gate, p["output_w"])

    def reference(note, p, act, mask):
        act = ref.layer_norm(act, eps=1e-5)
        q, k, v = (ref.project(act, p[f"{n}_w"]) for n in ("query", "key", "value"))
        bias = np.einsum("qkc,ch->hqk", act, p["pair"])[None]
        out = ref.attend(note, q, k, v, bias=bias, mask=mask[:, None, None] > 0)
        gate = ref.project(act, p["gating_w"]) + p["gating_b"][:, None]
        return ref.unproject(out * ref.sigmoid(gate), p["output_w"])

    mask = np.ones((5, 5), np.float32)
    mask[:, 4] = mask[4] = 0
    mask[4, 4] = 1
    return Case(fn, (p, draw(5, 5, 6), mask), reference, unused="padding")


@program("Invariant points: distances of points in the logits, weights used for three values.")
def invariant_points(draw: Draw) -> Case:
    p = draw.weights("q k v", 6, 2, 3) | draw.weights("qp kp vp", 6, 2, 2, 3)
    p |= {"pair": draw.weight(4, 2), "gamma": np.abs(draw(2)), "o": draw(26, 6, scale=0.2)}

    def fn(p, x, pairs, rotation, shift):
        q, k, v = (jnp.einsum("nm,mhd->nhd", x, p[n]) for n in "qkv")
        points = (jnp.einsum("nm,mhpc->nhpc", x, p[n]) for n in ("qp", "kp", "vp"))
        qp, kp, vp = (
            jnp.einsum("nij,nhpj->nhpi", rotation, y) + shift[:, None, None] for y in points
        )
        distance = jnp.sum((qp[:, None] - kp[None]) ** 2, axis=(-1, -2))
        logits = jnp.einsum("ihd,jhd->ijh", q, k) * (1 / 3) ** 0.5 + pairs @ p["pair"]
        logits = logits - 0.5 * jax.nn.softplus(p["gamma"]) * distance / 6
        attn = jnp.moveaxis(jax.nn.softmax(logits * 3**-0.5, axis=-2), -1, 0)
        scalar = jnp.einsum("hij,jhd->ihd", attn, v)
        point = jnp.einsum("hij,jhpc->ihpc", attn, vp) - shift[:, None, None]
        point = jnp.einsum("nji,nhpj->nhpi", rotation, point)
        over_pairs = jnp.einsum("hij,ijc->ihc", attn, pairs)
        parts = [scalar, point.reshape(4, 2, 6), over_pairs]
        return jnp.concatenate([y.reshape(4, -1) for y in parts], -1) @ p["o"]

    def reference(note, p, x, pairs, rotation, shift):
        q, k, v = (ref.project(x[None], p[n]) for n in "qkv")
        points = (np.einsum("nm,mhpc->nhpc", x, p[n]) for n in ("qp", "kp", "vp"))
        qp, kp, vp = (
            np.einsum("nij,nhpj->nhpi", rotation, y) + shift[:, None, None] for y in points
        )
        distance = ((qp[:, None] - kp[None]) ** 2).sum((-1, -2))
        bias = pairs @ p["pair"] - 0.5 * np.log1p(np.exp(p["gamma"])) * distance / 6
        logits = (ref.logits_of(q, k, 3**-0.5)[0] + bias.transpose(2, 0, 1)) * 3**-0.5
        w = note(ref.softmax(logits)[None])
        scalar = ref.mix(w, v)[0].swapaxes(0, 1)
        point = np.einsum("hij,jhpc->ihpc", w[0], vp) - shift[:, None, None]
        point = np.einsum("nji,nhpj->nhpi", rotation, point)
        over_pairs = np.einsum("hij,ijc->ihc", w[0], pairs)
        parts = [scalar, point.reshape(4, 2, 6), over_pairs]
        return np.concatenate([y.reshape(4, -1) for y in parts], -1) @ p["o"]

    rotation = np.linalg.qr(draw(4, 3, 3))[0].astype(np.float32)
    return Case(fn, (p, draw(4, 6), draw(4, 4, 4), rotation, draw(4, 3)), reference)


@program("Slot attention: softmax over slots, renormalized over inputs, GRU, three iterations.")
def slot_attention(draw: Draw) -> Case:
    p = draw.weights("q k v", 6, 6) | draw.weights("wz wr wh", 12, 6)

    def gru(p, x, h, xp, sigmoid):
        z, r = (sigmoid(xp.concatenate([x, h], -1) @ p[n]) for n in ("wz", "wr"))
        return (1 - z) * h + z * xp.tanh(xp.concatenate([x, r * h], -1) @ p["wh"])

    def fn(p, inputs, slots):
        k, v = inputs @ p["k"], inputs @ p["v"]

        def step(_, slots):
            normal = (slots - slots.mean(-1, keepdims=True)) / jnp.sqrt(
                slots.var(-1, keepdims=True) + 1e-6
            )
            q = normal @ p["q"] * 6**-0.5
            attn = jax.nn.softmax(jnp.einsum("bnd,bsd->bns", k, q), axis=-1)
            attn = attn + 1e-8
            attn = attn / jnp.sum(attn, axis=1, keepdims=True)
            return gru(p, jnp.einsum("bns,bnd->bsd", attn, v), slots, jnp, jax.nn.sigmoid)

        return lax.fori_loop(0, 3, step, slots)

    def reference(note, p, inputs, slots):
        k, v = inputs @ p["k"], inputs @ p["v"]
        for step in range(3):
            q = ref.layer_norm(slots) @ p["q"] * 6**-0.5
            w = ref.softmax(np.einsum("bsd,bnd->bsn", q, k), axis=1) + 1e-8
            w = note((w / w.sum(-1, keepdims=True))[:, None], "cross", step=step)
            slots = gru(p, ref.mix(w, v[:, None])[:, 0], slots, np, ref.sigmoid)
        return slots

    return Case(fn, (p, draw(2, 7, 6), draw(2, 3, 6)), reference)


@program("Capsules routed by agreement: softmax over the upper capsules, sums over the lower.")
def capsules(draw: Draw) -> Case:
    def squash(s, xp):
        square = (s**2).sum(-1, keepdims=True)
        return square / (1 + square) * s / xp.sqrt(square + 1e-8)

    def fn(w, u):
        votes = jnp.einsum("bid,ijde->bije", u, w)
        logits = jnp.zeros(votes.shape[:3])
        v = jnp.zeros_like(votes[:, 0])
        for _ in range(3):
            logits = logits + jnp.einsum("bije,bje->bij", votes, v)
            c = jax.nn.softmax(logits, axis=2)
            v = squash(jnp.einsum("bij,bije->bje", c, votes), jnp)
        return v

    def reference(note, w, u):
        votes = np.einsum("bid,ijde->bije", u, w)
        logits, v = np.zeros(votes.shape[:3]), np.zeros_like(votes[:, 0])
        for _ in range(3):
            logits = logits + np.einsum("bije,bje->bij", votes, v)
            c = ref.softmax(logits, axis=2)
            kinds = ("cross", "pooling", "self")
            c = note(
                c.swapaxes(1, 2)[:, None],
                "router",
                optional=SAID,
                also=[c[:, None]],
                also_kinds=kinds,
            )
            v = squash(np.einsum("bji,bije->bje", c[:, 0], votes), np)
        return v

    return Case(fn, (draw(5, 3, 4, 4, scale=0.5), draw(2, 5, 4)), reference)


@program("Matching networks: cosine of a query with each example of the support, labels mixed.")
def matching_network(draw: Draw) -> Case:
    p = draw.weights("w1", 5, 8) | draw.weights("w2", 8, 4)

    def fn(p, support, labels, queries):
        def embed(x):
            return jax.nn.relu(x @ p["w1"]) @ p["w2"]

        def unit(z):
            return z / jnp.linalg.norm(z, axis=-1, keepdims=True)

        similarity = unit(embed(queries)) @ unit(embed(support)).T
        attention = jax.nn.softmax(10.0 * similarity, axis=-1)
        return jnp.log(attention @ jax.nn.one_hot(labels, 3) + 1e-6)

    def reference(note, p, support, labels, queries):
        def embed(x):
            return ref.relu(x @ p["w1"]) @ p["w2"]

        def unit(z):
            return z / np.linalg.norm(z, axis=-1, keepdims=True)

        w = ref.softmax(10 * unit(embed(queries)) @ unit(embed(support)).T)
        return np.log(note(w[None, None], "cross")[0, 0] @ np.eye(3)[labels] + 1e-6)

    labels = np.array([0, 1, 2, 0, 1, 2], np.int32)
    return Case(fn, (p, draw(6, 5), labels, draw(4, 5)), reference)


@program("Attentive neural process: Laplace scores by distances, representations of a context.")
def laplace_process(draw: Draw) -> Case:
    p = draw.weights("r", 3, 6) | draw.weights("x", 2, 4) | draw.weights("head", 8, 2)

    def fn(p, context_x, context_y, target_x):
        r = jnp.tanh(jnp.concatenate([context_x, context_y], -1) @ p["r"])
        k, q = context_x @ p["x"], target_x @ p["x"]
        far = jnp.abs((jnp.expand_dims(k, axis=1) - jnp.expand_dims(q, axis=2)) / 1.5)
        weights = jax.nn.softmax(-far.sum(-1))
        rep = jnp.einsum("bik,bkj->bij", weights, r)
        out = jnp.concatenate([rep, target_x], -1) @ p["head"]
        mean, sigma = jnp.split(out, 2, -1)
        return mean, 0.1 + 0.9 * jax.nn.softplus(sigma)

    def reference(note, p, context_x, context_y, target_x):
        r = np.tanh(np.concatenate([context_x, context_y], -1) @ p["r"])
        k, q = context_x @ p["x"], target_x @ p["x"]
        w = ref.softmax(-np.abs((q[:, :, None] - k[:, None]) / 1.5).sum(-1))
        rep = ref.mix(note(w[:, None], "cross"), r[:, None])[:, 0]
        out = np.concatenate([rep, target_x], -1) @ p["head"]
        return out[..., :1], 0.1 + 0.9 * np.log1p(np.exp(out[..., 1:]))

    return Case(fn, (p, draw(2, 6, 2), draw(2, 6, 1), draw(2, 4, 2)), reference)


@program("Physics attention (Transolver): points to slices by softmax, slices attend, and back.")
def physics_slices(draw: Draw) -> Case:
    p = draw.weights("fx x", 6, 2, 3) | {"slice": draw.weight(3, 4)} | draw.weights("q k v", 3, 3)

    def fn(p, points):
        fx, x = (jnp.einsum("bnm,mhd->bhnd", points, p[n]) for n in ("fx", "x"))
        assignment = jax.nn.softmax(x @ p["slice"] / 0.5, axis=-1)
        total = assignment.sum(2)
        tokens = jnp.einsum("bhnd,bhnm->bhmd", fx, assignment) / (total[..., None] + 1e-5)
        q, k, v = (tokens @ p[n] for n in "qkv")
        a = jax.nn.softmax(jnp.einsum("bhmd,bhkd->bhmk", q, k) / np.sqrt(3), axis=-1)
        out = jnp.einsum("bhmk,bhkd->bhmd", a, v)
        return jnp.einsum("bhmd,bhnm->bhnd", out, assignment)

    def reference(note, p, points):
        fx, x = (ref.project(points, p[n]) for n in ("fx", "x"))
        assignment = ref.softmax(x @ p["slice"] / 0.5)
        kinds = ("cross", "pooling", "router", "self")
        down = (assignment / (assignment.sum(2, keepdims=True) + 1e-5)).swapaxes(2, 3)
        down = note(down, "pooling", also_kinds=kinds)
        tokens = ref.mix(down, fx)
        q, k, v = (tokens @ p[n] for n in "qkv")
        out = ref.attend(note, q, k, v)
        return ref.mix(note(assignment, "cross", also_kinds=kinds), out)

    return Case(fn, (p, draw(2, 7, 6)), reference)
