"""Attention whose values depend on who asks as well as on the key, as messages along edges do."""

import jax
import jax.numpy as jnp
import numpy as np

from tests.capture.programs import reference as ref
from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)
NODES, MODEL, HEADS, WIDTH = 5, 8, 2, 4


def _split(x):
    return x.reshape(*x.shape[:-1], HEADS, WIDTH)


def _parameters(draw: Draw, edge: int = 6):
    p = draw.weights("q k v", MODEL, MODEL)
    return p | {"bias": draw(edge, HEADS), "edge": draw.weight(edge, MODEL)}


@program(
    "Graph transformer without a batch: features of edges bias scores and are added to values."
)
def edges_in_values(draw: Draw) -> Case:
    def fn(p, x, edges):
        q, k, v = (_split(x @ p[n]) for n in "qkv")
        scores = jnp.einsum("ihd,jhd->hij", q, k) / 2 + jnp.moveaxis(edges @ p["bias"], -1, 0)
        return jnp.einsum("hij,ijhd->ihd", jax.nn.softmax(scores), v + _split(edges @ p["edge"]))

    def reference(note, p, x, edges):
        q, k, v = (_split(x @ p[n]) for n in "qkv")
        scores = np.einsum("ihd,jhd->hij", q, k) / 2 + np.moveaxis(edges @ p["bias"], -1, 0)
        values = v[None] + _split(edges @ p["edge"])
        return np.einsum("hij,ijhd->ihd", note(ref.softmax(scores)[None])[0], values)

    return Case(fn, (_parameters(draw), draw(NODES, MODEL), draw(NODES, NODES, 6)), reference)


@program("Cross-attention whose values are features of pairs and nothing else.")
def values_of_pairs(draw: Draw) -> Case:
    def fn(p, x, y, edges):
        q, k = _split(x @ p["q"]), _split(y @ p["k"])
        w = jax.nn.softmax(jnp.einsum("bihd,bjhd->bhij", q, k) / 2)
        return jnp.einsum("bhij,bijhd->bihd", w, _split(edges @ p["edge"]))

    def reference(note, p, x, y, edges):
        q, k = _split(x @ p["q"]), _split(y @ p["k"])
        w = note(ref.softmax(np.einsum("bihd,bjhd->bhij", q, k) / 2), "cross")
        return np.einsum("bhij,bijhd->bihd", w, _split(edges @ p["edge"]))

    args = _parameters(draw), draw(2, NODES, MODEL), draw(2, 7, MODEL), draw(2, NODES, 7, 6)
    return Case(fn, args, reference)


@program("Point transformer: a weight for each channel, scored from differences and positions.")
def point_transformer(draw: Draw) -> Case:
    p = _parameters(draw) | {"place": draw(3, MODEL), "score": draw.weight(MODEL, MODEL)}

    def fn(p, x, places):
        q, k, v = (x @ p[n] for n in "qkv")
        between = jax.nn.relu((places[:, :, None] - places[:, None]) @ p["place"])
        w = jax.nn.softmax((q[:, :, None] - k[:, None] + between) @ p["score"], axis=2)
        return (w * (v[:, None] + between)).sum(2)

    def reference(note, p, x, places):
        q, k, v = (x @ p[n] for n in "qkv")
        between = ref.relu((places[:, :, None] - places[:, None]) @ p["place"])
        scores = (q[:, :, None] - k[:, None] + between) @ p["score"]
        w = note(ref.softmax(np.moveaxis(scores, -1, 1)))
        return np.einsum("bcij,bijc->bic", w, v[:, None] + between)

    return Case(fn, (p, draw(2, NODES, MODEL), draw(2, NODES, 3)), reference)


