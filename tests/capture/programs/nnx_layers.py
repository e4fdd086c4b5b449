"""Flax NNX: its own layers and modules as people write them."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from tests.capture.programs import reference as ref
from tests.capture.programs.program import Case, Draw, Registry, double

program = Registry(__name__)


def _filled(model: nnx.Module, draw: Draw) -> nnx.Module:
    """The module with random parameters, biases not zero."""
    state = nnx.state(model, nnx.Param)
    nnx.update(model, jax.tree.map(lambda y: jnp.asarray(draw(*y.shape, scale=0.4)), state))
    return model


def _parameters(model: nnx.Module):
    return double(nnx.to_pure_dict(nnx.state(model, nnx.Param)))


def _multi_head(note, p, x, y, **labels):
    q, k, v = (
        ref.project(z, p[n]["kernel"]) + p[n]["bias"][None, :, None]
        for z, n in ((x, "query"), (y, "key"), (y, "value"))
    )
    out = ref.attend(note, q, k, v, **labels)
    return ref.unproject(out, p["out"]["kernel"]) + p["out"]["bias"]


def _attention(heads=2, features=8, **options):
    return nnx.MultiHeadAttention(heads, features, decode=False, rngs=nnx.Rngs(0), **options)


@program("nnx.MultiHeadAttention, the module an argument.")
def multi_head(draw: Draw) -> Case:
    model, x = _filled(_attention(), draw), draw(2, 5, 8)
    p = _parameters(model)

    def reference(note, _, x):
        return _multi_head(note, p, x, x)

    return Case(lambda model, x: model(x), (model, x), reference)


@program("nnx.MultiHeadAttention split into definition and state, merged in the function.")
def multi_head_merged(draw: Draw) -> Case:
    model, x, y = _filled(_attention(), draw), draw(2, 3, 8), draw(2, 5, 8)
    definition, state = nnx.split(model)
    p = _parameters(model)

    def fn(state, x, y):
        return nnx.merge(definition, state)(x, y)

    def reference(note, _, x, y):
        return _multi_head(note, p, x, y, kind="cross")

    return Case(fn, (state, x, y), reference)


@program("nnx.MultiHeadAttention in a closure, a causal mask.")
def multi_head_in_closure(draw: Draw) -> Case:
    model, x = _filled(_attention(), draw), draw(2, 5, 8)
    p = _parameters(model)

    def fn(x):
        return model(x, mask=nnx.make_causal_mask(x[..., 0]))

    def reference(note, x):
        return _multi_head(note, p, x, x, mask=ref.causal(5))

    return Case(fn, (x,), reference)


@program("nnx.MultiHeadAttention under nnx.jit, queries from another input.")
def multi_head_jitted(draw: Draw) -> Case:
    model, x, y = _filled(_attention(4), draw), draw(2, 3, 8), draw(2, 5, 8)
    p = _parameters(model)

    def reference(note, _, x, y):
        return _multi_head(note, p, x, y, kind="cross")

    return Case(nnx.jit(lambda model, x, y: model(x, y)), (model, x, y), reference)


class _Block(nnx.Module):
    def __init__(self, rngs):
        self.norm = nnx.RMSNorm(8, rngs=rngs)
        self.qkv = nnx.LinearGeneral(8, (3, 2, 4), use_bias=False, rngs=rngs)
        self.out = nnx.LinearGeneral((2, 4), 8, axis=(-2, -1), use_bias=False, rngs=rngs)
        self.gate, self.up = (nnx.Linear(8, 12, use_bias=False, rngs=rngs) for _ in range(2))
        self.down = nnx.Linear(12, 8, use_bias=False, rngs=rngs)

    def __call__(self, x):
        q, k, v = jnp.moveaxis(self.qkv(self.norm(x)), -3, 0)
        s = jnp.einsum("...qhd,...khd->...hqk", q, k) / 2
        s = jnp.where(jnp.tri(s.shape[-1], dtype=bool), s, jnp.finfo(s.dtype).min)
        x = x + self.out(jnp.einsum("...hqk,...khd->...qhd", nnx.softmax(s), v))
        return x + self.down(nnx.silu(self.gate(x)) * self.up(x))


def _ref_block(note, p, x, **labels):
    y = ref.rms_norm(x, p["norm"]["scale"])
    q, k, v = (ref.project(y, p["qkv"]["kernel"][:, i]) for i in range(3))
    out = ref.attend(note, q, k, v, mask=ref.causal(x.shape[1]), **labels)
    x = x + ref.unproject(out, p["out"]["kernel"])
    gate = x @ p["gate"]["kernel"]
    return x + (gate * ref.sigmoid(gate) * (x @ p["up"]["kernel"])) @ p["down"]["kernel"]


class _Stack(nnx.Module):
    def __init__(self, rngs):
        self.layers = nnx.List([_Block(rngs) for _ in range(2)])

    def __call__(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


@program("Two blocks with RMS norm and SwiGLU in a list; a fused projection with three axes.")
def stack(draw: Draw) -> Case:
    model, x = _filled(_Stack(nnx.Rngs(0)), draw), draw(2, 5, 8)
    p = _parameters(model)

    def reference(note, _, x):
        for layer in range(2):
            x = _ref_block(note, p["layers"][layer], x)
        return x

    return Case(lambda model, x: model(x), (model, x), reference)


@program("Blocks made by nnx.vmap and run by nnx.scan.")
def scanned(draw: Draw) -> Case:
    @nnx.vmap(in_axes=0, out_axes=0)
    def make(key):
        return _Block(nnx.Rngs(key))

    model, x = _filled(make(jax.random.split(jax.random.key(0), 3)), draw), draw(2, 5, 8)
    p = _parameters(model)

    def fn(model, x):
        @nnx.scan(in_axes=(nnx.Carry, 0), out_axes=nnx.Carry)
        def forward(x, block):
            return block(x)

        return forward(x, model)

    def reference(note, _, x):
        for layer in range(3):
            x = _ref_block(note, jax.tree.map(lambda y, i=layer: y[i], p), x, layer=layer)
        return x

    return Case(fn, (model, x), reference)


@program("A block under nnx.remat, and its loss under nnx.value_and_grad.")
def trained(draw: Draw) -> Case:
    model, x = _filled(_Block(nnx.Rngs(0)), draw), draw(2, 5, 8)
    p = _parameters(model)

    def fn(model, x):
        def loss(model):
            return (nnx.remat(lambda model, x: model(x))(model, x) ** 2).mean()

        return nnx.value_and_grad(loss)(model)[0]

    def reference(note, _, x):
        return (_ref_block(note, p, x) ** 2).mean()

    return Case(fn, (model, x), reference)


class _ImageGate(nnx.Module):
    def __init__(self, rngs):
        self.conv = nnx.Conv(3, 6, (3, 3), use_bias=False, rngs=rngs)
        self.squeeze, self.excite = nnx.Linear(6, 2, rngs=rngs), nnx.Linear(2, 6, rngs=rngs)

    def __call__(self, x):
        y = self.conv(x)
        s = self.excite(nnx.relu(self.squeeze(jnp.mean(y, axis=(1, 2)))))
        return y * jnp.expand_dims(nnx.sigmoid(s), (1, 2)) + y


@program("Squeeze and excitation in NNX, with the ungated features added.")
def image_gate(draw: Draw) -> Case:
    model, x = _filled(_ImageGate(nnx.Rngs(0)), draw), draw(2, 4, 5, 3)
    p = _parameters(model)

    def reference(note, _, x):
        padded, kernel = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), p["conv"]["kernel"]
        shifts = [
            padded[:, i : i + 4, j : j + 5] @ kernel[i, j] for i in range(3) for j in range(3)
        ]
        y = np.sum(shifts, axis=0)
        s = ref.relu(y.mean((1, 2)) @ p["squeeze"]["kernel"] + p["squeeze"]["bias"])
        gate = ref.sigmoid(s @ p["excite"]["kernel"] + p["excite"]["bias"])
        return y * note(gate[:, None, None], "gate")[:, 0, 0][:, None, None] + y

    return Case(lambda model, x: model(x), (model, x), reference)
