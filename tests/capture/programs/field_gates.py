"""Gates over channels and places of pictures, either channels first or last."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.capture.programs import reference as ref
from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)


def _convolve(x, w):
    """The same size, `[batch height width channel]` by `[height width in out]`, odd sizes."""
    (high, wide), (_b, h, n, _) = w.shape[:2], x.shape
    padded = np.pad(x, ((0, 0), (high // 2,) * 2, (wide // 2,) * 2, (0, 0)))
    parts = [padded[:, i : i + h, j : j + n] @ w[i, j] for i in range(high) for j in range(wide)]
    return np.sum(parts, axis=0)


@program("MobileNetV3: squeeze and excitation, channels first, hard sigmoid by relu6.")
def hard_excitation_first(draw: Draw) -> Case:
    p = {"w1": draw.weight(6, 3), "b1": draw(3), "w2": draw.weight(3, 6), "b2": draw(6)}

    def fn(p, x):
        y = x.mean(axis=(2, 3))
        y = jax.nn.relu(y @ p["w1"] + p["b1"]) @ p["w2"] + p["b2"]
        return x * (jax.nn.relu6(y + 3.0) / 6.0)[:, :, None, None]

    def reference(note, p, x):
        y = ref.relu(x.mean((2, 3)) @ p["w1"] + p["b1"]) @ p["w2"] + p["b2"]
        gate = note((np.clip(y + 3, 0, 6) / 6)[:, None, None], "gate")[:, 0, 0]
        return x * gate[:, :, None, None]

    return Case(fn, (p, draw(2, 6, 4, 4)), reference)


@program("Efficient channel attention: a small convolution along the means of the channels.")
def efficient_channels(draw: Draw) -> Case:
    def fn(kernel, x):
        y = jnp.mean(x, axis=(1, 2))[..., None]
        y = lax.conv_general_dilated(
            y, kernel, (1,), "SAME", dimension_numbers=("NWC", "WIO", "NWC")
        )
        return x * jax.nn.sigmoid(y[..., 0])[:, None, None, :]

    def reference(note, kernel, x):
        y = np.pad(x.mean((1, 2)), ((0, 0), (1, 1)))
        y = np.sum([y[:, i : i + 6] * kernel[i, 0, 0] for i in range(3)], axis=0)
        return x * note(ref.sigmoid(y)[:, None, None], "gate")

    return Case(fn, (draw(3, 1, 1), draw(2, 4, 4, 6)), reference)


@program("CBAM, channels first: shared network of mean and maximum, then a 3 by 3 map of places.")
def channels_then_places(draw: Draw) -> Case:
    p = {"w1": draw.weight(6, 3), "w2": draw.weight(3, 6), "conv": draw(1, 2, 3, 3)}

    def fn(p, x):
        def shared(y):
            return jax.nn.relu(y @ p["w1"]) @ p["w2"]

        y = shared(jnp.mean(x, (2, 3))) + shared(jnp.max(x, (2, 3)))
        x = x * jax.nn.sigmoid(y)[:, :, None, None]
        y = jnp.stack([x.mean(axis=1), x.max(axis=1)], axis=1)
        y = lax.conv(y, p["conv"], (1, 1), "SAME")
        return x * jax.nn.sigmoid(y)

    def reference(note, p, x):
        def shared(y):
            return ref.relu(y @ p["w1"]) @ p["w2"]

        y = shared(x.mean((2, 3))) + shared(x.max((2, 3)))
        x = x * note(ref.sigmoid(y)[:, None, None], "gate")[:, 0, 0][:, :, None, None]
        y = np.stack([x.mean(1), x.max(1)], -1)
        y = ref.sigmoid(_convolve(y, p["conv"].transpose(2, 3, 1, 0)))
        return x * note(y.reshape(2, 1, 1, 16), "gate").reshape(2, 1, 4, 4)

    return Case(fn, (p, draw(2, 6, 4, 4)), reference)


@program("Coordinate attention: means along either axis, one network, a gate for rows and columns.")
def coordinates(draw: Draw) -> Case:
    p = {"w": draw.weight(6, 4), "rows": draw.weight(4, 6), "columns": draw.weight(4, 6)}

    def fn(p, x):
        _n, h, _w, _c = x.shape
        y = jnp.concatenate([x.mean(2), x.mean(1)], axis=1) @ p["w"]
        y = y * jax.nn.relu6(y + 3) / 6
        rows, columns = jnp.split(y, [h], axis=1)
        rows = jax.nn.sigmoid(rows @ p["rows"])[:, :, None]
        columns = jax.nn.sigmoid(columns @ p["columns"])[:, None]
        return x * rows * columns

    def reference(note, p, x):
        y = np.concatenate([x.mean(2), x.mean(1)], axis=1) @ p["w"]
        y = y * np.clip(y + 3, 0, 6) / 6
        gates = ref.sigmoid(y[:, :3] @ p["rows"]), ref.sigmoid(y[:, 3:] @ p["columns"])
        noted = []
        for gate in gates:
            forms = [gate[:, None], gate[:, :, None], gate.swapaxes(1, 2)[:, :, None]]
            forms.append(gate.reshape(2, 1, 1, -1))
            wanted = gate.swapaxes(1, 2)[:, None]
            noted.append(note(wanted, "gate", also=forms)[:, 0].swapaxes(1, 2))
        return x * noted[0][:, :, None] * noted[1][:, None]

    return Case(fn, (p, draw(2, 3, 4, 6)), reference)


@program("Gather and excite with nothing learned: sigmoid of the mean over all places.")
def gather_excite(draw: Draw) -> Case:
    def fn(x):
        return x * jax.nn.sigmoid(jnp.mean(x, axis=(1, 2), keepdims=True))

    def reference(note, x):
        return x * note(ref.sigmoid(x.mean((1, 2)))[:, None, None], "gate")[:, 0][:, None]

    return Case(fn, (draw(2, 4, 4, 6),), reference)


@program(
    "Attention U-Net: the coarse signal and the skip are added, a gate over the skip's places."
)
def gated_skip(draw: Draw) -> Case:
    p = {"x": draw.weight(6, 4), "g": draw.weight(8, 4), "psi": draw.weight(4, 1), "b": draw(1)}

    def fn(p, skip, coarse):
        g = jnp.repeat(jnp.repeat(coarse @ p["g"], 2, axis=1), 2, axis=2)
        psi = jax.nn.relu(skip @ p["x"] + g) @ p["psi"] + p["b"]
        return jnp.concatenate([skip * jax.nn.sigmoid(psi), g], axis=-1)

    def reference(note, p, skip, coarse):
        g = (coarse @ p["g"]).repeat(2, 1).repeat(2, 2)
        psi = ref.sigmoid(ref.relu(skip @ p["x"] + g) @ p["psi"] + p["b"])
        gate = note(psi.reshape(2, 1, 1, 16), "gate").reshape(2, 4, 4, 1)
        return np.concatenate([skip * gate, g], axis=-1)

    return Case(fn, (p, draw(2, 4, 4, 6), draw(2, 2, 2, 8)), reference)


@program("Selective kernels: softmax over branches for each channel, branches added under it.")
def selective_kernels(draw: Draw) -> Case:
    p = {"small": draw(1, 1, 6, 6, scale=0.4), "large": draw(3, 3, 6, 6, scale=0.2)}
    p |= {"down": draw.weight(6, 3), "up": draw.weight(3, 12)}

    def fn(p, x):
        def conv(w):
            return lax.conv_general_dilated(
                x, w, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
            )

        branches = jnp.stack([jax.nn.relu(conv(p["small"])), jax.nn.relu(conv(p["large"]))], axis=1)
        s = jax.nn.relu(branches.sum(1).mean((1, 2)) @ p["down"]) @ p["up"]
        attention = jax.nn.softmax(s.reshape(-1, 2, 6), axis=1)
        return jnp.sum(branches * attention[:, :, None, None], axis=1)

    def reference(note, p, x):
        branches = np.stack([ref.relu(_convolve(x, p[n])) for n in ("small", "large")], axis=1)
        s = ref.relu(branches.sum(1).mean((1, 2)) @ p["down"]) @ p["up"]
        w = ref.softmax(s.reshape(2, 2, 6).swapaxes(1, 2))
        kinds = ("router", "gate", "cross", "self")
        w = note(w[:, :, None], "pooling", also_kinds=kinds, optional="branches are no tokens")[
            :, :, 0
        ]
        return np.einsum("bjhwc,bcj->bhwc", branches, w)

    return Case(fn, (p, draw(2, 4, 4, 6)), reference)


@program(
    "Convolutional sound model: excitation over channels of `[batch channel time]`, masked mean."
)
def masked_excitation(draw: Draw) -> Case:
    p = {"w1": draw.weight(6, 3), "w2": draw.weight(3, 6)}

    def fn(p, x, lengths):
        mask = (jnp.arange(x.shape[-1]) < lengths[:, None])[:, None].astype(x.dtype)
        mean = (x * mask).sum(-1) / mask.sum(-1)
        y = jnp.einsum("cd,bc->bd", p["w2"], jax.nn.silu(jnp.einsum("cd,bc->bd", p["w1"], mean)))
        return x * (1.0 / (1.0 + jnp.exp(-y)))[..., None]

    def reference(note, p, x, lengths):
        mask = (np.arange(7) < lengths[:, None])[:, None]
        y = ((x * mask).sum(-1) / mask.sum(-1)) @ p["w1"]
        gate = ref.sigmoid((y * ref.sigmoid(y)) @ p["w2"])
        return x * note(gate[:, None, None], "gate")[:, 0, 0][..., None]

    return Case(fn, (p, draw(2, 6, 7), np.array([7, 5], np.int32)), reference)