@program("Messages from both ends of an edge side by side, weighed by a score of the message.")
def weighed_messages(draw: Draw) -> Case:
    p = {"message": draw.weight(2 * MODEL + 6, MODEL), "score": draw(MODEL)}

    def fn(p, x, edges):
        shape = (*edges.shape[:3], MODEL)
        ends = [jnp.broadcast_to(x[:, :, None], shape), jnp.broadcast_to(x[:, None], shape)]
        messages = jnp.tanh(jnp.concatenate([*ends, edges], -1) @ p["message"])
        w = jax.nn.softmax(messages @ p["score"])
        return x + jnp.einsum("bij,bijd->bid", w, messages)

    def reference(note, p, x, edges):
        shape = (*edges.shape[:3], MODEL)
        ends = [np.broadcast_to(x[:, :, None], shape), np.broadcast_to(x[:, None], shape)]
        messages = np.tanh(np.concatenate([*ends, edges], -1) @ p["message"])
        w = note(ref.softmax(messages @ p["score"])[:, None])
        return x + np.einsum("bij,bijd->bid", w[:, 0], messages)

    return Case(fn, (p, draw(2, NODES, MODEL), draw(2, NODES, NODES, 6)), reference)


def _neighbors(draw: Draw, count: int = 3):
    order = np.argsort(draw(2, NODES, NODES), axis=-1)
    return order[..., :count].astype(np.int32)


_looked_up = jax.vmap(lambda rows, places: rows[places])


@program("Neighbors by a list of indices, projected after they were looked up.")
def neighbors_projected(draw: Draw) -> Case:
    def fn(p, x, places, neighbors):
        near = _looked_up(x, neighbors)
        apart = _looked_up(places, neighbors) - places[:, :, None]
        q, k, v = (
            _split(x @ p["q"]),
            _split(near @ p["k"] + apart @ p["place"]),
            _split(near @ p["v"]),
        )
        w = jax.nn.softmax(jnp.einsum("bihd,bijhd->bihj", q, k) / 2)
        return jnp.einsum("bihj,bijhd->bihd", w, v)

    def reference(note, p, x, places, neighbors):
        near = np.stack([rows[own] for rows, own in zip(x, neighbors, strict=True)])
        apart = np.stack([rows[own] for rows, own in zip(places, neighbors, strict=True)])
        apart = apart - places[:, :, None]
        q, k, v = (
            _split(x @ p["q"]),
            _split(near @ p["k"] + apart @ p["place"]),
            _split(near @ p["v"]),
        )
        w = ref.softmax(np.einsum("bihd,bijhd->bhij", q, k) / 2)
        return np.einsum("bhij,bijhd->bihd", note(w, "cross"), v)

    p = draw.weights("q k v", MODEL, MODEL) | {"place": draw(3, MODEL)}
    return Case(fn, (p, draw(2, NODES, MODEL), draw(2, NODES, 3), _neighbors(draw)), reference)


@program("Point transformer among neighbors: channels have weights of their own.")
def points_among_neighbors(draw: Draw) -> Case:
    p = draw.weights("q k v score", MODEL, MODEL) | {"place": draw(3, MODEL)}

    def fn(p, x, places, neighbors):
        apart = places[:, :, None] - _looked_up(places, neighbors)
        apart = jax.nn.relu(apart @ p["place"])
        near = _looked_up(x @ p["k"], neighbors)
        w = jax.nn.softmax(((x @ p["q"])[:, :, None] - near + apart) @ p["score"], axis=2)
        return (w * (_looked_up(x @ p["v"], neighbors) + apart)).sum(2)

    def reference(note, p, x, places, neighbors):
        def near(rows):
            return np.stack([each[own] for each, own in zip(rows, neighbors, strict=True)])

        apart = ref.relu((places[:, :, None] - near(places)) @ p["place"])
        scores = ((x @ p["q"])[:, :, None] - near(x @ p["k"]) + apart) @ p["score"]
        w = note(ref.softmax(np.moveaxis(scores, -1, 1)), "cross")
        return np.einsum("bcij,bijc->bic", w, near(x @ p["v"]) + apart)

    return Case(fn, (p, draw(2, NODES, MODEL), draw(2, NODES, 3), _neighbors(draw)), reference)


