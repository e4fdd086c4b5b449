"""Attention over images: windows, axes, positions, channels."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.capture.programs import reference as ref
from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)


def _ref_heads(x, p):
    return tuple(ref.project(x, p[n]) for n in "qkv")


@program("Non-local block: every position sees every other, projections by 1x1 convolutions.")
def non_local(draw: Draw) -> Case:
    p = draw.weights("q k v", 6, 3) | {"o": draw.weight(3, 6)}

    def fn(p, x):
        def conv(x, w):
            dims = ("NHWC", "HWIO", "NHWC")
            kernel = w[None, None]
            return lax.conv_general_dilated(x, kernel, (1, 1), "VALID", dimension_numbers=dims)

        theta, phi, g = (conv(x, p[n]).reshape(2, 12, 3) for n in "qkv")
        attention = jax.nn.softmax(theta @ phi.transpose(0, 2, 1), axis=-1)
        return x + conv((attention @ g).reshape(2, 3, 4, 3), p["o"])

    def reference(note, p, x):
        q, k, v = ((x.reshape(2, 12, 6) @ p[n])[:, None] for n in "qkv")
        out = ref.attend(note, q, k, v, scale=1.0)[:, 0]
        return x + (out @ p["o"]).reshape(x.shape)

    return Case(fn, (p, draw(2, 3, 4, 6)), reference)


@program("Non-local, channels first, keys and values pooled (self-attention of SAGAN).")
def non_local_channels_first(draw: Draw) -> Case:
    p = draw.weights("q k v", 6, 3) | {"o": draw.weight(3, 6)}

    def fn(p, x):
        f, g, h = (jnp.einsum("bchw,cd->bdhw", x, p[n]) for n in "qkv")
        g, h = (y.reshape(2, 3, 2, 2, 2, 2).max((3, 5)).reshape(2, 3, 4) for y in (g, h))
        beta = jax.nn.softmax(f.reshape(2, 3, 16).mT @ g, -1)
        o = jnp.einsum("bdk,bqk->bdq", h, beta)
        return x + 0.5 * jnp.einsum("bdq,dc->bcq", o, p["o"]).reshape(x.shape)

    def reference(note, p, x):
        q, k, v = (np.einsum("bchw,cd->bhwd", x, p[n]) for n in "qkv")
        k, v = (y.reshape(2, 2, 2, 2, 2, 3).max((2, 4)).reshape(2, 1, 4, 3) for y in (k, v))
        q = q.reshape(2, 1, 16, 3)
        out = ref.attend(note, q, k, v, scale=1.0, also_kinds=("cross",))[:, 0] @ p["o"]
        return x + 0.5 * out.transpose(0, 2, 1).reshape(x.shape)

    return Case(fn, (p, draw(2, 6, 4, 4)), reference)


@program("Height and width stay two axes: einsum hwd, ijd and softmax over two axes.")
def four_axes_of_positions(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = (jnp.einsum("bhwm,mnd->bnhwd", x, p[n]) for n in "qkv")
        s = jnp.einsum("bnhwd,bnijd->bnhwij", q, k) / jnp.sqrt(3.0)
        a = jax.nn.softmax(s, axis=(-2, -1))
        return jnp.einsum("bnhwij,bnijd->bhwnd", a, v)

    def reference(note, x, p):
        out = ref.attend(note, *_ref_heads(x.reshape(2, 12, 6), p))
        return out.transpose(0, 2, 1, 3).reshape(2, 3, 4, 2, 3)

    return Case(fn, (draw(2, 3, 4, 6), draw.weights("q k v", 6, 2, 3)), reference)


@program("Axial attention: first along the height, then along the width.")
def axial(draw: Draw) -> Case:
    p = {axis: draw.weights("q k v", 6, 2, 3) for axis in ("height", "width")}

    def fn(p, x):
        def attend(x, p):
            q, k, v = (jnp.einsum("...tm,mhd->...thd", x, p[n]) for n in "qkv")
            a = jax.nn.softmax(jnp.einsum("...qhd,...khd->...hqk", q, k) / jnp.sqrt(3.0))
            return jnp.einsum("...hqk,...khd->...qhd", a, v).reshape(x.shape)

        x = x + attend(x.swapaxes(1, 2), p["height"]).swapaxes(1, 2)
        return x + attend(x, p["width"])

    def reference(note, p, x):
        columns = x.transpose(0, 2, 1, 3).reshape(8, 3, 6)
        out = ref.merge(ref.attend(note, *_ref_heads(columns, p["height"])))
        x = x + out.reshape(2, 4, 3, 6).transpose(0, 2, 1, 3)
        out = ref.merge(ref.attend(note, *_ref_heads(x.reshape(6, 4, 6), p["width"])))
        return x + out.reshape(x.shape)

    return Case(fn, (p, draw(2, 3, 4, 6)), reference)


@program("Axial attention without moving axes: einsum over columns, softmax in the middle.")
def axial_in_place(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = (x @ p[n] for n in "qkv")
        a = jax.nn.softmax(jnp.einsum("bhwd,bgwd->bgwh", q, k), axis=1)
        return jnp.einsum("bgwh,bgwd->bhwd", a, v)

    def reference(note, x, p):
        columns = x.transpose(0, 2, 1, 3).reshape(8, 3, 6)
        out = ref.attend(note, *((columns @ p[n])[:, None] for n in "qkv"), scale=1.0)
        return out[:, 0].reshape(2, 4, 3, 5).transpose(0, 2, 1, 3)

    return Case(fn, (draw(2, 3, 4, 6), draw.weights("q k v", 6, 5)), reference)


def _windows(x):
    """`[batch 4 4 c]` to `[batch*4, 4, c]`: windows of two by two."""
    b, _, _, c = x.shape
    return x.reshape(b, 2, 2, 2, 2, c).transpose(0, 1, 3, 2, 4, 5).reshape(b * 4, 4, c)


def _unwindows(x):
    return (
        x.reshape(-1, 2, 2, 2, 2, x.shape[-1])
        .transpose(0, 1, 3, 2, 4, 5)
        .reshape(-1, 4, 4, x.shape[-1])
    )


def _shift_mask():
    regions = np.zeros((1, 4, 4, 1))
    parts = (slice(0, 2), slice(2, 3), slice(3, 4))
    for number, (h, w) in enumerate((h, w) for h in parts for w in parts):
        regions[:, h, w] = number
    flat = _windows(regions)[..., 0]
    return flat[:, None, :] == flat[:, :, None]


_RELATIVE = (
    (np.arange(4)[:, None] // 2 - np.arange(4) // 2 + 1) * 3
    + np.arange(4)[:, None] % 2
    - np.arange(4) % 2
    + 1
)


@program("Swin: windows of two by two with a table of relative biases.")
def windows(draw: Draw) -> Case:
    p = draw.weights("q k v", 6, 2, 3) | {"table": draw(9, 2)}

    def fn(p, x):
        y = _windows(x)
        q, k, v = (jnp.einsum("nlm,mhd->nhld", y, p[n]) for n in "qkv")
        bias = p["table"][_RELATIVE.reshape(-1)].reshape(4, 4, 2).transpose(2, 0, 1)
        a = jax.nn.softmax(q @ k.mT * 3**-0.5 + bias[None])
        return _unwindows((a @ v).transpose(0, 2, 1, 3).reshape(-1, 4, 6))

    def reference(note, p, x):
        bias = p["table"][_RELATIVE].transpose(2, 0, 1)
        return _unwindows(ref.merge(ref.attend(note, *_ref_heads(_windows(x), p), bias=bias)))

    return Case(fn, (p, draw(2, 4, 4, 6)), reference)


@program("Swin: windows shifted by rolling, with the mask between regions, a fused projection.")
def shifted_windows(draw: Draw) -> Case:
    w, mask = draw.weight(6, 18), _shift_mask()

    def fn(w, x):
        y = _windows(jnp.roll(x, (-1, -1), (1, 2)))
        q, k, v = (y @ w).reshape(8, 4, 3, 2, 3).transpose(2, 0, 3, 1, 4)
        s = (q * 3**-0.5) @ k.swapaxes(-2, -1)
        blocked = jnp.where(jnp.asarray(mask), 0.0, -100.0)
        s = (s.reshape(2, 4, 2, 4, 4) + blocked[:, None]).reshape(8, 2, 4, 4)
        y = (jax.nn.softmax(s, -1) @ v).swapaxes(1, 2).reshape(8, 4, 6)
        return jnp.roll(_unwindows(y), (1, 1), (1, 2))

    def reference(note, w, x):
        y = _windows(np.roll(x, (-1, -1), (1, 2)))
        q, k, v = (ref.split(y @ part, 2) for part in np.split(w, 3, axis=1))
        bias = np.where(np.tile(mask, (2, 1, 1))[:, None], 0.0, -100.0)
        out = ref.merge(ref.attend(note, q, k, v, bias=bias))
        return np.roll(_unwindows(out), (1, 1), (1, 2))

    return Case(fn, (w, draw(2, 4, 4, 6)), reference)


@program("Windows as axes of their own: rows and columns of windows stay batch axes of einsum.")
def windows_as_axes(draw: Draw) -> Case:
    def fn(x, p):
        y = x.reshape(2, 2, 2, 2, 2, 6).swapaxes(2, 3).reshape(2, 2, 2, 4, 6)
        q, k, v = (jnp.einsum("bijtm,mhd->bijhtd", y, p[n]) for n in "qkv")
        a = jax.nn.softmax(jnp.einsum("bijhqd,bijhkd->bijhqk", q, k) / jnp.sqrt(3.0))
        return jnp.einsum("bijhqk,bijhkd->bijqhd", a, v)

    def reference(note, x, p):
        out = ref.attend(note, *_ref_heads(_windows(x), p))
        return out.transpose(0, 2, 1, 3).reshape(2, 2, 2, 4, 2, 3)

    return Case(fn, (draw(2, 4, 4, 6), draw.weights("q k v", 6, 2, 3)), reference)


@program("Keys and values on a coarser grid (spatial reduction of PVT), by a strided convolution.")
def spatial_reduction(draw: Draw) -> Case:
    p = draw.weights("q k v", 6, 2, 3) | {"reduce": draw(2, 2, 6, 6, scale=0.3)}

    def fn(p, x):
        dims = ("NHWC", "HWIO", "NHWC")
        small = lax.conv_general_dilated(x, p["reduce"], (2, 2), "VALID", dimension_numbers=dims)
        q = jnp.einsum("btm,mhd->bhtd", x.reshape(2, 16, 6), p["q"])
        k, v = (jnp.einsum("btm,mhd->bhtd", small.reshape(2, 4, 6), p[n]) for n in "kv")
        return jax.nn.softmax(q @ k.mT * 3**-0.5, axis=-1) @ v

    def reference(note, p, x):
        small = np.einsum(
            "bijxyc,xycd->bijd", x.reshape(2, 2, 2, 2, 2, 6).swapaxes(2, 3), p["reduce"]
        )
        q = ref.project(x.reshape(2, 16, 6), p["q"])
        k, v = (ref.project(small.reshape(2, 4, 6), p[n]) for n in "kv")
        return ref.attend(note, q, k, v, also_kinds=("cross",))

    return Case(fn, (p, draw(2, 4, 4, 6)), reference)


@program("Channels are the tokens: their features over positions are compared (DANet).")
def channels_as_tokens(draw: Draw) -> Case:
    def fn(x):
        flat = x.reshape(2, 6, 12)
        energy = jnp.einsum("bcn,bdn->bcd", flat, flat)
        energy = energy.max(-1, keepdims=True) - energy
        a = jax.nn.softmax(energy, axis=-1)
        return x + 0.5 * (a @ flat).reshape(x.shape)

    def reference(note, x):
        flat = x.reshape(2, 6, 12)
        energy = np.einsum("bcn,bdn->bcd", flat, flat)
        a = note(ref.softmax(energy.max(-1, keepdims=True) - energy)[:, None])
        return x + 0.5 * ref.mix(a, flat[:, None])[:, 0].reshape(x.shape)

    return Case(fn, (0.3 * draw(2, 6, 3, 4),), reference)


@program("Cross-covariance attention (XCiT): features of one head attend to each other.")
def cross_covariance(draw: Draw) -> Case:
    p, tau = draw.weights("q k v", 6, 2, 3), np.array([2.0, 0.5], np.float32)

    def fn(p, tau, x):
        q, k, v = (jnp.einsum("btm,mhd->bhdt", x, p[n]) for n in "qkv")
        q, k = (y / jnp.linalg.norm(y, axis=-1, keepdims=True) for y in (q, k))
        a = jax.nn.softmax(q @ k.mT * tau[:, None, None])
        return (a @ v).transpose(0, 3, 1, 2)

    def reference(note, p, tau, x):
        q, k, v = (ref.project(x, p[n]).transpose(0, 1, 3, 2) for n in "qkv")
        q, k = (y / np.sqrt((y**2).sum(-1, keepdims=True)) for y in (q, k))
        out = ref.attend(note, q, k, v, scale=tau[:, None, None])
        return out.transpose(0, 3, 1, 2)

    return Case(fn, (p, tau, draw(2, 5, 6)), reference)


@program("Neighborhood attention in one dimension: keys gathered in windows by index.")
def gathered_neighbors(draw: Draw) -> Case:
    index = np.clip(np.arange(6)[:, None] + np.arange(-1, 2), 0, 5)

    def fn(x, p):
        q, k, v = (jnp.einsum("btm,mhd->bthd", x, p[n]) for n in "qkv")
        k, v = k[:, index], v[:, index]
        a = jax.nn.softmax(jnp.einsum("bthd,btwhd->bhtw", q, k) / jnp.sqrt(3.0), axis=-1)
        return jnp.einsum("bhtw,btwhd->bthd", a, v)

    def reference(note, x, p):
        q, k, v = _ref_heads(x, p)
        a = ref.softmax(np.einsum("bhtd,bhtwd->bhtw", q, k[:, :, index]) / np.sqrt(3))
        dense = np.zeros((2, 2, 6, 6))
        for t in range(6):
            for w in range(3):
                dense[:, :, t, index[t, w]] += a[:, :, t, w]
        a = note(a, "self", also=[dense], also_kinds=("cross",))
        return np.einsum("bhtw,bhtwd->bthd", a, v[:, :, index])

    return Case(fn, (draw(2, 6, 6), draw.weights("q k v", 6, 2, 3)), reference)


@program("Local attention on an image by patches (3x3 around each position), padding masked.")
def patches_around_positions(draw: Draw) -> Case:
    def unfold(x, xp):
        padded = xp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        return xp.stack([padded[:, i : i + 3, j : j + 4] for i in range(3) for j in range(3)], 3)

    def fn(x, p):
        q, k, v = (x @ p[n] for n in "qkv")
        inside = unfold(jnp.ones((1, 3, 4, 1)), jnp)[..., 0] > 0
        s = jnp.where(inside, (q[:, :, :, None] * unfold(k, jnp)).sum(-1) / 2, -1e9)
        return (jax.nn.softmax(s)[..., None] * unfold(v, jnp)).sum(3)

    def reference(note, x, p):
        q, k, v = (x @ p[n] for n in "qkv")
        inside = unfold(np.ones((1, 3, 4, 1)), np)[..., 0] > 0
        s = np.einsum("bhwd,bhwnd->bhwn", q, unfold(k, np)) / 2
        a = ref.softmax(np.where(inside, s, -np.inf)).reshape(2, 1, 12, 9)
        a = note(a, "self", also_kinds=("cross",)).reshape(2, 3, 4, 9)
        return np.einsum("bhwn,bhwnd->bhwd", a, unfold(v, np))

    return Case(
        fn,
        (draw(2, 3, 4, 6), draw.weights("q k v", 6, 4)),
        reference,
        unused="values outside of the image are zero",
    )


@program("A vision transformer: patches by a convolution, a class token, two layers, a classifier.")
def vision_transformer(draw: Draw) -> Case:
    layers = [draw.weights("q k v", 6, 2, 3) for _ in range(2)]
    p = {"patch": draw(2, 2, 3, 6, scale=0.3), "cls": draw(1, 1, 6), "head": draw.weight(6, 4)}
    p = {**p, "layers": layers}

    def fn(p, image):
        dims = ("NHWC", "HWIO", "NHWC")
        x = lax.conv_general_dilated(image, p["patch"], (2, 2), "VALID", dimension_numbers=dims)
        x = jnp.concatenate([jnp.tile(p["cls"], (2, 1, 1)), x.reshape(2, 4, 6)], axis=1)
        for layer in p["layers"]:
            q, k, v = (jnp.einsum("btm,mhd->bthd", x, layer[n]) for n in "qkv")
            x = x + jax.nn.dot_product_attention(q, k, v).reshape(x.shape)
        return jax.nn.softmax(x @ p["head"])

    def reference(note, p, image):
        patches = image.reshape(2, 2, 2, 2, 2, 3).swapaxes(2, 3)
        x = np.einsum("bijxyc,xycd->bijd", patches, p["patch"]).reshape(2, 4, 6)
        x = np.concatenate([np.repeat(p["cls"], 2, 0), x], 1)
        for layer in p["layers"]:
            x = x + ref.merge(ref.attend(note, *_ref_heads(x, layer)))
        return ref.softmax(x @ p["head"])

    return Case(fn, (p, draw(2, 4, 4, 3)), reference)


@program("Deformable attention: values are sampled where the query says; weights from the query.")
def deformable(draw: Draw) -> Case:
    p = {"offset": draw.weight(6, 3), "weight": draw.weight(6, 3), "value": draw.weight(6, 4)}

    def fn(p, queries, x):
        place = jax.nn.sigmoid(queries @ p["offset"]) * 6
        low = jnp.floor(place).astype(jnp.int32)
        share = place - low
        values = x @ p["value"]

        def at(i):
            return jax.vmap(lambda v, i: v[i])(values, jnp.clip(i, 0, 6))

        sampled = at(low) * (1 - share)[..., None] + at(low + 1) * share[..., None]
        a = jax.nn.softmax(queries @ p["weight"])
        return jnp.einsum("bqn,bqnd->bqd", a, sampled)

    def reference(note, p, queries, x):
        place = ref.sigmoid(queries @ p["offset"]) * 6
        low = np.floor(place).astype(int)
        values, share = x @ p["value"], (place - low)[..., None]
        rows = np.arange(2)[:, None, None]
        sampled = values[rows, low] * (1 - share) + values[rows, np.minimum(low + 1, 6)] * share
        a = note(
            ref.softmax(queries @ p["weight"])[:, None], "cross", also_kinds=("self", "pooling")
        )
        return np.einsum("bqn,bqnd->bqd", a[:, 0], sampled)

    return Case(fn, (p, draw(2, 3, 6), draw(2, 7, 6)), reference)


@program("Criss-cross: one softmax over the column and the row of a place, split for their values.")
def criss_cross(draw: Draw) -> Case:
    image, p = draw(2, 4, 5, 6), draw.weights("q k v", 6, 6)

    def fn(image, p):
        q, k, v = (image @ p[n] for n in "qkv")
        column, row = jnp.einsum("bhwd,bkwd->bhwk", q, k), jnp.einsum("bhwd,bhkd->bhwk", q, k)
        both = jax.nn.softmax(jnp.concatenate([column, row], axis=-1), axis=-1)
        of_column = jnp.einsum("bhwk,bkwd->bhwd", both[..., :4], v)
        return image + of_column + jnp.einsum("bhwk,bhkd->bhwd", both[..., 4:], v)

    def reference(note, image, p):
        q, k, v = (image @ p[n] for n in "qkv")
        column, row = np.einsum("bhwd,bkwd->bhwk", q, k), np.einsum("bhwd,bhkd->bhwk", q, k)
        both = ref.softmax(np.concatenate([column, row], axis=-1))
        columns = both[..., :4].transpose(0, 2, 1, 3).reshape(10, 1, 4, 4)
        columns = note(columns).reshape(2, 5, 4, 4)
        rows = note(both[..., 4:].reshape(8, 1, 5, 5)).reshape(2, 4, 5, 5)
        out = np.einsum("bwhk,bkwd->bhwd", columns, v) + np.einsum("bhwk,bhkd->bhwd", rows, v)
        return image + out

    return Case(fn, (image, p), reference)
