"""What tokens and parameters go through before they are queries, keys and values."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core.primitives import add_jaxvals_p

from tests.capture.programs import reference as ref
from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)


def _project(x, p, names):
    return tuple(jnp.einsum("btm,mhd->bhtd", x, p[n]) for n in names)


def _attend(q, k, v):
    return jax.nn.softmax(q @ k.mT / 2) @ v


def _bent(x):
    y = lax.rsqrt(jnp.maximum(lax.erf(jnp.abs(jnp.tanh(x)) + 0.5), 0.1))
    y = jax.nn.sigmoid(-lax.erfc(jnp.minimum(y, 1.3) / 2.0))
    y = jnp.sqrt(jnp.square(lax.integer_pow(jnp.exp(y) - 0.5, 3)))
    y = jnp.where(y > 9.0, 9.0, y * 2.0)
    return add_jaxvals_p.bind(y, y)


def _ref_bent(x):
    erf = np.vectorize(math.erf)
    y = 1 / np.sqrt(np.maximum(erf(np.abs(np.tanh(x)) + 0.5), 0.1))
    y = ref.sigmoid(erf(np.minimum(y, 1.3) / 2) - 1)
    y = np.abs(np.exp(y) - 0.5) ** 3
    return 2 * np.where(y > 9.0, 9.0, y * 2)


@program("Keys and values are bent tokens: each entry goes through one function after the other.")
def bent_tokens(draw: Draw) -> Case:
    def fn(x, p):
        return _attend(*_project(x, p, "q"), *_project(_bent(x), p, "kv"))

    def reference(note, x, p):
        y = _ref_bent(x)
        return ref.attend(
            note, *(ref.project(each, p[n]) for n, each in zip("qkv", (x, y, y), strict=True))
        )

    return Case(fn, (draw(2, 5, 8), draw.weights("q k v", 8, 2, 4)), reference)


@program("Keys and values are tokens that were written into buffers and cut out of them.")
def moved_tokens(draw: Draw) -> Case:
    def moved(x):
        y = lax.dynamic_update_slice(jnp.zeros((2, 5, 8)), lax.rev(x, (1,)), (0, 0, 0))
        y = jnp.zeros((2, 5, 8)).at[:, jnp.arange(5)].add(y)
        y = jnp.concatenate([jnp.pad(y, ((0, 0), (1, 1), (0, 0))), jnp.zeros((2, 7, 8))], -1)
        y, _ = jnp.split(lax.dynamic_slice(y, (0, 1, 0), (2, 5, 16)), 2, -1)
        return y

    def fn(x, p):
        return _attend(*_project(x, p, "q"), *_project(moved(x), p, "kv"))

    def reference(note, x, p):
        y = x[:, ::-1]
        return ref.attend(
            note, *(ref.project(each, p[n]) for n, each in zip("qkv", (x, y, y), strict=True))
        )

    return Case(fn, (draw(2, 5, 8), draw.weights("q k v", 8, 2, 4)), reference)


def _learned(draw: Draw, part) -> Case:
    def fn(x, table, p):
        k, v = x @ p["k"], x @ p["v"]
        w = jax.nn.softmax(jnp.einsum("d,bkd->bk", part(table), k) / 2)
        return jnp.einsum("bk,bkd->bd", w, v)

    def reference(note, x, table, p):
        q = np.broadcast_to(table[:1], (2, 1, 8))
        qkv = (each[:, None] for each in (q, x @ p["k"], x @ p["v"]))
        return ref.attend(note, *qkv, kind="pooling", scale=0.5)[:, 0, 0]

    return Case(fn, (draw(2, 5, 8), draw(6, 8), draw.weights("k v", 8, 8)), reference)


@program("A learned query is looked up in a table.")
def learned_query_looked_up(draw: Draw) -> Case:
    return _learned(draw, lambda table: table[jnp.array([0])][0])


@program("A learned query is the first of several that a parameter holds.")
def learned_query_split(draw: Draw) -> Case:
    return _learned(draw, lambda table: jnp.split(table, 6)[0][0])


def _rotary(draw: Draw, cut, join) -> Case:
    """The two features of a head, which `cut` takes apart and `join` puts together again."""

    def turn(y):
        first, second = cut(y)
        angle = jnp.arange(5.0) * 0.3
        sin, cos = jnp.sin(angle), jnp.cos(angle)
        return join(first * cos - second * sin, second * cos + first * sin)

    def ref_turn(y):
        first, second = y[..., 0], y[..., 1]
        angle = np.arange(5.0) * 0.3
        sin, cos = np.sin(angle), np.cos(angle)
        return np.stack([first * cos - second * sin, second * cos + first * sin], -1)

    def heads(x, w):
        return (x @ w).reshape(2, 5, 4, 2).swapaxes(1, 2)

    def fn(x, p):
        q, k, v = (heads(x, p[n]) for n in "qkv")
        return jax.nn.softmax(turn(q) @ turn(k).mT / 2**0.5) @ v

    def reference(note, x, p):
        q, k, v = (ref.split(x @ p[n], 4) for n in "qkv")
        return ref.attend(note, ref_turn(q), ref_turn(k), v)

    return Case(fn, (draw(2, 5, 8), draw.weights("q k v", 8, 8)), reference)


def _stacked(first, second):
    return jnp.stack([first, second], -1)


def _joined(first, second):
    return jnp.concatenate([first[..., None], second[..., None]], -1)


@program("Rotary positions: pairs are taken apart by their numbers and stacked.")
def rotary_of_slices(draw: Draw) -> Case:
    return _rotary(draw, lambda y: (y[..., 0], y[..., 1]), _stacked)


@program("Rotary positions: pairs are split.")
def rotary_of_splits(draw: Draw) -> Case:
    return _rotary(draw, lambda y: (each[..., 0] for each in jnp.split(y, 2, -1)), _joined)


@program("Rotary positions: pairs are looked up.")
def rotary_of_gathers(draw: Draw) -> Case:
    return _rotary(draw, lambda y: (y[..., jnp.array([n])][..., 0] for n in (0, 1)), _joined)


@program("Rotary positions: pairs are taken apart by slices at places that are computed.")
def rotary_of_dynamic_slices(draw: Draw) -> Case:
    def cut(y):
        starts = ((0, 0, 0, n) for n in (0, 1))
        return (lax.dynamic_slice(y, each, (2, 4, 5, 1))[..., 0] for each in starts)

    return _rotary(draw, cut, _joined)


def _windows(draw: Draw, windows) -> Case:
    """Each query looks at itself and one place to each side."""

    def fn(q, k, v):
        k, v = (windows(jnp.pad(y, ((0, 0), (1, 1), (0, 0)))) for y in (k, v))
        inside = np.arange(6)[:, None] + np.arange(3)
        s = jnp.sum(q[:, :, None] * k, -1) / 2
        w = jax.nn.softmax(jnp.where((inside >= 1) & (inside < 7), s, -jnp.inf))
        return jnp.sum(w[..., None] * v, axis=2)

    def reference(note, q, k, v):
        full = np.einsum("bqd,bkd->bqk", q, k) / 2
        s = np.full((2, 6, 3), -np.inf)
        for t in range(6):
            for i in range(3):
                if 0 <= t + i - 1 < 6:
                    s[:, t, i] = full[:, t, t + i - 1]
        w = note(ref.softmax(s)[:, None], "cross", also_kinds=("self",))[:, 0]
        padded = np.pad(v, ((0, 0), (1, 1), (0, 0)))
        return sum(w[:, :, i, None] * padded[:, i : i + 6] for i in range(3))

    args = draw(2, 6, 4), draw(2, 6, 4), draw(2, 6, 4)
    return Case(fn, args, reference, unused="places beyond the edge")


@program("Neighbors are collected by slices at places that are computed.")
def windows_by_dynamic_slices(draw: Draw) -> Case:
    def windows(y):
        return jnp.stack([lax.dynamic_slice(y, (0, i, 0), (2, 6, 4)) for i in range(3)], 2)

    return _windows(draw, windows)


@program("Neighbors are collected from the end.")
def windows_turned_round(draw: Draw) -> Case:
    def windows(y):
        y = lax.rev(y, (1,))
        return lax.rev(jnp.stack([y[:, 2 - i : 8 - i] for i in range(3)], 2), (1,))

    return _windows(draw, windows)
