"""Gates: squeeze and excitation and its kin, spatial gates, in both layouts of images.

A gate over channels has the channels as keys of one query, a spatial gate the positions.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.capture.programs import reference as ref
from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)


def _excitation(draw, channels=6, hidden=3):
    return {"down": draw.weight(channels, hidden), "up": draw.weight(hidden, channels)}


def _ref_channels(note, x, p, squash=ref.sigmoid):
    """On `[batch height width channel]`."""
    pooled = x.mean((1, 2))
    gate = squash(ref.relu(pooled @ p["down"]) @ p["up"])
    return x * note(gate[:, None, None], "gate")[:, 0, 0][:, None, None]


def _hard(x):
    return np.clip(x / 6 + 0.5, 0, 1)


@program("Squeeze and excitation, channels last.")
def squeeze_excitation(draw: Draw) -> Case:
    def fn(x, p):
        s = jnp.mean(x, axis=(1, 2), keepdims=True)
        return x * jax.nn.sigmoid(jax.nn.relu(s @ p["down"]) @ p["up"])

    return Case(fn, (draw(2, 4, 5, 6), _excitation(draw)), _ref_channels)


@program("Squeeze and excitation, channels first, by einsum and broadcasting with None.")
def squeeze_excitation_channels_first(draw: Draw) -> Case:
    def fn(x, p):
        s = x.mean((2, 3))
        s = jnp.maximum(jnp.einsum("bc,cr->br", s, p["down"]), 0)
        return x * jax.nn.sigmoid(jnp.einsum("br,rc->bc", s, p["up"]))[:, :, None, None]

    def reference(note, x, p):
        return _ref_channels(note, x.transpose(0, 2, 3, 1), p).transpose(0, 3, 1, 2)

    return Case(fn, (draw(2, 6, 4, 5), _excitation(draw)), reference)


@program("Squeeze and excitation with 1 / (1 + exp(-x)), flattened before pooling.")
def squeeze_excitation_by_hand(draw: Draw) -> Case:
    def fn(x, p):
        b, h, w, c = x.shape
        flat = x.reshape(b, h * w, c)
        z = jax.nn.relu(flat.sum(1) / (h * w) @ p["down"]) @ p["up"]
        gate = 1.0 / (1.0 + jnp.exp(-z))
        return (flat * gate[:, None]).reshape(b, h, w, c)

    return Case(fn, (draw(2, 3, 4, 6), _excitation(draw)), _ref_channels)


@program("Squeeze and excitation of MobileNetV3: clip(x / 6 + 0.5).")
def squeeze_excitation_hard(draw: Draw) -> Case:
    def fn(x, p):
        z = jax.nn.relu(x.mean((1, 2)) @ p["down"]) @ p["up"]
        return x * jnp.clip(z * 3 / 6 + 0.5, 0.0, 1.0)[:, None, None, :]

    def reference(note, x, p):
        return _ref_channels(note, x, p, squash=lambda z: _hard(3 * z))

    return Case(fn, (draw(2, 4, 4, 6), _excitation(draw)), reference)


@program("The same with jax.nn.hard_sigmoid, channels first, a 1x1 convolution for each matrix.")
def squeeze_excitation_hard_convolutions(draw: Draw) -> Case:
    def fn(x, p):
        z = jnp.mean(x, (2, 3), keepdims=True)
        for name in ("down", "up"):
            z = lax.conv(z, p[name].T[:, :, None, None], (1, 1), "VALID")
            z = jax.nn.relu(z) if name == "down" else jax.nn.hard_sigmoid(z)
        return z * x

    def reference(note, x, p):
        return _ref_channels(note, x.transpose(0, 2, 3, 1), p, _hard).transpose(0, 3, 1, 2)

    return Case(fn, (draw(2, 6, 4, 5), _excitation(draw)), reference)


@program(
    "Squeeze and excitation on a sequence, the mean over time, residual branch and ReLU after."
)
def squeeze_excitation_of_sequence(draw: Draw) -> Case:
    def fn(x, p):
        gate = jax.nn.sigmoid(jax.nn.relu(x.mean(1) @ p["down"]) @ p["up"])
        return jax.nn.relu(x + x * gate[:, None])

    def reference(note, x, p):
        gated = _ref_channels(note, x[:, :, None], p)[:, :, 0]
        return ref.relu(x + gated)

    return Case(fn, (draw(2, 7, 6), _excitation(draw)), reference)


@program("Efficient channel attention: a short convolution over the channels, channels last.")
def efficient_channel_attention(draw: Draw) -> Case:
    x, kernel = draw(2, 4, 5, 6), draw(3)

    def fn(x, kernel):
        y = x.mean((1, 2))[:, None]
        y = lax.conv_general_dilated(y, kernel[None, None], (1,), "SAME")
        return x * jax.nn.sigmoid(y[:, 0])[:, None, None]

    def reference(note, x, kernel):
        padded = np.pad(x.mean((1, 2)), ((0, 0), (1, 1)))
        y = np.sum([kernel[i] * padded[:, i : i + 6] for i in range(3)], axis=0)
        return x * note(ref.sigmoid(y)[:, None, None], "gate")[:, 0, 0][:, None, None]

    return Case(fn, (x, kernel), reference)


@program("Efficient channel attention by a sum of shifted copies, channels first, exp by hand.")
def efficient_channel_attention_by_shifts(draw: Draw) -> Case:
    x, kernel = draw(2, 6, 4, 5), draw(3)

    def fn(x, kernel):
        y = jnp.pad(jnp.mean(x, axis=(-1, -2)), ((0, 0), (1, 1)))
        y = kernel[0] * y[:, :-2] + kernel[1] * y[:, 1:-1] + kernel[2] * y[:, 2:]
        return x / (1 + jnp.exp(-y))[..., None, None]

    def reference(note, x, kernel):
        y = np.pad(x.mean((2, 3)), ((0, 0), (1, 1)))
        y = kernel[0] * y[:, :-2] + kernel[1] * y[:, 1:-1] + kernel[2] * y[:, 2:]
        return x * note(ref.sigmoid(y)[:, None, None], "gate")[:, 0, 0][..., None, None]

    return Case(fn, (x, kernel), reference)


def _correlate(x, kernel):
    """3x3 correlation with zero padding, `[batch height width channel]`, one output channel."""
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    h, w = x.shape[1:3]
    shifted = [padded[:, i : i + h, j : j + w] @ kernel[i, j] for i in range(3) for j in range(3)]
    return np.sum(shifted, axis=0)


def _ref_spatial(note, x, kernel):
    maps = np.stack([x.mean(-1), x.max(-1)], -1)
    gate = ref.sigmoid(_correlate(maps, kernel)[..., 0])
    noted = note(gate.reshape(len(x), 1, 1, -1), "gate")
    return x * noted.reshape(gate.shape)[..., None]


def _ref_cbam(note, x, p, kernel):
    pooled = (x.mean((1, 2)), x.max((1, 2)))
    gate = ref.sigmoid(np.sum([ref.relu(y @ p["down"]) @ p["up"] for y in pooled], axis=0))
    x = x * note(gate[:, None, None], "gate")[:, 0, 0][:, None, None]
    return _ref_spatial(note, x, kernel)


@program("CBAM, channels last: channel gate from mean and maximum, then a spatial gate.")
def cbam(draw: Draw) -> Case:
    x, p, kernel = draw(2, 4, 5, 6), _excitation(draw), draw(3, 3, 2, 1, scale=0.5)

    def fn(x, p, kernel):
        def mlp(y):
            return jax.nn.relu(y @ p["down"]) @ p["up"]

        x = x * jax.nn.sigmoid(mlp(x.mean((1, 2))) + mlp(x.max((1, 2))))[:, None, None]
        maps = jnp.concatenate([x.mean(-1, keepdims=True), x.max(-1, keepdims=True)], -1)
        dims = ("NHWC", "HWIO", "NHWC")
        spatial = lax.conv_general_dilated(maps, kernel, (1, 1), "SAME", dimension_numbers=dims)
        return x * jax.nn.sigmoid(spatial)

    return Case(fn, (x, p, kernel), _ref_cbam)


@program("CBAM, channels first, sigmoid by hand, pooling by reduce_window.")
def cbam_channels_first(draw: Draw) -> Case:
    x, p, kernel = draw(2, 6, 4, 5), _excitation(draw), draw(3, 3, 2, 1, scale=0.5)

    def fn(x, p, kernel):
        window = (1, 1, 4, 5)
        mean = lax.reduce_window(x, 0.0, lax.add, window, window, "VALID")[..., 0, 0] / 20
        top = lax.reduce_window(x, -jnp.inf, lax.max, window, window, "VALID")[..., 0, 0]
        gate = sum(jax.nn.relu(y @ p["down"]) @ p["up"] for y in (mean, top))
        x = x * (1 / (1 + jnp.exp(-gate)))[:, :, None, None]
        maps = jnp.stack([x.mean(1), x.max(1)], 1)
        spatial = lax.conv(maps, kernel.transpose(3, 2, 0, 1), (1, 1), "SAME")
        return x * (1 / (1 + jnp.exp(-spatial)))

    def reference(note, x, p, kernel):
        return _ref_cbam(note, x.transpose(0, 2, 3, 1), p, kernel).transpose(0, 3, 1, 2)

    return Case(fn, (x, p, kernel), reference)


@program("A spatial gate alone: a 3x3 convolution of channel mean and maximum.")
def spatial_gate(draw: Draw) -> Case:
    x, kernel = draw(2, 5, 4, 3), draw(3, 3, 2, 1, scale=0.5)

    def fn(x, kernel):
        maps = jnp.stack([jnp.mean(x, -1), jnp.max(x, -1)], axis=-1)
        dims = lax.conv_dimension_numbers(maps.shape, kernel.shape, ("NHWC", "HWIO", "NHWC"))
        y = lax.conv_general_dilated(maps, kernel, (1, 1), "SAME", dimension_numbers=dims)
        return jax.nn.sigmoid(y) * x

    return Case(fn, (x, kernel), _ref_spatial)


@program("Concurrent channel and spatial gates (scSE): both on the same input, maximum of both.")
def concurrent_gates(draw: Draw) -> Case:
    x, p, w = draw(2, 4, 5, 6), _excitation(draw), draw.weight(6, 1)

    def fn(x, p, w):
        channel = jax.nn.sigmoid(jax.nn.relu(x.mean((1, 2)) @ p["down"]) @ p["up"])
        return jnp.maximum(x * channel[:, None, None], x * jax.nn.sigmoid(x @ w))

    def reference(note, x, p, w):
        by_channel = _ref_channels(note, x, p)
        gate = ref.sigmoid(x @ w)
        reason = "a gate from each position's own features is no more than a gated projection"
        noted = note(gate.reshape(2, 1, 1, 20), "gate", optional=reason)
        return np.maximum(by_channel, x * noted.reshape(gate.shape))

    return Case(fn, (x, p, w), reference)


@program("Attention U-Net: a gate on the skip connection, from it and from the coarser signal.")
def gate_on_skip_connection(draw: Draw) -> Case:
    x, g = draw(2, 4, 5, 6), draw(2, 4, 5, 3)
    p = {"x": draw.weight(6, 4), "g": draw.weight(3, 4), "psi": draw.weight(4, 1)}

    def fn(x, g, p):
        alpha = jax.nn.sigmoid(jax.nn.relu(x @ p["x"] + g @ p["g"]) @ p["psi"])
        return jnp.concatenate([x * alpha, g], -1)

    def reference(note, x, g, p):
        alpha = ref.sigmoid(ref.relu(x @ p["x"] + g @ p["g"]) @ p["psi"])
        noted = note(alpha.reshape(2, 1, 1, 20), "gate").reshape(alpha.shape)
        return np.concatenate([x * noted, g], -1)

    return Case(fn, (x, g, p), reference)


@program("Coordinate attention: one gate along the height and one along the width.")
def coordinate_gates(draw: Draw) -> Case:
    x, p = draw(2, 4, 5, 6), {n: draw.weight(6, 6) for n in ("down", "h", "w")}

    def fn(x, p):
        rows, columns = x.mean(2), x.mean(1)
        y = jax.nn.relu(jnp.concatenate([rows, columns], 1) @ p["down"])
        along_h, along_w = jnp.split(y, [4], axis=1)
        gate_h = jax.nn.sigmoid(along_h @ p["h"])[:, :, None]
        gate_w = jax.nn.sigmoid(along_w @ p["w"])[:, None]
        return x * gate_h * gate_w

    def reference(note, x, p):
        gates = [
            ref.sigmoid(ref.relu(x.mean(3 - a) @ p["down"]) @ p[n]) for a, n in ((1, "h"), (2, "w"))
        ]
        noted = [
            note(gate.reshape(2, 1, 1, -1), "gate", also=[gate.transpose(0, 2, 1)[:, :, None]])
            for gate in gates
        ]
        return x * noted[0].reshape(2, 4, 1, 6) * noted[1].reshape(2, 1, 5, 6)

    return Case(fn, (x, p), reference)


@program("Selective kernels: softmax between two branches for each channel.")
def selective_kernels(draw: Draw) -> Case:
    x, y, down, up = draw(2, 4, 5, 6), draw(2, 4, 5, 6), draw.weight(6, 3), draw.weight(3, 2, 6)

    def fn(x, y, down, up):
        branches = jnp.stack([x, y], 1)
        z = jax.nn.relu((x + y).mean((1, 2)) @ down)
        a = jax.nn.softmax(jnp.einsum("br,rkc->bkc", z, up), axis=1)
        return (branches * a[:, :, None, None]).sum(1)

    def reference(note, x, y, down, up):
        z = ref.relu((x + y).mean((1, 2)) @ down)
        a = ref.softmax(np.einsum("br,rkc->bck", z, up))[:, :, None]
        a = note(a, "gate", also_kinds=("pooling", "router", "cross", "self"))[:, :, 0]
        return x * a[:, None, None, :, 0] + y * a[:, None, None, :, 1]

    return Case(fn, (x, y, down, up), reference)


@program("Squeeze and excitation in each of three stacked blocks, by a scan.")
def squeeze_excitation_in_scan(draw: Draw) -> Case:
    x, p = draw(2, 4, 4, 6), {"down": draw(3, 6, 3, scale=0.5), "up": draw(3, 3, 6, scale=0.6)}

    def fn(x, p):
        def block(x, p):
            s = jax.nn.relu(x.mean((1, 2)) @ p["down"]) @ p["up"]
            return x + jnp.tanh(x * jax.nn.sigmoid(s)[:, None, None]), None

        return lax.scan(block, x, p)[0]

    def reference(note, x, p):
        for layer in range(3):
            gate = ref.sigmoid(ref.relu(x.mean((1, 2)) @ p["down"][layer]) @ p["up"][layer])
            noted = note(gate[:, None, None], "gate", layer=layer)
            x = x + np.tanh(x * noted[:, 0, 0][:, None, None])
        return x

    return Case(fn, (x, p), reference)


@program("A copy mechanism: each step shares out its weights by a switch of what it found.")
def copy_switch(draw: Draw) -> Case:
    def fn(h, source, g):
        weights = jax.nn.softmax(h @ source.mT)
        return weights * (1 - jax.nn.sigmoid((weights @ source) @ g))

    def reference(note, h, source, g):
        logits = (h @ source.swapaxes(1, 2))[:, None]
        weights = note(ref.softmax(logits), kind="cross")[:, 0]
        return weights * (1 - ref.sigmoid((weights @ source) @ g))

    return Case(fn, (draw(2, 4, 6), draw(2, 9, 6), draw(6, 1)), reference)
