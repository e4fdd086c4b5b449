"""Programs in which one dimension plays several parts: rows and columns, both sides of a score."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.capture.programs import reference as ref
from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)


def _split(x, heads=2):
    return x.reshape(*x.shape[:-1], heads, -1)


@program("Triangle attention without a batch: a map over rows, biased by the same pairs.")
def triangle(draw: Draw) -> Case:
    p = draw.weights("q k v", 6, 2, 4) | {"bias": draw.weight(6, 2)}

    def fn(p, pairs):
        bias = jnp.moveaxis(pairs @ p["bias"], -1, 0)

        def row(tokens):
            q, k, v = (jnp.einsum("tm,mhd->htd", tokens, p[n]) for n in "qkv")
            return jax.nn.softmax(q @ k.mT / 2 + bias) @ v

        return lax.map(row, pairs)

    def reference(note, p, pairs):
        q, k, v = (ref.project(pairs, p[n]) for n in "qkv")
        bias = np.moveaxis(pairs @ p["bias"], -1, 0)
        return ref.attend(note, q, k, v, bias=bias)

    return Case(fn, (p, draw(5, 5, 6)), reference)


@program("Features of edges in keys and values, an exponential of clipped scores.")
def edges_in_keys_and_values(draw: Draw) -> Case:
    p = draw.weights("q k v", 8, 8) | {n: draw.weight(3, 8) for n in ("edge_k", "edge_v")}

    def fn(p, x, edges):
        q, k, v = (_split(x @ p[n]) for n in "qkv")
        k, v = (y[:, None] + _split(edges @ p[f"edge_{n}"]) for y, n in ((k, "k"), (v, "v")))
        w = jnp.exp(jnp.clip((q[:, :, None] * k).sum(-1) / 2, -5, 5))
        return (w[..., None] * v).sum(2) / (w.sum(2)[..., None] + 1e-6)

    def reference(note, p, x, edges):
        q, k, v = (_split(x @ p[n]) for n in "qkv")
        k, v = (y[:, None] + _split(edges @ p[f"edge_{n}"]) for y, n in ((k, "k"), (v, "v")))
        w = np.exp(np.clip(np.einsum("bihd,bijhd->bhij", q, k) / 2, -5, 5))
        w = note(w / (w.sum(-1, keepdims=True) + 1e-6))
        return np.einsum("bhij,bijhd->bihd", w, v)

    return Case(fn, (p, draw(2, 5, 8), draw(2, 5, 5, 3)), reference)


@program("Two sentences look at each other by one score; what they see is compared with them.")
def both_sides(draw: Draw) -> Case:
    def fn(f, a, b):
        scores = jnp.einsum("bid,bjd->bij", jax.nn.relu(a @ f), jax.nn.relu(b @ f))
        beta = jax.nn.softmax(scores, 2) @ b
        alpha = jnp.einsum("bij,bid->bjd", jax.nn.softmax(scores, 1), a)
        return (a * beta).max(1) + (b - alpha).mean(1)

    def reference(note, f, a, b):
        scores = ref.relu(a @ f) @ ref.relu(b @ f).transpose(0, 2, 1)
        beta = note(ref.softmax(scores)[:, None], "cross")[:, 0] @ b
        alpha = note(ref.softmax(scores.transpose(0, 2, 1))[:, None], "cross")[:, 0] @ a
        return (a * beta).max(1) + (b - alpha).mean(1)

    return Case(fn, (draw.weight(6, 4), draw(2, 5, 6), draw(2, 4, 6)), reference)


@program("Synthesizer: a layer scores the places; they are those of the tokens themselves.")
def dense_synthesizer(draw: Draw) -> Case:
    def fn(x, p):
        scores = (jax.nn.relu(x @ p["a"]) @ p["b"])[:, :, : x.shape[1]]
        return jax.nn.softmax(jnp.where(np.tri(5), scores, -1e9)) @ (x @ p["v"])

    def reference(note, x, p):
        scores = (ref.relu(x @ p["a"]) @ p["b"])[:, :, :5]
        w = ref.softmax(np.where(ref.causal(5), scores, -np.inf))
        return note(w[:, None])[:, 0] @ (x @ p["v"])

    p = {"a": draw.weight(9, 8), "b": draw.weight(8, 6), "v": draw.weight(9, 7)}
    return Case(fn, (draw(2, 5, 9), p), reference)


@program("Models side by side whose heads are added up without a matrix.")
def models_with_added_heads(draw: Draw) -> Case:
    def fn(p, x):
        def model(p, x):
            q, k, v = (jnp.einsum("td,dhk->htk", x, p[n]) for n in "qkv")
            return (jax.nn.softmax(q @ k.mT / 2) @ v).sum(0)

        return jax.vmap(jax.vmap(model, (None, 0)), (0, None))(p, x)

    def reference(note, p, x):
        q, k, v = (np.einsum("btd,mdhk->mbhtk", x, p[n]) for n in "qkv")
        w = ref.softmax(np.einsum("mbhqd,mbhkd->mbhqk", q, k) / 2)
        w = note(w.reshape(6, 2, 5, 5)).reshape(w.shape)
        return np.einsum("mbhqk,mbhkd->mbqd", w, v)

    return Case(fn, ({n: draw(3, 8, 2, 4, scale=0.4) for n in "qkv"}, draw(2, 5, 8)), reference)


@program("Rounds of hashing: sorted, cut into chunks, and merged by their log-sum-exps.")
def hashed_rounds(draw: Draw) -> Case:
    def sorted_by(x, order):
        return jnp.take_along_axis(x, order[..., None], 1)

    def fn(x, p):
        results, sums = [], []
        for turn in p["turns"]:
            order = jnp.argsort(jnp.argmax(x @ turn, -1) * 6 + jnp.arange(6))
            q, k, v = (sorted_by(x @ p[n], order).reshape(2, 2, 3, -1) for n in "qkv")
            scores = q @ k.mT / 2
            lse = jax.nn.logsumexp(scores, -1, keepdims=True)
            result = (jnp.exp(scores - lse) @ v).reshape(2, 6, -1)
            back = jnp.argsort(order)
            results.append(sorted_by(result, back))
            sums.append(sorted_by(lse.reshape(2, 6, 1), back))
        shares = jax.nn.softmax(jnp.stack(sums), axis=0)
        return (jnp.stack(results) * shares).sum(0)

    def reference(note, x, p):
        results, sums = [], []
        for turn in p["turns"]:
            order = np.argsort(np.argmax(x @ turn, -1) * 6 + np.arange(6), -1)
            q, k, v = (
                np.take_along_axis(x @ p[n], order[..., None], 1).reshape(4, 1, 3, -1)
                for n in "qkv"
            )
            scores = q @ k.transpose(0, 1, 3, 2) / 2
            why = "chunks of several rounds are merged in a way that may be said"
            result = (note(ref.softmax(scores), optional=why) @ v).reshape(2, 6, -1)
            back = np.argsort(order, -1)[..., None]
            results.append(np.take_along_axis(result, back, 1))
            sums.append(np.take_along_axis(np.exp(scores).sum(-1).reshape(2, 6, 1), back, 1))
        shares = np.stack(sums) / np.sum(sums, 0)
        return (np.stack(results) * shares).sum(0)

    p = draw.weights("q k v", 8, 4) | {"turns": [draw(8, 3), draw(8, 3)]}
    return Case(fn, (draw(2, 6, 8), p), reference)


@program("Relative keys and values by pairs of places (Shaw et al.), added before the products.")
def relative_keys_and_values(draw: Draw) -> Case:
    def fn(p, x):
        q, k, v = (jnp.einsum("btd,dhk->bthk", x, p[n]) for n in "qkv")
        k, v = k[:, None] + p["keys"][:, :, None], v[:, None] + p["values"][:, :, None]
        w = jax.nn.softmax(jnp.einsum("bqhd,bqkhd->bhqk", q, k) / 2)
        return jnp.einsum("bhqk,bqkhd->bqhd", w, v)

    def reference(note, p, x):
        q, k, v = (np.einsum("btd,dhk->bthk", x, p[n]) for n in "qkv")
        k, v = k[:, None] + p["keys"][:, :, None], v[:, None] + p["values"][:, :, None]
        w = note(ref.softmax(np.einsum("bqhd,bqkhd->bhqk", q, k) / 2))
        return np.einsum("bhqk,bqkhd->bqhd", w, v)

    p = draw.weights("q k v", 8, 3, 4) | {"keys": draw(5, 5, 4), "values": draw(5, 5, 4)}
    return Case(fn, (p, draw(2, 5, 8)), reference)


@program("One sentence without a batch: it asks, answers and is averaged, all given.")
def one_sentence(draw: Draw) -> Case:
    def fn(x, w, v):
        return jax.nn.softmax(x @ w @ x.T) @ (x @ v)

    def reference(note, x, w, v):
        return note(ref.softmax(x @ w @ x.T)[None, None])[0, 0] @ (x @ v)

    return Case(fn, (draw(4, 6), draw.weight(6, 6), draw.weight(6, 6)), reference)


@program("Variable selection: all variables of a time score each of them, and are averaged.")
def selected_variables(draw: Draw) -> Case:
    def fn(x, w, v):
        weights = jax.nn.softmax(x.reshape(2, 5, 8) @ w)
        return jnp.einsum("btv,btvd->btd", weights, jnp.tanh(x @ v))

    def reference(note, x, w, v):
        weights = note(ref.softmax(x.reshape(2, 5, 8) @ w)[:, None], also_kinds=("pooling",))
        return np.einsum("btv,btvd->btd", weights[:, 0], np.tanh(x @ v))

    return Case(fn, (draw(2, 5, 4, 2), draw.weight(8, 4), draw.weight(2, 7)), reference)


@program("Two sentences with one table of positions look at each other.")
def shared_positions(draw: Draw) -> Case:
    def fn(x, y, p):
        q, k = (x + p["place"]) @ p["q"], (y + p["place"]) @ p["k"]
        return jax.nn.softmax(q @ k.mT / 2) @ (y @ p["v"])

    def reference(note, x, y, p):
        q, k = (x + p["place"]) @ p["q"], (y + p["place"]) @ p["k"]
        w = note(ref.softmax(q @ k.transpose(0, 2, 1) / 2)[:, None], "cross")
        return w[:, 0] @ (y @ p["v"])

    p = draw.weights("q k v", 8, 4) | {"place": draw(5, 8)}
    return Case(fn, (draw(2, 5, 8), draw(2, 5, 8), p), reference)


@program("Windows with a mask for each of them, which the model holds among its parameters.")
def masked_windows(draw: Draw) -> Case:
    def fn(p, x):
        q, k, v = ((x @ p[n]).reshape(-1, 3, 4) for n in "qkv")
        scores = (q @ k.mT / 2).reshape(2, 4, 3, 3) + p["mask"]
        return (jax.nn.softmax(scores).reshape(-1, 3, 3) @ v).reshape(2, 12, 4)

    def reference(note, p, x):
        q, k, v = ((x @ p[n]).reshape(8, 1, 3, 4) for n in "qkv")
        w = ref.softmax(ref.logits_of(q, k, 0.5) + np.tile(p["mask"], (2, 1, 1))[:, None])
        return ref.mix(note(w), v).reshape(2, 12, 4)

    mask = np.where(np.arange(36).reshape(4, 3, 3) % 5, 0, -100).astype(np.float32)
    return Case(fn, (draw.weights("q k v", 8, 4) | {"mask": mask}, draw(2, 12, 8)), reference)
