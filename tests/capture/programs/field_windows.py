"""Windows and neighborhoods of a picture, as vision repositories cut them out."""

import jax
import jax.numpy as jnp
import numpy as np

from tests.capture.programs import reference as ref
from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)


def _windows(x, size):
    b, h, w, c = x.shape
    x = x.reshape(b, h // size, size, w // size, size, c)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(-1, size * size, c)


def _unwindows(x, size, b, h, w):
    x = x.reshape(b, h // size, w // size, size, size, -1)
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(b, h, w, -1)


def _regions(h, w, size, shift):
    ids = np.zeros((1, h, w, 1), np.float32)
    parts = (slice(0, -size), slice(-size, -shift), slice(-shift, None))
    for number, (a, b) in enumerate((a, b) for a in parts for b in parts):
        ids[:, a, b] = number
    ids = _windows(ids, size)[..., 0]
    return ids[:, None] != ids[:, :, None]


@program("Swin: rolled windows, table of relative biases, regions kept apart by -100.")
def shifted_windows(draw: Draw) -> Case:
    p = {"qkv": draw.weight(6, 18), "bias": draw(18), "table": draw(9, 2), "o": draw.weight(6, 6)}
    grid = np.stack(np.meshgrid(np.arange(2), np.arange(2), indexing="ij")).reshape(2, -1)
    index = ((grid[:, :, None] - grid[:, None] + 1) * np.array([3, 1])[:, None, None]).sum(0)

    def fn(p, x):
        b, h, w, c = x.shape
        x = jnp.roll(x, shift=(-1, -1), axis=(1, 2))
        y = _windows(x, 2)
        qkv = (y @ p["qkv"] + p["bias"]).reshape(y.shape[0], 4, 3, 2, 3).transpose(2, 0, 3, 1, 4)
        q, k, v = qkv[0] * 3**-0.5, qkv[1], qkv[2]
        attn = q @ k.transpose(0, 1, 3, 2)
        attn = attn + p["table"][index.reshape(-1)].reshape(4, 4, 2).transpose(2, 0, 1)[None]
        mask = jnp.where(_regions(h, w, 2, 1), -100.0, 0.0)
        n = mask.shape[0]
        attn = attn.reshape(-1, n, 2, 4, 4) + mask[None, :, None]
        attn = jax.nn.softmax(attn.reshape(-1, 2, 4, 4), axis=-1)
        y = (attn @ v).transpose(0, 2, 1, 3).reshape(-1, 4, c) @ p["o"]
        return jnp.roll(_unwindows(y, 2, b, h, w), shift=(1, 1), axis=(1, 2))

    def reference(note, p, x):
        y = _windows(np.roll(x, (-1, -1), (1, 2)), 2)
        q, k, v = (ref.split(z, 2) for z in np.split(y @ p["qkv"] + p["bias"], 3, -1))
        bias = p["table"][index].transpose(2, 0, 1)[None]
        bias = bias + np.tile(np.where(_regions(4, 4, 2, 1), -100.0, 0), (2, 1, 1))[:, None]
        y = ref.merge(ref.attend(note, q, k, v, bias=bias)) @ p["o"]
        return np.roll(_unwindows(y, 2, 2, 4, 4), (1, 1), (1, 2))

    case = Case(fn, (p, draw(2, 4, 4, 6)), reference)
    return Case(fn, case.args, reference, unused="weights across regions are almost zero")


@program("Cosine attention of Swin v2: clamped scale, biases by a network over log distances.")
def cosine_windows(draw: Draw) -> Case:
    p = draw.weights("q k v", 6, 2, 3) | {
        "scale": draw(2, 1, 1),
        "w1": draw(2, 7),
        "w2": draw(7, 2),
    }
    grid = np.stack(np.meshgrid(np.arange(2), np.arange(3), indexing="ij"), -1).reshape(6, 2)
    far = (grid[:, None] - grid[None]).astype(np.float32)
    far = np.sign(far) * np.log2(1 + np.abs(far) * 4) / 3

    def fn(p, x):
        q, k, v = (jnp.einsum("wtm,mhd->whtd", x, p[n]) for n in "qkv")
        q = q / jnp.linalg.norm(q, axis=-1, keepdims=True)
        k = k / jnp.linalg.norm(k, axis=-1, keepdims=True)
        scale = jnp.exp(jnp.minimum(p["scale"], jnp.log(1.0 / 0.1)))
        bias = jax.nn.relu(far @ p["w1"]) @ p["w2"]
        bias = 16 * jax.nn.sigmoid(bias.transpose(2, 0, 1))
        w = jax.nn.softmax(q @ k.mT * scale + bias[None], axis=-1)
        return (w @ v).transpose(0, 2, 1, 3).reshape(x.shape)

    def reference(note, p, x):
        q, k, v = (ref.project(x, p[n]) for n in "qkv")
        q, k = (y / np.linalg.norm(y, axis=-1, keepdims=True) for y in (q, k))
        bias = 16 * ref.sigmoid((ref.relu(far @ p["w1"]) @ p["w2"]).transpose(2, 0, 1))
        scale = np.exp(np.minimum(p["scale"], np.log(10.0)))
        return ref.merge(ref.attend(note, q, k, v, scale=scale, bias=bias[None]))

    return Case(fn, (p, draw(4, 6, 6)), reference)


@program("Neighborhood attention: each place sees the nine around it, gathered by an index.")
def neighborhood(draw: Draw) -> Case:
    p = draw.weights("qkv", 6, 18) | {"bias": draw(2, 9), "o": draw.weight(6, 6)}

    def places():
        rows, columns = (
            np.clip(np.arange(n), 1, n - 2)[:, None] + np.arange(-1, 2) for n in (4, 3)
        )
        return (rows[:, None, :, None] * 3 + columns[None, :, None, :]).reshape(12, 9)

    def fn(p, x):
        q, k, v = jnp.split(x.reshape(2, 12, 6) @ p["qkv"], 3, axis=-1)
        q = q.reshape(2, 12, 2, 3) * 3**-0.5
        k, v = (jnp.take(y.reshape(2, 12, 2, 3), places(), axis=1) for y in (k, v))
        s = jnp.einsum("bnhd,bnwhd->bnhw", q, k) + p["bias"]
        w = jax.nn.softmax(s, axis=-1)
        return (jnp.einsum("bnhw,bnwhd->bnhd", w, v).reshape(2, 12, 6) @ p["o"]).reshape(x.shape)

    def reference(note, p, x):
        q, k, v = (ref.split(y, 2) for y in np.split(x.reshape(2, 12, 6) @ p["qkv"], 3, -1))
        k, v = k[:, :, places()], v[:, :, places()]
        w = ref.softmax(np.einsum("bhnd,bhnwd->bhnw", q, k) * 3**-0.5 + p["bias"][:, None])
        y = np.einsum("bhnw,bhnwd->bhnd", note(w, also_kinds=("cross",)), v)
        return (ref.merge(y) @ p["o"]).reshape(x.shape)

    return Case(fn, (p, draw(2, 4, 3, 6)), reference)


@program("Local window in one dimension: keys are shifted copies, weights by products and sums.")
def shifted_copies(draw: Draw) -> Case:
    def fn(q, k, v):
        padded = [jnp.pad(y, ((0, 0), (2, 2), (0, 0))) for y in (k, v)]
        k, v = (jnp.stack([y[:, i : i + 6] for i in range(5)], axis=2) for y in padded)
        inside = np.arange(6)[:, None] + np.arange(5)
        inside = (inside >= 2) & (inside < 8)
        s = jnp.sum(q[:, :, None] * k, axis=-1) / jnp.sqrt(q.shape[-1])
        s = jnp.where(inside, s, -jnp.inf)
        w = jax.nn.softmax(s, axis=-1)
        return jnp.sum(w[..., None] * v, axis=2)

    def reference(note, q, k, v):
        full = np.einsum("bqd,bkd->bqk", q, k) / 2
        s = np.full((2, 6, 5), -np.inf)
        for t in range(6):
            for i in range(5):
                if 0 <= t + i - 2 < 6:
                    s[:, t, i] = full[:, t, t + i - 2]
        w = note(ref.softmax(s)[:, None], "cross", also_kinds=("self",))[:, 0]
        padded = np.pad(v, ((0, 0), (2, 2), (0, 0)))
        return sum(w[:, :, i, None] * padded[:, i : i + 6] for i in range(5))

    case = Case(fn, (draw(2, 6, 4), draw(2, 6, 4), draw(2, 6, 4)), reference)
    return Case(fn, case.args, reference, unused="places beyond the edge")


@program("Local window whose keys beyond the ends are copies of the last ones: `pad` by edges.")
def padded_by_edges(draw: Draw) -> Case:
    def fn(q, k, v):
        padded = [jnp.pad(y, ((0, 0), (1, 1), (0, 0)), mode="edge") for y in (k, v)]
        k, v = (jnp.stack([y[:, i : i + 6] for i in range(3)], axis=2) for y in padded)
        w = jax.nn.softmax(jnp.einsum("bqd,bqwd->bqw", q, k) / 2, axis=-1)
        return jnp.einsum("bqw,bqwd->bqd", w, v)

    def reference(note, q, k, v):
        places = np.clip(np.arange(6)[:, None] + np.arange(-1, 2), 0, 5)
        s = np.einsum("bqd,bqwd->bqw", q, k[:, places]) / 2
        w = note(ref.softmax(s)[:, None], "cross", also_kinds=("self",))[:, 0]
        return np.einsum("bqw,bqwd->bqd", w, v[:, places])

    return Case(fn, (draw(2, 6, 4), draw(2, 6, 4), draw(2, 6, 4)), reference)
