"""Attention between places of a picture, as vision repositories spell it."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.capture.programs import reference as ref
from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)


@program("Vision transformer whose head pools by a learned probe with heads (MAP head).")
def probe_head(draw: Draw) -> Case:
    p = {"patch": draw(2, 2, 3, 6, scale=0.3), "positions": draw(1, 6, 6, scale=0.3)}
    p |= {f"{n}{i}": draw.weight(6, 6) for i in range(2) for n in "qkvo"}
    p |= {"probe": draw(1, 1, 6), "up": draw.weight(6, 10), "down": draw.weight(10, 6)}

    def attend(p, i, queries, x):
        q, k, v = (
            (y @ p[f"{n}{i}"]).reshape(*y.shape[:2], 2, 3)
            for y, n in ((queries, "q"), (x, "k"), (x, "v"))
        )
        a = jax.nn.softmax(jnp.einsum("bqhd,bkhd->bhqk", q / jnp.sqrt(3), k))
        out = jnp.einsum("bhqk,bkhd->bqhd", a, v)
        return out.reshape(queries.shape) @ p[f"o{i}"]

    def fn(p, image):
        x = lax.conv_general_dilated(
            image, p["patch"], (2, 2), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        n, h, w, c = x.shape
        x = jnp.reshape(x, [n, h * w, c]) + p["positions"]
        x = x + attend(p, 0, x, x)
        x = attend(p, 1, jnp.tile(p["probe"], [n, 1, 1]), x)
        x = x + jax.nn.gelu(x @ p["up"]) @ p["down"]
        return x[:, 0]

    def reference(note, p, image):
        patches = image.reshape(2, 2, 2, 3, 2, 3).transpose(0, 1, 3, 2, 4, 5).reshape(2, 6, 12)
        x = patches @ p["patch"].reshape(12, 6) + p["positions"]
        q, k, v = (ref.split(x @ p[f"{n}0"], 2) for n in "qkv")
        x = x + ref.merge(ref.attend(note, q, k, v)) @ p["o0"]
        probe = np.repeat(p["probe"], 2, 0)
        q, k, v = ref.split(probe @ p["q1"], 2), *(ref.split(x @ p[f"{n}1"], 2) for n in "kv")
        out = ref.attend(note, q, k, v, kind="pooling", also_kinds=("cross",))
        x = ref.merge(out) @ p["o1"]
        return (x + ref.gelu(x @ p["up"]) @ p["down"])[:, 0]

    return Case(fn, (p, draw(2, 4, 6, 3)), reference)


@program("DETR's decoder: learned queries start from zeros, positions added to queries and keys.")
def object_queries(draw: Draw) -> Case:
    layers = [
        {f"{n}{i}": draw.weight(6, 6) for i in range(2) for n in "qkvo"} | {"b": draw(6)}
        for _ in range(2)
    ]
    p = {"layers": layers, "queries": draw(4, 6)}

    def fn(p, memory, positions):
        where = jnp.broadcast_to(p["queries"][None], (2, 4, 6))
        x = jnp.zeros_like(where)

        def mha(layer, i, q, k, v):
            def heads(t, n):
                return (t @ layer[f"{n}{i}"]).reshape(2, -1, 2, 3).swapaxes(1, 2)

            v = heads(v, "v") + layer["b"].reshape(2, 1, 3)
            a = jax.nn.softmax(heads(q, "q") @ heads(k, "k").mT / np.sqrt(3.0), axis=-1)
            return (a @ v).swapaxes(1, 2).reshape(2, -1, 6) @ layer[f"o{i}"]

        def norm(x):
            return (x - x.mean(-1, keepdims=True)) / jnp.sqrt(x.var(-1, keepdims=True) + 1e-6)

        for layer in p["layers"]:
            x = norm(x + mha(layer, 0, x + where, x + where, x))
            x = norm(x + mha(layer, 1, x + where, memory + positions, memory))
        return x

    def reference(note, p, memory, positions):
        where = np.repeat(p["queries"][None], 2, 0)
        x = np.zeros_like(where)
        for number, w in enumerate(p["layers"]):
            q, k, v = (
                ref.split(y @ w[f"{n}0"], 2)
                for y, n in ((x + where, "q"), (x + where, "k"), (x, "v"))
            )
            reason = "" if number else "the values are those of zeros"
            out = ref.attend(note, q, k, v + w["b"].reshape(2, 1, 3), optional=reason)
            x = ref.layer_norm(x + ref.merge(out) @ w["o0"])
            q = ref.split((x + where) @ w["q1"], 2)
            k, v = ref.split((memory + positions) @ w["k1"], 2), ref.split(memory @ w["v1"], 2)
            out = ref.attend(note, q, k, v + w["b"].reshape(2, 1, 3), kind="cross")
            x = ref.layer_norm(x + ref.merge(out) @ w["o1"])
        return x

    return Case(fn, (p, draw(2, 6, 6), draw(1, 6, 6)), reference)


@program("Axial attention: along the rows, then along the columns, by vmap over the other axis.")
def axial(draw: Draw) -> Case:
    p = {f"{n}{i}": draw.weight(6, 2, 3) for i in range(2) for n in "qkv"}
    p |= {"o0": draw(2, 3, 6, scale=0.4), "o1": draw(2, 3, 6, scale=0.4)}

    def along(p, i, x):
        q, k, v = (jnp.einsum("btm,mhd->bthd", x, p[f"{n}{i}"]) for n in "qkv")
        w = jax.nn.softmax(jnp.einsum("bthd,bshd->bhts", q, k) / 3**0.5, -1)
        return jnp.einsum("bhts,bshd,hdm->btm", w, v, p[f"o{i}"])

    def fn(p, x):
        x = x + jax.vmap(lambda rows: along(p, 0, rows), in_axes=1, out_axes=1)(x)
        return x + jax.vmap(lambda columns: along(p, 1, columns), in_axes=2, out_axes=2)(x)

    def reference(note, p, x):
        for i in range(2):
            lines = (x if i == 0 else x.swapaxes(1, 2)).swapaxes(0, 1)
            flat = lines.reshape(-1, *lines.shape[2:])
            q, k, v = (ref.project(flat, p[f"{n}{i}"]) for n in "qkv")
            w = ref.softmax(ref.logits_of(q, k))
            # Which of the two axes of the batch is first is a matter of taste.
            grid = w.reshape(*lines.shape[:2], *w.shape[1:])
            w = note(w, also=[grid.swapaxes(0, 1).reshape(w.shape)])
            y = ref.unproject(ref.mix(w, v), p[f"o{i}"]).reshape(lines.shape).swapaxes(0, 1)
            x = x + (y if i == 0 else y.swapaxes(1, 2))
        return x

    return Case(fn, (p, draw(2, 3, 4, 6)), reference)


@program("Attention over both axes of a picture at once: softmax and dot_general over two axes.")
def two_axes_at_once(draw: Draw) -> Case:
    p = draw.weights("q k v", 6, 2, 3)

    def fn(p, x):
        q, k, v = (jnp.tensordot(x, p[n], 1).transpose(0, 3, 1, 2, 4) for n in "qkv")
        batch = ((0, 1), (0, 1))
        s = lax.dot_general(q / jnp.sqrt(3.0), k, (((4,), (4,)), batch))
        w = jax.nn.softmax(s, axis=(-2, -1))
        y = lax.dot_general(w, v, (((4, 5), (2, 3)), batch))
        return y.transpose(0, 2, 3, 1, 4)

    def reference(note, p, x):
        q, k, v = (ref.project(x.reshape(2, 12, 6), p[n]) for n in "qkv")
        return ref.attend(note, q, k, v).swapaxes(1, 2).reshape(2, 3, 4, 2, 3)

    return Case(fn, (p, draw(2, 3, 4, 6)), reference)


@program("Perceiver IO: latents read the inputs, attend to themselves, output queries read them.")
def perceiver_io(draw: Draw) -> Case:
    p = {f"{n}{i}": draw.weight(6, 6) for i in range(3) for n in ("q", "kv_k", "kv_v", "o")}
    p |= {"latents": draw(3, 6), "outputs": draw(5, 6)}

    def fn(p, x):
        def attend(i, queries, inputs):
            q = (queries @ p[f"q{i}"]).reshape(*queries.shape[:-1], 2, 3)
            k = (inputs @ p[f"kv_k{i}"]).reshape(*inputs.shape[:-1], 2, 3)
            v = (inputs @ p[f"kv_v{i}"]).reshape(*inputs.shape[:-1], 2, 3)
            w = jax.nn.softmax(jnp.einsum("...qhd,...khd->...hqk", q, k) * 3**-0.5)
            out = jnp.einsum("...hqk,...khd->...qhd", w, v)
            return queries + out.reshape(*out.shape[:-2], 6) @ p[f"o{i}"]

        def single(x):
            z = attend(0, p["latents"], x)
            z = attend(1, z, z)
            return attend(2, p["outputs"], z)

        return jax.vmap(single)(x)

    def reference(note, p, x):
        def attend(i, queries, inputs, kind, also):
            names = (("q", queries), ("kv_k", inputs), ("kv_v", inputs))
            q, k, v = (ref.split(y @ p[f"{n}{i}"], 2) for n, y in names)
            out = ref.attend(note, q, k, v, kind=kind, also_kinds=also)
            return queries + ref.merge(out) @ p[f"o{i}"]

        z = attend(0, np.repeat(p["latents"][None], 2, 0), x, "cross", ("pooling",))
        z = attend(1, z, z, "self", ())
        return attend(2, np.repeat(p["outputs"][None], 2, 0), z, "cross", ("pooling",))

    return Case(fn, (p, draw(2, 7, 6)), reference)


@program("Cross-covariance attention: channels attend to channels, temperature for each head.")
def cross_covariance(draw: Draw) -> Case:
    p = draw.weights("qkv", 8, 24) | {"t": 1 + draw(2, 1, 1, scale=0.1), "o": draw.weight(8, 8)}

    def fn(p, x):
        qkv = (x @ p["qkv"]).reshape(2, 5, 3, 2, 4).transpose(2, 0, 3, 4, 1)
        q, k, v = qkv
        q, k = (y / jnp.maximum(jnp.linalg.norm(y, axis=-1, keepdims=True), 1e-6) for y in (q, k))
        attn = jax.nn.softmax((q @ k.swapaxes(-2, -1)) * p["t"], axis=-1)
        return (attn @ v).transpose(0, 3, 1, 2).reshape(2, 5, 8) @ p["o"]

    def reference(note, p, x):
        q, k, v = (ref.split(y, 2).swapaxes(2, 3) for y in np.split(x @ p["qkv"], 3, -1))
        q, k = (y / np.linalg.norm(y, axis=-1, keepdims=True) for y in (q, k))
        out = ref.attend(note, q, k, v, scale=p["t"])
        return ref.merge(out.swapaxes(2, 3)) @ p["o"]

    return Case(fn, (p, draw(2, 5, 8)), reference)


@program("Non-local block, channels first, keys and values thinned by max pooling.")
def non_local(draw: Draw) -> Case:
    p = draw.weights("theta phi g", 6, 3) | {"z": draw.weight(3, 6)}

    def fn(p, x):
        b, _c, h, w = x.shape

        def conv(y, m):
            return jnp.einsum("bchw,cd->bdhw", y, m)

        def pool(y):
            return lax.reduce_window(y, -jnp.inf, lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")

        theta = conv(x, p["theta"]).reshape(b, 3, h * w)
        phi, g = (pool(conv(x, p[n])).reshape(b, 3, -1) for n in ("phi", "g"))
        f = jax.nn.softmax(jnp.matmul(theta.transpose(0, 2, 1), phi), axis=-1)
        y = jnp.matmul(f, g.transpose(0, 2, 1)).transpose(0, 2, 1).reshape(b, 3, h, w)
        return x + conv(y, p["z"])

    def reference(note, p, x):
        flat = x.transpose(0, 2, 3, 1)
        theta = (flat @ p["theta"]).reshape(2, 1, 16, 3)
        thin = [(flat @ p[n]).reshape(2, 2, 2, 2, 2, 3).max((2, 4)) for n in ("phi", "g")]
        phi, g = (y.reshape(2, 1, 4, 3) for y in thin)
        out = ref.attend(note, theta, phi, g, scale=1.0, also_kinds=("cross",))
        return x + (out[:, 0] @ p["z"]).transpose(0, 2, 1).reshape(x.shape)

    return Case(fn, (p, draw(2, 6, 4, 4)), reference)


@program("Guidance without a classifier: the pictures twice in a batch, with a text and without.")
def guided_without_classifier(draw: Draw) -> Case:
    p = draw.weights("q k v", 6, 2, 3) | {"o": draw(2, 3, 6)}

    def fn(p, x, text, empty):
        twice = jnp.concatenate([x] * 2)
        context = jnp.concatenate([empty, text])
        q = jnp.einsum("btm,mhd->bhtd", twice, p["q"])
        k, v = (jnp.einsum("btm,mhd->bhtd", context, p[n]) for n in "kv")
        mixed = jax.nn.softmax(q @ k.mT / jnp.sqrt(3)) @ v
        without, given = jnp.split(twice + jnp.einsum("bhtd,hdm->btm", mixed, p["o"]), 2)
        return without + 7.5 * (given - without)

    def reference(note, p, x, text, empty):
        twice, context = np.concatenate([x, x]), np.concatenate([empty, text])
        q = ref.project(twice, p["q"])
        k, v = (ref.project(context, p[n]) for n in "kv")
        mixed = twice + ref.unproject(ref.attend(note, q, k, v, kind="cross"), p["o"])
        return mixed[:3] + 7.5 * (mixed[3:] - mixed[:3])

    return Case(fn, (p, draw(3, 5, 6), draw(3, 4, 6), draw(3, 4, 6)), reference)


@program("Two pictures, given apart and put into one batch.")
def two_pictures(draw: Draw) -> Case:
    p = draw.weights("q k v", 6, 2, 3)

    def fn(p, first, second):
        x = jnp.concatenate([first[None], second[None]])
        q, k, v = (jnp.einsum("btm,mhd->bhtd", x, p[n]) for n in "qkv")
        return jax.nn.softmax(q @ k.mT / jnp.sqrt(3)) @ v

    def reference(note, p, first, second):
        q, k, v = (ref.project(np.stack([first, second]), p[n]) for n in "qkv")
        return ref.attend(note, q, k, v)

    return Case(fn, (p, draw(5, 6), draw(5, 6)), reference)
