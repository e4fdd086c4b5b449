"""Attention in loops, branches and calls: layers, steps, examples."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.capture.programs import reference as ref
from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)


def _layer(x, p, causal=False):
    """One residual layer on `[batch token model]`."""
    q, k, v = (jnp.einsum("btm,mhd->bhtd", x, p[n]) for n in "qkv")
    s = q @ k.mT * q.shape[-1] ** -0.5
    if causal:
        s = jnp.where(jnp.tri(s.shape[-1], dtype=bool), s, -1e9)
    return x + jnp.einsum("bhtd,hdm->btm", jax.nn.softmax(s) @ v, p["o"])


def _ref_layer(note, x, p, mask=None, **labels):
    q, k, v = (ref.project(x, p[n]) for n in "qkv")
    return x + ref.unproject(ref.attend(note, q, k, v, mask=mask, **labels), p["o"])


def _parameters(draw, *lead):
    p = {name: draw(*lead, 8, 2, 4, scale=0.5) for name in "qkv"}
    return p | {"o": draw(*lead, 2, 4, 8, scale=0.3)}


def _at(p, *index):
    return {name: value[index] for name, value in p.items()}


def _stack(note, x, p):
    for layer in range(3):
        x = _ref_layer(note, x, _at(p, layer), layer=layer)
    return x


@program("A Python loop over a list of layers.")
def list_of_layers(draw: Draw) -> Case:
    def fn(x, layers):
        for p in layers:
            x = _layer(x, p)
        return x

    def reference(note, x, layers):
        for p in layers:
            x = _ref_layer(note, x, p)
        return x

    return Case(fn, (draw(2, 5, 8), [_parameters(draw) for _ in range(3)]), reference)


@program("A scan over stacked layers.")
def scan_over_layers(draw: Draw) -> Case:
    def fn(x, p):
        return lax.scan(lambda x, p: (_layer(x, p), None), x, p)[0]

    return Case(fn, (draw(2, 5, 8), _parameters(draw, 3)), _stack)


@program("A scan over stacked layers, each rematerialized with a policy; x is keyed by name.")
def scan_over_rematerialized_layers(draw: Draw) -> Case:
    @partial(jax.checkpoint, policy=jax.checkpoint_policies.dots_with_no_batch_dims_saveable)
    def block(state, p):
        return {"x": _layer(state["x"], p), "norm": (state["x"] ** 2).mean()}, None

    def fn(x, p):
        return lax.scan(block, {"x": x, "norm": 0.0}, p)[0]["x"]

    return Case(fn, (draw(2, 5, 8), _parameters(draw, 3)), _stack)


@program("A scan that is unrolled by two and returns each layer's state as well.")
def scan_unrolled(draw: Draw) -> Case:
    def fn(x, p):
        def body(x, p):
            x = _layer(x, p)
            return x, x.mean()

        return lax.scan(body, x, p, unroll=2)

    def reference(note, x, p):
        means = []
        for layer in range(3):
            x = _ref_layer(note, x, _at(p, layer), layer=layer)
            means.append(x.mean())
        return x, np.array(means)

    return Case(fn, (draw(2, 5, 8), _parameters(draw, 3)), reference)


@program("A scan backwards: the last parameters come first.")
def scan_reversed(draw: Draw) -> Case:
    def fn(x, p):
        return lax.scan(lambda x, p: (_layer(x, p), ()), x, p, reverse=True)[0]

    def reference(note, x, p):
        for layer in (2, 1, 0):
            x = _ref_layer(note, x, _at(p, layer), layer=layer)
        return x

    return Case(fn, (draw(2, 5, 8), _parameters(draw, 3)), reference)


@program("A fori loop over layers, parameters taken by dynamic_index_in_dim.")
def fori_over_layers(draw: Draw) -> Case:
    def fn(x, p):
        def body(i, x):
            return _layer(
                x, jax.tree.map(lambda y: lax.dynamic_index_in_dim(y, i, keepdims=False), p)
            )

        return lax.fori_loop(0, 3, body, x)

    return Case(fn, (draw(2, 5, 8), _parameters(draw, 3)), _stack)


@program("A while loop with a counter and a bound written in the condition.")
def while_over_layers(draw: Draw) -> Case:
    def fn(x, p):
        def body(state):
            i, x = state
            return i + 1, _layer(x, jax.tree.map(lambda y: y[i], p))

        return lax.while_loop(lambda state: state[0] < 3, body, (0, x))[1]

    return Case(fn, (draw(2, 5, 8), _parameters(draw, 3)), _stack)


@program("The same layer three times in a fori loop (universal transformer).")
def shared_layer(draw: Draw) -> Case:
    def fn(x, p):
        return lax.fori_loop(0, 3, lambda _, x: _layer(x, p, causal=True), x)

    def reference(note, x, p):
        for step in range(3):
            x = _ref_layer(note, x, p, mask=ref.causal(5), step=step)
        return x

    return Case(fn, (draw(2, 5, 8), _parameters(draw)), reference)


@program("Nested scans: groups of layers, layers in a group.")
def nested_scans(draw: Draw) -> Case:
    def fn(x, p):
        def group(x, p):
            x, _ = lax.scan(lambda x, p: (_layer(x, p), None), x, p)
            return jnp.tanh(x), None

        return lax.scan(group, x, p)[0]

    def reference(note, x, p):
        for group in range(2):
            for layer in range(3):
                x = _ref_layer(note, x, _at(p, group, layer), group=group, layer=layer)
            x = np.tanh(x)
        return x

    return Case(fn, (draw(2, 5, 8), _parameters(draw, 2, 3)), reference)


@program("Two different attentions in one body of a scan: a causal one and one to memory.")
def decoder_layers_in_scan(draw: Draw) -> Case:
    x, memory = draw(2, 4, 8), draw(2, 6, 8)
    own, cross = _parameters(draw, 2), _parameters(draw, 2)

    def fn(x, memory, own, cross):
        def body(x, layer):
            own, cross = layer
            x = _layer(x, own, causal=True)
            q = jnp.einsum("btm,mhd->bthd", x, cross["q"])
            k, v = (jnp.einsum("btm,mhd->bthd", memory, cross[n]) for n in "kv")
            out = jax.nn.dot_product_attention(q, k, v)
            return x + jnp.einsum("bthd,hdm->btm", out, cross["o"]), None

        return lax.scan(body, x, (own, cross))[0]

    def reference(note, x, memory, own, cross):
        for layer in range(2):
            x = _ref_layer(note, x, _at(own, layer), mask=ref.causal(4), layer=layer)
            p = _at(cross, layer)
            q, k, v = ref.project(x, p["q"]), *(ref.project(memory, p[n]) for n in "kv")
            x = x + ref.unproject(ref.attend(note, q, k, v, kind="cross", layer=layer), p["o"])
        return x

    return Case(fn, (x, memory, own, cross), reference)


@program("cond chooses one of two attentions by a value; the first is taken.")
def cond_between_attentions(draw: Draw) -> Case:
    x, p, flag = draw(2, 5, 8), [_parameters(draw), _parameters(draw)], np.float32(1.0)

    def fn(x, p, flag):
        return lax.cond(
            flag > 0, lambda x: _layer(x, p[0]), lambda x: _layer(x, p[1], causal=True), x
        )

    def reference(note, x, p, flag):
        note(np.zeros((2, 2, 5, 5)), tag="other branch", optional="this branch is not taken")
        return _ref_layer(note, x, p[0])

    return Case(fn, (x, p, flag), reference)


@program("A scan whose layers switch between local and global attention by an index.")
def switch_in_scan(draw: Draw) -> Case:
    x, p, kinds = draw(2, 5, 8), _parameters(draw, 3), np.array([0, 1, 0], np.int32)

    def attention(x, p, window):
        q, k, v = (jnp.einsum("btm,mhd->bhtd", x, p[n]) for n in "qkv")
        near = jnp.abs(jnp.arange(5)[:, None] - jnp.arange(5)) <= window
        w = jax.nn.softmax(jnp.where(near, q @ k.mT / 2, -1e9))
        return x + jnp.einsum("bhtd,hdm->btm", w @ v, p["o"])

    def fn(x, p, kinds):
        def body(x, layer):
            p, kind = layer
            local, whole = (partial(attention, window=w) for w in (1, 9))
            return lax.switch(kind, [local, whole], x, p), None

        return lax.scan(body, x, (p, kinds))[0]

    def reference(note, x, p, kinds):
        near = np.abs(np.arange(5)[:, None] - np.arange(5)) <= 1
        for layer, kind in enumerate(kinds):
            q, k, v = (ref.project(x, p[n][layer]) for n in "qkv")
            logits = ref.logits_of(q, k)
            w = ref.softmax(logits if kind else np.where(near, logits, -np.inf))
            taken = [
                note(
                    w if kind == b else 0 * w,
                    tag=f"branch {b}",
                    layer=layer,
                    also=[w],
                    family="branches",
                )
                for b in (0, 1)
            ]
            x = x + ref.unproject(ref.mix(taken[kind], v), p["o"][layer])
        return x

    return Case(
        fn, (x, p, kinds), reference, unused="in an iteration only one of the branches runs"
    )


@program("lax.map over examples, each without a batch axis.")
def map_over_examples(draw: Draw) -> Case:
    def fn(x, p):
        def single(x):
            q, k, v = (jnp.einsum("tm,mhd->thd", x, p[n]) for n in "qkv")
            w = jax.nn.softmax(jnp.einsum("thd,shd->hts", q, k) * 0.5)
            return x + jnp.einsum("hts,shd,hdm->tm", w, v, p["o"])

        return lax.map(single, x)

    def reference(note, x, p):
        return _ref_layer(note, x, p)

    return Case(fn, (draw(3, 5, 8), _parameters(draw)), reference)


@program("jit in jit in jit, with a static argument and keyword arguments.")
def nested_jit(draw: Draw) -> Case:
    @partial(jax.jit, static_argnames="heads")
    def attention(x, *, w, heads):
        q, k, v = jnp.split(jax.jit(jnp.matmul)(x, w), 3, -1)
        q, k, v = (y.reshape(*y.shape[:-1], heads, -1) for y in (q, k, v))
        weights = jax.jit(jax.nn.softmax)(jnp.einsum("...qhd,...khd->...hqk", q, k))
        return jnp.einsum("...hqk,...khd->...qhd", weights, v).reshape(x.shape)

    def fn(x, w):
        return jax.jit(lambda x, w: x + attention(x, w=w, heads=2))(x, w)

    def reference(note, x, w):
        q, k, v = (ref.split(x @ part, 2) for part in np.split(w, 3, axis=1))
        return x + ref.merge(ref.attend(note, q, k, v, scale=1.0))

    return Case(fn, (draw(2, 5, 8), draw.weight(8, 24)), reference)


@program("vmap of a scan over layers, with one example in each call.")
def vmap_of_scan(draw: Draw) -> Case:
    def fn(x, p):
        def single(x):
            return lax.scan(lambda x, p: (_layer(x[None], p)[0], None), x, p)[0]

        return jax.vmap(single)(x)

    return Case(fn, (draw(2, 5, 8), _parameters(draw, 3)), _stack)


@program("Rematerialized layers in a Python loop.")
def rematerialized_list(draw: Draw) -> Case:
    def fn(x, layers):
        for p in layers:
            x = jax.checkpoint(_layer, static_argnums=2)(x, p, True)
        return x

    def reference(note, x, layers):
        for p in layers:
            x = _ref_layer(note, x, p, mask=ref.causal(5))
        return x

    return Case(fn, (draw(2, 5, 8), [_parameters(draw) for _ in range(2)]), reference)


@program("A scan over time: each step attends to a fixed memory, from a recurrent state.")
def scan_over_time(draw: Draw) -> Case:
    inputs, memory, w = draw(4, 2, 6), draw(2, 5, 6), draw.weights("x h q k", 6, 6)

    def fn(inputs, memory, w):
        keys = memory @ w["k"]

        def step(h, x):
            h = jnp.tanh(x @ w["x"] + h @ w["h"])
            weights = jax.nn.softmax(jnp.einsum("bd,bsd->bs", h @ w["q"], keys))
            read = jnp.einsum("bs,bsd->bd", weights, memory)
            return h + read, read

        return lax.scan(step, jnp.zeros((2, 6)), inputs)[1]

    def reference(note, inputs, memory, w):
        keys, h, reads = memory @ w["k"], np.zeros((2, 6)), []
        for step, x in enumerate(inputs):
            h = np.tanh(x @ w["x"] + h @ w["h"])
            q = (h @ w["q"])[:, None, None]
            out = ref.attend(
                note, q, keys[:, None], memory[:, None], kind="cross", scale=1.0, step=step
            )
            h = h + out[:, 0, 0]
            reads.append(out[:, 0, 0])
        return np.stack(reads)

    return Case(fn, (inputs, memory, w), reference)
