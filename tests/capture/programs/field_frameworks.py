"""Whole small models in Linen, NNX, Equinox and Haiku, their attention written by hand."""

from typing import Any

import equinox as eqx
import flax.linen as nn
import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from tests.capture.programs import reference as ref
from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)
# Flax's annotations know only integers here.
_SHARED: Any = nn.broadcast
_SAME: Any = None


def _noisy(draw, tree):
    """Biases and scales that differ from zero and one, where a reference could forget them."""
    return jax.tree.map(lambda leaf: np.asarray(leaf) + draw(*leaf.shape, scale=0.1), tree)


class _Block(nn.Module):
    @nn.compact
    def __call__(self, x, mask):
        y = nn.LayerNorm(name="ln")(x)
        y = nn.MultiHeadDotProductAttention(num_heads=2, qkv_features=6, name="mha")(y, mask=mask)
        x = x + y
        y = nn.LayerNorm(name="ln2")(x)
        return x + nn.Dense(6, name="down")(nn.gelu(nn.Dense(10, name="up")(y))), None


class _Bert4Rec(nn.Module):
    layers: int

    @nn.compact
    def __call__(self, items):
        embed = nn.Embed(9, 6, name="items")
        x = embed(items) + self.param("positions", nn.initializers.normal(0.5), (5, 6))
        mask = nn.make_attention_mask(items > 0, items > 0)
        stack = nn.scan(
            nn.remat(_Block, prevent_cse=False), variable_axes={"params": 0},
            split_rngs={"params": True}, in_axes=_SHARED, length=self.layers,
        )  # fmt: skip
        x, _ = stack(name="stack")(x, mask)
        return embed.attend(nn.LayerNorm(name="final")(x))


@program("Linen: BERT4Rec by scan over rematerialized blocks, tied output, padding mask.")
def linen_scan(draw: Draw) -> Case:
    items = np.array([[3, 1, 4, 1, 5], [2, 7, 8, 0, 0]], np.int32)
    model = _Bert4Rec(3)
    variables = _noisy(draw, model.init(jax.random.key(0), items))

    def reference(note, variables, items):
        p = variables["params"]
        x = p["items"]["embedding"][items] + p["positions"]
        shown = items > 0
        mask = shown[:, None, None] & shown[:, None, :, None]
        for layer in range(3):
            w = jax.tree.map(lambda leaf, layer=layer: leaf[layer], p["stack"])
            y = ref.layer_norm(x, w["ln"]["scale"], w["ln"]["bias"])
            m = w["mha"]
            q, k, v = (
                ref.project(y, m[n]["kernel"]) + m[n]["bias"][:, None]
                for n in ("query", "key", "value")
            )
            y = ref.attend(note, q, k, v, mask=mask, fill=-1e30, layer=layer)
            x = x + ref.unproject(y, m["out"]["kernel"]) + m["out"]["bias"]
            y = ref.layer_norm(x, w["ln2"]["scale"], w["ln2"]["bias"])
            y = ref.gelu(y @ w["up"]["kernel"] + w["up"]["bias"])
            x = x + y @ w["down"]["kernel"] + w["down"]["bias"]
        x = ref.layer_norm(x, p["final"]["scale"], p["final"]["bias"])
        return x @ p["items"]["embedding"].T

    return Case(model.apply, (variables, items), reference, unused="padding")


class _Head(nn.Module):
    size: int

    @nn.compact
    def __call__(self, x):
        keys, queries = (nn.Dense(self.size, use_bias=False)(x) for _ in range(2))
        values = nn.Dense(self.size, use_bias=False)(x)
        weights = queries @ keys.T / jnp.sqrt(self.size)
        seen = jnp.tril(jnp.ones((len(x), len(x))))
        return nn.softmax(jnp.where(seen == 1, weights, -jnp.inf), axis=-1) @ values


class _Heads(nn.Module):
    @nn.compact
    def __call__(self, x):
        heads = nn.vmap(
            _Head, variable_axes={"params": -1}, split_rngs={"params": True},
            in_axes=_SAME, out_axes=-1, axis_size=2,
        )  # fmt: skip
        return nn.Dense(6)(heads(3)(x).reshape(x.shape[0], -1))


