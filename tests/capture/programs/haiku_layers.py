"""Haiku: its own layers and modules as people write them."""

from typing import Any

import haiku as hk
import jax
import jax.numpy as jnp
import numpy as np
from haiku.experimental import layer_stack as layer_stack_of

from tests.capture.programs import reference as ref
from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)


def _transformed(draw: Draw, forward: Any, *args: Any) -> tuple[Any, Any]:
    """The function of parameters, and random parameters for it."""
    transformed = hk.without_apply_rng(hk.transform(forward))
    shapes = jax.eval_shape(transformed.init, jax.random.key(0), *args)
    return transformed.apply, jax.tree.map(
        lambda leaf: draw(*leaf.shape, scale=leaf.shape[0] ** -0.5), shapes
    )


def _linear(p, x):
    return x @ p["w"] + p.get("b", 0.0)


def _multi_head(note, p, path, x, y, heads, **labels):
    q = ref.split(_linear(p[f"{path}/query"], x), heads)
    k, v = (ref.split(_linear(p[f"{path}/{n}"], y), heads) for n in ("key", "value"))
    return _linear(p[f"{path}/linear"], ref.merge(ref.attend(note, q, k, v, **labels)))


@program("hk.MultiHeadAttention on itself.")
def multi_head(draw: Draw) -> Case:
    def forward(x):
        attention = hk.MultiHeadAttention(2, 4, w_init=hk.initializers.RandomNormal())
        return attention(x, x, x)

    fn, p = _transformed(draw, forward, x := draw(2, 5, 8))

    def reference(note, p, x):
        return _multi_head(note, p, "multi_head_attention", x, x, 2, name="multi_head_attention")

    return Case(fn, (p, x), reference)


@program("hk.MultiHeadAttention to a memory with a mask, in a named module.")
def multi_head_cross(draw: Draw) -> Case:
    def forward(x, y, mask):
        attention = hk.MultiHeadAttention(
            3, 2, model_size=8, name="reader", w_init=hk.initializers.RandomNormal()
        )
        return attention(x, y, y, mask=mask[:, None, None])

    x, y, mask = draw(2, 3, 8), draw(2, 5, 6), np.arange(5) < np.array([[3], [5]])
    fn, p = _transformed(draw, forward, x, y, mask)

    def reference(note, p, x, y, mask):
        labels = {"mask": mask[:, None, None], "name": "reader"}
        return _multi_head(note, p, "reader", x, y, 3, kind="cross", **labels)

    return Case(fn, (p, x, y, mask), reference)


class _CausalBlock(hk.Module):
    def __call__(self, x):
        b, t, m = x.shape
        norm = hk.LayerNorm(-1, create_scale=True, create_offset=True)
        qkv = hk.Linear(3 * m, with_bias=False, name="qkv")(norm(x))
        q, k, v = jnp.split(qkv.reshape(b, t, 2, -1), 3, axis=-1)
        scores = jnp.einsum("bthd,bThd->bhtT", q, k) * np.sqrt(2 / m).astype("f")
        scores = jnp.where(np.tri(t)[None, None] > 0, scores, -1e30)
        out = jnp.einsum("bhtT,bThd->bthd", jax.nn.softmax(scores), v)
        return x + hk.Linear(m, name="out")(out.reshape(b, t, m))


def _ref_causal_block(note, p, path, x, **labels):
    norm = p[f"{path}/layer_norm"]
    y = ref.layer_norm(x, norm["scale"], norm["offset"], eps=1e-5)
    q, k, v = np.split(ref.split(_linear(p[f"{path}/qkv"], y), 2), 3, axis=-1)
    out = ref.attend(note, q, k, v, mask=ref.causal(x.shape[1]), **labels)
    return x + _linear(p[f"{path}/out"], ref.merge(out))


@program("A causal block of one's own, twice; query, key and value side by side in each head.")
def causal_blocks(draw: Draw) -> Case:
    def forward(x):
        for _ in range(2):
            x = _CausalBlock("block")(x)
        return x

    fn, p = _transformed(draw, forward, x := draw(2, 5, 8))

    def reference(note, p, x):
        x = _ref_causal_block(note, p, "block", x)
        return _ref_causal_block(note, p, "block_1", x)

    return Case(fn, (p, x), reference)


@program("hk.layer_stack of three causal blocks.")
def layer_stack(draw: Draw) -> Case:
    def forward(x):
        return layer_stack_of(3)(lambda x: _CausalBlock("block")(x))(x)

    fn, p = _transformed(draw, forward, x := draw(2, 5, 8))

    def reference(note, p, x):
        prefix = next(path for path in p if path.endswith("block/qkv")).removesuffix("/qkv")
        for layer in range(3):
            one = {path: {n: y[layer] for n, y in leaf.items()} for path, leaf in p.items()}
            x = _ref_causal_block(note, one, prefix, x, layer=layer)
        return x

    return Case(fn, (p, x), reference)


@program("hk.dynamic_unroll of an attention core over time, additive scores.")
def recurrent_core(draw: Draw) -> Case:
    class Core(hk.RNNCore):
        def __init__(self, memory):
            super().__init__(name="core")
            self.memory = memory

        def initial_state(self, batch_size: int | None) -> Any:
            return jnp.zeros((batch_size or 1, 5))

        def __call__(self, x, h):
            hidden = hk.Linear(4, name="q")(h)[:, None] + hk.Linear(4, name="k")(self.memory)
            energy = hk.Linear(1, with_bias=False, name="v")(jnp.tanh(hidden))
            weights = jax.nn.softmax(jnp.squeeze(energy, -1))
            context = jnp.einsum("bk,bkd->bd", weights, self.memory)
            h = jnp.tanh(hk.Linear(5, name="h")(jnp.concatenate([x, h, context], -1)))
            return context, h

    def forward(inputs, memory):
        core = Core(memory)
        return hk.dynamic_unroll(core, inputs, core.initial_state(2))[0]

    inputs, memory = draw(4, 2, 3), draw(2, 6, 7)
    fn, p = _transformed(draw, forward, inputs, memory)

    def reference(note, p, inputs, memory):
        h, out = np.zeros((2, 5)), []
        for step, x in enumerate(inputs):
            hidden = _linear(p["core/q"], h)[:, None] + _linear(p["core/k"], memory)
            a = ref.softmax(_linear(p["core/v"], np.tanh(hidden))[..., 0])
            a = note(a[:, None, None], "cross", step=step)
            context = ref.mix(a, memory[:, None])[:, 0, 0]
            h = np.tanh(_linear(p["core/h"], np.concatenate([x, h, context], -1)))
            out.append(context)
        return np.stack(out)

    return Case(fn, (p, inputs, memory), reference)