@program("Neighborhood attention: patches of keys and values, cut out by a convolution.")
def patches_of_neighbors(draw: Draw) -> Case:
    def fn(p, x):
        def patches(y):
            cut = jax.lax.conv_general_dilated_patches(
                y, (3, 3), (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
            )
            return cut.reshape(*y.shape[:3], HEADS, WIDTH, 9)

        q = _split(x @ p["q"])
        k, v = patches(x @ p["k"]), patches(x @ p["v"])
        w = jax.nn.softmax(jnp.einsum("bxyhd,bxyhdn->bxyhn", q, k) / 2 + p["bias"])
        return jnp.einsum("bxyhn,bxyhdn->bxyhd", w, v)

    def reference(note, p, x):
        def patches(y):
            y = np.pad(y, ((0, 0), (1, 1), (1, 1), (0, 0)))
            cut = [y[:, i : i + 3, j : j + 4] for i in range(3) for j in range(3)]
            return np.moveaxis(_split(np.stack(cut, -2)), -3, -1)

        q = _split(x @ p["q"])
        k, v = patches(x @ p["k"]), patches(x @ p["v"])
        w = ref.softmax(np.einsum("bxyhd,bxyhdn->bhxyn", q, k) / 2 + p["bias"][:, None, None])
        w = note(w.reshape(2, HEADS, 12, 9), "cross").reshape(w.shape)
        return np.einsum("bhxyn,bxyhdn->bxyhd", w, v)

    p = draw.weights("q k v", MODEL, MODEL) | {"bias": draw(HEADS, 9)}
    return Case(fn, (p, draw(2, 3, 4, MODEL)), reference)


@program("One cloud of points among neighbors, no batch: channels have weights of their own.")
def one_cloud_of_points(draw: Draw) -> Case:
    p = draw.weights("q k v score", MODEL, MODEL)

    def fn(q, k, v, score, x, neighbors):
        scores = ((x @ q)[:, None] - (x @ k)[neighbors]) @ score
        return (jax.nn.softmax(scores, axis=1) * (x @ v)[neighbors]).sum(1)

    def reference(note, q, k, v, score, x, neighbors):
        scores = ((x @ q)[:, None] - (x @ k)[neighbors]) @ score
        w = note(ref.softmax(np.moveaxis(scores, -1, 0))[None], "cross")
        return np.einsum("cij,ijc->ic", w[0], (x @ v)[neighbors])

    neighbors = _neighbors(draw)[0]
    return Case(
        fn, (*(p[n] for n in ("q", "k", "v", "score")), draw(NODES, MODEL), neighbors), reference
    )


@program("Values at places that each query names, looked up by index in every example and head.")
def values_at_named_places(draw: Draw) -> Case:
    places = np.stack([(3 * i + np.arange(4)) % 7 for i in range(2 * NODES * HEADS)])
    places = places.reshape(2, NODES, HEADS, 4).astype(np.int32)

    def fn(p, x, y, places):
        batch, head = jnp.arange(2)[:, None, None, None], jnp.arange(HEADS)[:, None]
        values = _split(y @ p["v"])[batch, places, head]
        w = jax.nn.softmax((x @ p["weight"]).reshape(2, NODES, HEADS, 4))
        return jnp.einsum("bqhn,bqhnd->bqhd", w, values)

    def reference(note, p, x, y, places):
        batch, head = np.arange(2)[:, None, None, None], np.arange(HEADS)[:, None]
        values = _split(y @ p["v"])[batch, places, head]
        w = ref.softmax((x @ p["weight"]).reshape(2, NODES, HEADS, 4))
        w = note(w.swapaxes(1, 2), "cross", also_kinds=("self", "pooling"))
        return np.einsum("bhqn,bqhnd->bqhd", w, values)

    p = draw.weights("v", MODEL, MODEL) | {"weight": draw.weight(MODEL, HEADS * 4)}
    return Case(fn, (p, draw(2, NODES, MODEL), draw(2, 7, MODEL), places), reference)