@program("Linen: one head lifted by nn.vmap, parameters and outputs stacked along the last axis.")
def linen_vmapped_heads(draw: Draw) -> Case:
    model = _Heads()
    x = draw(5, 6)
    variables = _noisy(draw, model.init(jax.random.key(0), x))

    def reference(note, variables, x):
        (heads, dense) = (variables["params"][n] for n in ("Vmap_Head_0", "Dense_0"))
        k, q, v = (
            np.einsum("tm,mdh->htd", x, heads[f"Dense_{i}"]["kernel"])[None] for i in range(3)
        )
        out = ref.attend(note, q, k, v, mask=ref.causal(5))[0]
        return out.transpose(1, 2, 0).reshape(5, 6) @ dense["kernel"] + dense["bias"]

    names = list(variables["params"])
    heads = next(name for name in names if name != "Dense_0")

    def renamed(note, v, x):
        return reference(
            note,
            {"params": {"Vmap_Head_0": v["params"][heads], "Dense_0": v["params"]["Dense_0"]}},
            x,
        )

    return Case(model.apply, (variables, x), renamed)


class _Attention(eqx.Module):
    qkv: eqx.nn.Linear
    proj: eqx.nn.Linear
    norm: eqx.nn.LayerNorm

    def __call__(self, x):
        n, d = x.shape
        q, k, v = jnp.split(jax.vmap(self.qkv)(jax.vmap(self.norm)(x)), 3, axis=-1)
        q, k, v = (a.reshape(n, 2, d // 2).transpose(1, 0, 2) for a in (q, k, v))
        attn = jax.nn.softmax(jnp.einsum("hnd,hmd->hnm", q * (d // 2) ** -0.5, k), axis=-1)
        out = jnp.einsum("hnm,hmd->hnd", attn, v).transpose(1, 0, 2).reshape(n, d)
        return x + jax.vmap(self.proj)(out)


class _VisionModel(eqx.Module):
    patch: eqx.nn.Conv2d
    cls: jax.Array
    blocks: list[_Attention]
    head: eqx.nn.Linear

    def __call__(self, image):
        x = self.patch(image)
        x = x.reshape(x.shape[0], -1).T
        x = jnp.concatenate([self.cls[None], x])
        for block in self.blocks:
            x = block(x)
        return self.head(x.mean(0))


@program(
    "Equinox: a vision transformer of single images under vmap, loss of a batch, its gradient."
)
def equinox_gradient(draw: Draw) -> Case:
    keys = jax.random.split(jax.random.key(1), 6)
    blocks = [
        _Attention(eqx.nn.Linear(6, 18, key=a), eqx.nn.Linear(6, 6, key=b), eqx.nn.LayerNorm(6))
        for a, b in (keys[:2], keys[2:4])
    ]
    patch = eqx.nn.Conv2d(3, 6, 2, 2, key=keys[4])
    model = _VisionModel(patch, jnp.asarray(draw(6)), blocks, eqx.nn.Linear(6, 3, key=keys[5]))
    arrays, static = eqx.partition(model, eqx.is_array)

    def fn(arrays, images, labels):
        @eqx.filter_value_and_grad
        def loss(model):
            logits = jax.vmap(model)(images)
            return -jnp.mean(jax.vmap(lambda row, i: jax.nn.log_softmax(row)[i])(logits, labels))

        return loss(eqx.combine(arrays, static))

    def reference(note, arrays, images, labels):
        kernel, bias = arrays.patch.weight, arrays.patch.bias.reshape(-1)
        patches = images.reshape(2, 3, 2, 2, 2, 2).transpose(0, 2, 4, 1, 3, 5).reshape(2, 4, 12)
        x = patches @ kernel.reshape(6, 12).T + bias
        x = np.concatenate([np.repeat(arrays.cls[None, None], 2, 0), x], 1)
        for block in arrays.blocks:
            y = ref.layer_norm(x, block.norm.weight, block.norm.bias, eps=1e-5)
            y = y @ block.qkv.weight.T + block.qkv.bias
            q, k, v = (ref.split(z, 2) for z in np.split(y, 3, -1))
            out = ref.merge(ref.attend(note, q, k, v))
            x = x + out @ block.proj.weight.T + block.proj.bias
        logits = x.mean(1) @ arrays.head.weight.T + arrays.head.bias
        return -np.log(ref.softmax(logits)[np.arange(2), labels]).mean()

    args = (arrays, draw(2, 3, 4, 4), np.array([0, 2], np.int32))
    return Case(fn, args, reference, observe=lambda output: output[0])


@program("Haiku: cross attention by hk.MultiHeadAttention with a mask after an LSTM encoder.")
def haiku_reader(draw: Draw) -> Case:
    def forward(x, memory, mask):
        core = hk.LSTM(6)
        hidden, _ = hk.dynamic_unroll(core, x, core.initial_state(2), time_major=False)
        init = hk.initializers.VarianceScaling(1.0)
        attend = hk.MultiHeadAttention(2, 3, w_init=init, name="read")
        return hidden + attend(hidden, memory, memory, mask=mask[:, None, None])

    model = hk.without_apply_rng(hk.transform(forward))
    x, memory, mask = draw(2, 4, 5), draw(2, 6, 6), np.ones((2, 6), bool)
    mask[1, 4:] = False
    p = _noisy(draw, model.init(jax.random.key(0), x, memory, mask))

    def reference(note, p, x, memory, mask):
        w = {name.split("/")[-1] if "read" in name else "lstm": leaf for name, leaf in p.items()}
        h, c, hidden = np.zeros((2, 6)), np.zeros((2, 6)), []
        for t in range(4):
            gates = np.concatenate([x[:, t], h], -1) @ w["lstm"]["w"] + w["lstm"]["b"]
            i, g, f, o = np.split(gates, 4, axis=-1)
            c = ref.sigmoid(f + 1) * c + ref.sigmoid(i) * np.tanh(g)
            h = ref.sigmoid(o) * np.tanh(c)
            hidden.append(h)
        hidden = np.stack(hidden, 1)
        q, k, v = (
            ref.split(y @ w[n]["w"] + w[n]["b"], 2)
            for y, n in ((hidden, "query"), (memory, "key"), (memory, "value"))
        )
        out = ref.attend(note, q, k, v, kind="cross", mask=mask[:, None, None], name="read")
        return hidden + ref.merge(out) @ w["linear"]["w"] + w["linear"]["b"]

    def wanted(note, *a):
        return reference(lambda *b, name="", **c: note(*b, **c), *a)

    return Case(model.apply, (p, x, memory, mask), wanted, unused="padding")


class _Grouped(nnx.Module):
    def __init__(self, rngs):
        self.q = nnx.Linear(8, 8, use_bias=False, rngs=rngs)
        self.kv = nnx.Linear(8, 8, use_bias=False, rngs=rngs)
        self.o = nnx.Linear(8, 8, rngs=rngs)
        self.norm = nnx.RMSNorm(2, rngs=rngs)

    def __call__(self, x, position):
        b, t, _ = x.shape
        q = self.norm(self.q(x).reshape(b, t, 4, 2))
        k, v = jnp.split(self.kv(x).reshape(b, t, 2, 4), 2, axis=-1)
        k = self.norm(k)
        angle = position[..., None, None] * 0.3

        def turn(y):
            return jnp.concatenate(
                [
                    y[..., :1] * jnp.cos(angle) - y[..., 1:] * jnp.sin(angle),
                    y[..., 1:] * jnp.cos(angle) + y[..., :1] * jnp.sin(angle),
                ],
                axis=-1,
            )

        out = jax.nn.dot_product_attention(turn(q), turn(k), v, is_causal=True, scale=0.5)
        return self.o(out.reshape(b, t, 8))


@program("NNX: groups of heads, norms of queries and keys, rotation, jax.nn's own attention.")
def nnx_grouped(draw: Draw) -> Case:
    graph, state = nnx.split(_Grouped(nnx.Rngs(0)))
    state = _noisy(draw, state)

    def fn(state, x, position):
        return nnx.merge(graph, state)(x, position)

    def reference(note, state, x, position):
        p = nnx.to_pure_dict(state)
        q = ref.split(x @ p["q"]["kernel"], 4)
        kv = ref.split(x @ p["kv"]["kernel"], 2)
        k, v = kv[..., :2], kv[..., 2:]
        angle = position[:, None] * 0.3

        def turn(y):
            y = ref.rms_norm(y, p["norm"]["scale"])
            sin, cos = np.sin(angle), np.cos(angle)
            return np.stack(
                [y[..., 0] * cos - y[..., 1] * sin, y[..., 1] * cos + y[..., 0] * sin], -1
            )

        out = ref.attend(note, turn(q), turn(k), v, scale=0.5, mask=ref.causal(5))
        return ref.merge(out) @ p["o"]["kernel"] + p["o"]["bias"]

    position = np.tile(np.arange(5, dtype=np.float32), (2, 1))
    return Case(fn, (state, draw(2, 5, 8), position), reference)
