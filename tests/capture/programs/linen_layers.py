"""Flax Linen: its own layers and modules as people write them."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from tests.capture.programs import reference as ref
from tests.capture.programs.program import BFLOAT16, Case, Draw, Registry

program = Registry(__name__)
Parameters = dict[str, Any]


def _initialized(model: nn.Module, draw: Draw, *args: Any) -> Parameters:
    """Random parameters for a module, in NumPy; biases are not zero."""
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), *args))
    return jax.tree.map(lambda leaf: draw(*leaf.shape, scale=leaf.shape[0] ** -0.5), shapes)


def _projected(x, p):
    """A `DenseGeneral` to `[batch head token feature]`."""
    return ref.project(x, p["kernel"]) + p["bias"][None, :, None]


def _multi_head(note, p, x, y, **labels):
    q, k, v = (_projected(z, p[n]) for z, n in ((x, "query"), (y, "key"), (y, "value")))
    if "query_ln" in p:
        q, k = ref.layer_norm(q, p["query_ln"]["scale"]), ref.layer_norm(k, p["key_ln"]["scale"])
    out = ref.attend(note, q, k, v, **labels)
    return ref.unproject(out, p["out"]["kernel"]) + p["out"]["bias"]


@program("MultiHeadDotProductAttention on itself.")
def multi_head(draw: Draw) -> Case:
    model, x = nn.MultiHeadDotProductAttention(num_heads=2), draw(2, 5, 8)

    def reference(note, variables, x):
        return _multi_head(note, variables["params"], x, x)

    return Case(model.apply, (_initialized(model, draw, x), x), reference)


@program("MultiHeadDotProductAttention to another input, padded, all in bfloat16.")
def multi_head_cross_half_precision(draw: Draw) -> Case:
    model = nn.MultiHeadDotProductAttention(2, dtype=jnp.bfloat16, qkv_features=8, out_features=6)
    x, y, mask = draw(2, 3, 8), draw(2, 5, 8), np.arange(5) < np.array([[3], [5]])

    def fn(variables, x, y, mask):
        return model.apply(variables, x, y, mask=mask[:, None, None])

    def reference(note, variables, x, y, mask):
        return _multi_head(note, variables["params"], x, y, kind="cross", mask=mask[:, None, None])

    args = _initialized(model, draw, x, y), x, y, mask
    return Case(fn, args, reference, tolerance=BFLOAT16)


@program("MultiHeadDotProductAttention with normalized queries and keys and a causal mask.")
def multi_head_normalized(draw: Draw) -> Case:
    model, x = nn.MultiHeadDotProductAttention(2, normalize_qk=True), draw(2, 5, 8)

    def fn(variables, x):
        return model.apply(variables, x, mask=nn.make_causal_mask(x[..., 0]))

    def reference(note, variables, x):
        return _multi_head(note, variables["params"], x, x, mask=ref.causal(5))

    return Case(fn, (_initialized(model, draw, x), x), reference)


class _Key(nn.Module):
    def __call__(self):
        return self.make_rng("dropout")


@program("MultiHeadDotProductAttention with dropout on, one mask for all heads and examples.")
def multi_head_dropout(draw: Draw) -> Case:
    model, x = (
        nn.MultiHeadDotProductAttention(2, dropout_rate=0.4, deterministic=False),
        draw(2, 5, 8),
    )

    def fn(variables, x, key):
        return model.apply(variables, x, rngs={"dropout": key})

    def reference(note, variables, x, key):
        p = variables["params"]
        q, k, v = (_projected(x, p[n]) for n in ("query", "key", "value"))
        w = ref.softmax(ref.logits_of(q, k))
        # Flax folds the module's path into the key; a module at the same path gets the same one.
        folded: Any = _Key().apply({}, rngs={"dropout": key})
        kept = np.asarray(jax.random.bernoulli(folded, 0.6, (5, 5)))
        out = ref.mix(note(w * kept / 0.6, also=[w]), v)
        return ref.unproject(out, p["out"]["kernel"]) + p["out"]["bias"]

    variables = _initialized(nn.MultiHeadDotProductAttention(2), draw, x)
    return Case(fn, (variables, x, jax.random.key(4)), reference)


class _Block(nn.Module):
    heads: int = 2

    @nn.compact
    def __call__(self, x, mask=None):
        y = nn.LayerNorm()(x)
        x = x + nn.MultiHeadDotProductAttention(self.heads, name="attention")(y, mask=mask)
        y = nn.Dense(12)(nn.LayerNorm()(x))
        return x + nn.Dense(x.shape[-1])(nn.gelu(y))


def _ref_block(note, p, x, mask=None, **labels):
    y = ref.layer_norm(x, p["LayerNorm_0"]["scale"], p["LayerNorm_0"]["bias"])
    x = x + _multi_head(note, p["attention"], y, y, mask=mask, **labels)
    y = ref.layer_norm(x, p["LayerNorm_1"]["scale"], p["LayerNorm_1"]["bias"])
    hidden = ref.gelu(y @ p["Dense_0"]["kernel"] + p["Dense_0"]["bias"])
    return x + hidden @ p["Dense_1"]["kernel"] + p["Dense_1"]["bias"]


class _Encoder(nn.Module):
    @nn.compact
    def __call__(self, tokens):
        x = nn.Embed(9, 8)(tokens)
        for layer in range(2):
            x = _Block(name=f"layer_{layer}")(x, nn.make_attention_mask(tokens > 0, tokens > 0))
        return nn.softmax(nn.Dense(9)(x))


@program("An encoder of two blocks with embeddings, norms and a padding mask; names by layer.")
def encoder(draw: Draw) -> Case:
    model = _Encoder()
    tokens = np.array([[3, 4, 5, 0, 0], [1, 2, 3, 4, 5]], np.int32)

    def reference(note, variables, tokens):
        p, valid = variables["params"], tokens > 0
        x = p["Embed_0"]["embedding"][tokens]
        mask = (valid[:, :, None] & valid[:, None])[:, None]
        fill = float(np.finfo(np.float32).min)
        for layer in range(2):
            labels = {"name": f"layer_{layer}", "fill": fill}
            x = _ref_block(note, p[f"layer_{layer}"], x, mask, **labels)
        return ref.softmax(x @ p["Dense_0"]["kernel"] + p["Dense_0"]["bias"])

    return Case(model.apply, (_initialized(model, draw, tokens), tokens), reference)


class _Scanned(nn.Module):
    remat: bool = False

    @nn.compact
    def __call__(self, x):
        block = nn.remat(_Block, prevent_cse=False) if self.remat else _Block
        layers = nn.scan(
            lambda block, x, _: (block(x), None),
            variable_axes={"params": 0},
            split_rngs={"params": True},
            length=3,
        )
        return layers(block(name="block"), x, None)[0]


def _scanned(draw, remat):
    model, x = _Scanned(remat), draw(2, 5, 8)

    def reference(note, variables, x):
        p = variables["params"]["block"]
        for layer in range(3):
            x = _ref_block(note, jax.tree.map(lambda y, i=layer: y[i], p), x, layer=layer)
        return x

    return Case(model.apply, (_initialized(model, draw, x), x), reference)


@program("nn.scan over three blocks.")
def scanned_blocks(draw: Draw) -> Case:
    return _scanned(draw, remat=False)


@program("nn.scan over three blocks under nn.remat.")
def scanned_rematerialized_blocks(draw: Draw) -> Case:
    return _scanned(draw, remat=True)


class _Research(nn.Module):
    """Grouped queries with setup instead of compact, einops-like reshapes."""

    def setup(self):
        self.to_q = nn.Dense(12, use_bias=False)
        self.to_kv = nn.Dense(12, use_bias=False)
        self.to_out = nn.Dense(8, use_bias=False)
        self.temperature = self.param("temperature", nn.initializers.ones, (4,))

    def __call__(self, x):
        b, n, _ = x.shape
        q = self.to_q(x).reshape(b, n, 2, 2, 3)
        k, v = jnp.split(self.to_kv(x).reshape(b, n, 2, 6), 2, axis=-1)
        sim = jnp.einsum("bigrd,bjgd->bgrij", q, k) * self.temperature.reshape(2, 2, 1, 1)
        attn = nn.softmax(sim, axis=-1)
        return self.to_out(jnp.einsum("bgrij,bjgd->bigrd", attn, v).reshape(b, n, 12))


@program("A module with setup: grouped queries, a temperature a head, keys and values per group.")
def research_module(draw: Draw) -> Case:
    model, x = _Research(), draw(2, 5, 8)

    def reference(note, variables, x):
        p = variables["params"]
        q = ref.split(x @ p["to_q"]["kernel"], 4)
        k, v = np.split(ref.split(x @ p["to_kv"]["kernel"], 2), 2, axis=-1)
        scale = p["temperature"][:, None, None]
        return ref.merge(ref.attend(note, q, k, v, scale=scale)) @ p["to_out"]["kernel"]

    return Case(model.apply, (_initialized(model, draw, x), x), reference)


class _SqueezeExcite(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.relu(nn.Conv(6, (1, 1))(x))
        s = nn.avg_pool(x, x.shape[1:3])
        s = nn.Dense(6)(nn.swish(nn.Dense(2)(s)))
        return x * nn.sigmoid(s)


@program("Squeeze and excitation as in EfficientNet: avg_pool, swish, Dense layers.")
def squeeze_excite(draw: Draw) -> Case:
    model, x = _SqueezeExcite(), draw(2, 3, 4, 5)

    def reference(note, variables, x):
        p = variables["params"]
        x = ref.relu(x @ p["Conv_0"]["kernel"][0, 0] + p["Conv_0"]["bias"])
        s = x.mean((1, 2)) @ p["Dense_1"]["kernel"] + p["Dense_1"]["bias"]
        s = s * ref.sigmoid(s) @ p["Dense_0"]["kernel"] + p["Dense_0"]["bias"]
        return x * note(ref.sigmoid(s)[:, None, None], "gate")[:, 0, 0][:, None, None]

    return Case(model.apply, (_initialized(model, draw, x), x), reference)


class _Decoder(nn.Module):
    """nn.scan over time with a GRU cell and additive attention."""

    @nn.compact
    def __call__(self, inputs, memory):
        def step(h, x):
            energy = nn.Dense(1, use_bias=False, name="energy")(
                jnp.tanh(nn.Dense(4, name="q")(h)[:, None] + nn.Dense(4, name="k")(memory))
            )
            alpha = nn.softmax(energy, axis=1)
            context = jnp.sum(alpha * memory, axis=1)
            h, _ = nn.GRUCell(5, name="cell")(h, jnp.concatenate([x, context], -1))
            return h, h

        class Step(nn.Module):
            @nn.compact
            def __call__(self, h, x):
                return step(h, x)

        scanned = nn.scan(Step, variable_broadcast="params", split_rngs={"params": False})
        return scanned(name="step")(jnp.zeros((2, 5)), inputs)[1]


@program("nn.scan over time: GRU cell, additive attention, energies with an axis of length one.")
def recurrent_decoder(draw: Draw) -> Case:
    model, inputs, memory = _Decoder(), draw(4, 2, 3), draw(2, 6, 7)

    def dense(p, x):
        return x @ p["kernel"] + p.get("bias", 0.0)

    def reference(note, variables, inputs, memory):
        p, h, out = variables["params"]["step"], np.zeros((2, 5)), []
        cell = p["cell"]
        for step, x in enumerate(inputs):
            hidden = np.tanh(dense(p["q"], h)[:, None] + dense(p["k"], memory))
            a = ref.softmax(dense(p["energy"], hidden)[..., 0])
            a = note(a[:, None, None], "cross", step=step)
            x = np.concatenate([x, ref.mix(a, memory[:, None])[:, 0, 0]], -1)
            r, z = (ref.sigmoid(dense(cell["i" + n], x) + dense(cell["h" + n], h)) for n in "rz")
            n = np.tanh(dense(cell["in"], x) + r * dense(cell["hn"], h))
            h = (1 - z) * n + z * h
            out.append(h)
        return np.stack(out)

    args = _initialized(model, draw, inputs, memory), inputs, memory
    return Case(model.apply, args, reference)
