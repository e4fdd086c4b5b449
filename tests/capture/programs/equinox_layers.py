"""Equinox: its own layers and modules as people write them; one example at a time, under vmap."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from tests.capture.programs import reference as ref
from tests.capture.programs.program import Case, Draw, Registry, double

program = Registry(__name__)


def _multi_head(note, attention, x, y, kind="self", **labels):
    """Of `[batch token model]`, from the matrices of an `eqx.nn.MultiheadAttention`."""
    a = double(eqx.filter(attention, eqx.is_array))
    heads = attention.num_heads
    q = ref.split(x @ a.query_proj.weight.T, heads)
    k, v = (ref.split(y @ p.weight.T, heads) for p in (a.key_proj, a.value_proj))
    return ref.merge(ref.attend(note, q, k, v, kind=kind, **labels)) @ a.output_proj.weight.T


@program("eqx.nn.MultiheadAttention in a closure, on one example.")
def multi_head(draw: Draw) -> Case:
    attention = eqx.nn.MultiheadAttention(2, 8, key=jax.random.key(0))

    def reference(note, x):
        return _multi_head(note, attention, x[None], x[None])[0]

    return Case(lambda x: attention(x, x, x), (draw(5, 8),), reference)


@program(
    "eqx.nn.MultiheadAttention mapped over examples, with a causal mask; arrays are arguments."
)
def multi_head_mapped(draw: Draw) -> Case:
    attention = eqx.nn.MultiheadAttention(2, 8, key=jax.random.key(1))
    arrays, static = eqx.partition(attention, eqx.is_array)

    def fn(arrays, x):
        module = eqx.combine(arrays, static)
        return jax.vmap(lambda x: module(x, x, x, mask=jnp.tril(jnp.ones((5, 5), bool))))(x)

    def reference(note, arrays, x):
        return _multi_head(note, attention, x, x, mask=ref.causal(5))

    return Case(fn, (arrays, draw(3, 5, 8)), reference)


@program("eqx.nn.MultiheadAttention to a memory of other features, with dropout switched off.")
def multi_head_cross(draw: Draw) -> Case:
    attention = eqx.nn.MultiheadAttention(
        2, 8, 6, 6, output_size=4, dropout_p=0.3, inference=True, key=jax.random.key(2)
    )

    def fn(x, y):
        return eqx.filter_vmap(lambda x, y: attention(x, y, y))(x, y)

    def reference(note, x, y):
        return _multi_head(note, attention, x, y, kind="cross")

    return Case(fn, (draw(2, 3, 8), draw(2, 5, 6)), reference)


class _Block(eqx.Module):
    attention: eqx.nn.MultiheadAttention
    norm: eqx.nn.LayerNorm
    mlp: eqx.nn.MLP

    def __init__(self, key):
        first, second = jax.random.split(key)
        self.attention = eqx.nn.MultiheadAttention(2, 8, key=first)
        self.norm = eqx.nn.LayerNorm(8)
        self.mlp = eqx.nn.MLP(8, 8, 12, 1, key=second)

    def __call__(self, x):
        y = jax.vmap(self.norm)(x)
        x = x + self.attention(y, y, y)
        return x + jax.vmap(self.mlp)(x)


def _ref_block(note, block, x, **labels):
    y = ref.layer_norm(x, *double((block.norm.weight, block.norm.bias)), eps=1e-5)
    x = x + _multi_head(note, block.attention, y, y, **labels)
    first, second = (double((layer.weight, layer.bias)) for layer in block.mlp.layers)
    return x + ref.relu(x @ first[0].T + first[1]) @ second[0].T + second[1]


@program("Blocks in a list, mapped over examples, under filter_jit.")
def blocks(draw: Draw) -> Case:
    layers = [_Block(key) for key in jax.random.split(jax.random.key(3), 2)]

    @eqx.filter_jit
    def run(layers, x):
        for layer in layers:
            x = jax.vmap(layer)(x)
        return x

    def reference(note, x):
        for layer in layers:
            x = _ref_block(note, layer, x)
        return x

    return Case(lambda x: run(layers, x), (draw(2, 5, 8),), reference)


@program("Blocks made by filter_vmap and run by lax.scan.")
def scanned_blocks(draw: Draw) -> Case:
    keys = jax.random.split(jax.random.key(4), 3)
    stacked = eqx.filter_vmap(_Block)(keys)
    arrays, static = eqx.partition(stacked, eqx.is_array)

    def fn(arrays, x):
        def layer(x, arrays):
            return jax.vmap(eqx.combine(arrays, static))(x), None

        return jax.lax.scan(layer, x, arrays)[0]

    def reference(note, _, x):
        for layer in range(3):
            block = jax.tree.map(lambda y, i=layer: y[i] if eqx.is_array(y) else y, stacked)
            x = _ref_block(note, block, x, layer=layer)
        return x

    return Case(fn, (arrays, draw(2, 5, 8)), reference)


class _Pool(eqx.Module):
    query: jax.Array
    key: eqx.nn.Linear
    size: int = eqx.field(static=True)

    def __call__(self, x):
        keys = jax.vmap(self.key)(x)
        weights = jax.nn.softmax(keys @ self.query / np.sqrt(self.size).astype("f"))
        return weights @ x


@program("A module with a learned query that pools tokens.")
def pool(draw: Draw) -> Case:
    module = _Pool(jnp.asarray(draw(4)), eqx.nn.Linear(6, 4, key=jax.random.key(5)), 4)

    def fn(module, x):
        return jax.vmap(module)(x)

    def reference(note, module, x):
        keys = x @ double(module.key.weight).T + double(module.key.bias)
        w = note(ref.softmax(keys @ double(module.query) / 2)[:, None, None], "pooling")
        return ref.mix(w, x[:, None])[:, 0, 0]

    return Case(fn, (module, draw(2, 7, 6)), reference)
