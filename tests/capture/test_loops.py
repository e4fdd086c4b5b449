"""What loops around weights mean, and how their axes join the weights' own."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.capture.recognizing import analysis_of, found_in

X = np.random.default_rng(1).normal(size=(2, 6, 8)).astype(np.float32)
P = np.random.default_rng(2).normal(size=(3, 8, 8), scale=0.4).astype(np.float32)


def _attend(x, y, p):
    q, k, v = x @ p[0], y @ p[1], y @ p[2]
    return jax.nn.softmax(q @ jnp.swapaxes(k, -1, -2)) @ v


def _roles(fn, *args):
    (site,) = analysis_of(fn, *args).sites()
    return [loop.role for loop in site.loops]


def _shapes(fn, *args):
    return [weights.shape for _, _, _, weights in found_in(fn, *args)]


def test_stacked_parameters_are_layers():
    def fn(x, p):
        return lax.scan(lambda x, p: (x + _attend(x, x, p), None), x, p)[0]

    stacked = np.stack([P, P])
    assert _roles(fn, X, stacked) == ["layer"]
    assert _shapes(fn, X, stacked) == [(2, 2, 1, 6, 6)]


def test_one_layer_again_and_again_is_layers():
    def fn(x, p):
        return lax.fori_loop(0, 4, lambda _, x: x + _attend(x, x, p), x)

    assert _roles(fn, X, P) == ["layer"]


def test_queries_from_a_state_are_steps():
    def fn(memory, start, p):
        def step(h, _):
            a = jax.nn.softmax(jnp.einsum("bd,bkd->bk", h @ p[0], memory @ p[1]))
            return jnp.tanh(h + jnp.einsum("bk,bkd->bd", a, memory)), None

        return lax.scan(step, start, None, length=4)[0]

    assert _roles(fn, X, X[:, 0], P) == ["step"]


def test_a_map_over_examples_is_the_batch():
    def fn(x, p):
        return lax.map(lambda x: _attend(x, x, p), x)

    assert _roles(fn, X, P) == ["batch"]
    assert _shapes(fn, X, P) == [(2, 1, 6, 6)]


def test_a_map_over_projections_is_heads():
    def fn(x, p):
        return lax.map(lambda p: _attend(x, x, p), p)

    heads = np.stack([P, P, P])
    assert _roles(fn, X, heads) == ["head"]
    assert _shapes(fn, X, heads) == [(2, 3, 6, 6)]


def test_a_map_over_blocks_of_queries_is_queries():
    def fn(x, p):
        blocks = jnp.moveaxis(x.reshape(2, 3, 2, 8), 1, 0)
        return lax.map(lambda block: _attend(block, x, p), blocks)

    assert _roles(fn, X, P) == ["query"]
    assert _shapes(fn, X, P) == [(2, 1, 6, 6)]


def test_blocks_that_a_counter_names_are_queries():
    def fn(x, p):
        def block(i, out):
            part = lax.dynamic_slice_in_dim(x, i * 2, 2, 1)
            return lax.dynamic_update_slice_in_dim(out, _attend(part, x, p), i * 2, 1)

        return lax.fori_loop(0, 3, block, jnp.zeros_like(x))

    assert _roles(fn, X, P) == ["query"]


def test_loops_are_listed_from_the_outermost():
    def fn(x, p):
        def layer(x, p):
            return x + lax.map(lambda x: _attend(x, x, p), x), None

        return lax.scan(layer, x, p)[0]

    assert _roles(fn, X, np.stack([P, P])) == ["layer", "batch"]


def _in_blocks(taken):
    """Softmax over blocks of two keys; `taken` gives the block, and what is handed on."""

    def fn(q, k, table):
        def block(i, carry):
            total, out, k = carry
            keys, k = taken(i, k, table)
            e = jnp.exp(q @ keys.mT)
            return total + e.sum(-1, keepdims=True), out + e @ keys, k

        start = jnp.zeros((*q.shape[:2], 1)), jnp.zeros_like(q), k
        total, out, _ = lax.fori_loop(0, 3, block, start)
        return out / total

    return fn


def _said_of_order(taken):
    (site,) = analysis_of(_in_blocks(taken), X, X, np.arange(3)).sites()
    return [each for each in site.fallbacks if "in the order in which it takes them" in each]


def test_an_order_of_blocks_that_only_running_tells_is_said():
    def looked_up(i, k, table):
        return lax.dynamic_slice_in_dim(k, 2 * table[i], 2, 1), k

    def handed_on(i, k, table):
        return k[:, :2], jnp.roll(k, -2, axis=1)

    def counted(i, k, table):
        return lax.dynamic_slice_in_dim(k, 4 - 2 * i, 2, 1), k

    assert _said_of_order(looked_up)
    assert _said_of_order(handed_on)
    assert not _said_of_order(counted)
