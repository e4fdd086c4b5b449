"""No attention: recurrent cells, gated units, state spaces, linear attention."""

import jax
import jax.numpy as jnp
from jax import lax

from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)


@program("An LSTM over time, four gates from one matrix.")
def lstm(draw: Draw) -> Case:
    def fn(xs, w, u):
        def step(state, x):
            h, c = state
            i, f, g, o = jnp.split(x @ w + h @ u, 4, axis=-1)
            c = jax.nn.sigmoid(f + 1) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        start = jnp.zeros((2, 6)), jnp.zeros((2, 6))
        return lax.scan(step, start, xs)[1]

    return Case(fn, (draw(5, 2, 4), draw.weight(4, 24), draw.weight(6, 24)))


@program("An LSTM mapped over examples, its gates by hand, the matrices per gate.")
def lstm_mapped(draw: Draw) -> Case:
    def fn(xs, p):
        def gate(name, x, h):
            return x @ p["w" + name] + h @ p["u" + name]

        def step(state, x):
            h, c = state
            i, f, o = (1 / (1 + jnp.exp(-gate(n, x, h))) for n in "ifo")
            c = f * c + i * jnp.tanh(gate("g", x, h))
            return (o * jnp.tanh(c), c), o

        def single(xs):
            return lax.scan(step, (jnp.zeros(4), jnp.zeros(4)), xs)[0][0]

        return jax.vmap(single)(xs)

    return Case(fn, (draw(2, 5, 4), draw.weights("wi wf wo wg ui uf uo ug", 4, 4)))


@program("A GRU in a fori loop.")
def gru(draw: Draw) -> Case:
    def fn(xs, w, u):
        def step(t, h):
            x = xs[t]
            r, z = jnp.split(jax.nn.sigmoid(x @ w[:, :8] + h @ u[:, :8]), 2, -1)
            n = jnp.tanh(x @ w[:, 8:] + r * (h @ u[:, 8:]))
            return (1 - z) * n + z * h

        return lax.fori_loop(0, 5, step, jnp.zeros((2, 4)))

    return Case(fn, (draw(5, 2, 4), draw.weight(4, 12), draw.weight(4, 12)))


@program("A minimal GRU by an associative scan, gates from the input alone.")
def minimal_gru(draw: Draw) -> Case:
    def fn(x, wz, wh):
        z = jax.nn.sigmoid(x @ wz)

        def join(a, b):
            return a[0] * b[0], b[0] * a[1] + b[1]

        return lax.associative_scan(join, (1 - z, z * (x @ wh)), axis=1)[1]

    return Case(fn, (draw(2, 6, 4), draw.weight(4, 5), draw.weight(4, 5)))


@program("A cell with exponential gates, a normalizer state and a stabilizer (sLSTM of xLSTM).")
def exponential_gates(draw: Draw) -> Case:
    def fn(xs, w, u):
        def step(state, x):
            h, c, n, m = state
            i, f, z, o = jnp.split(x @ w + h @ u, 4, axis=-1)
            top = jnp.maximum(f + m, i)
            i, f = jnp.exp(i - top), jnp.exp(f + m - top)
            c, n = f * c + i * jnp.tanh(z), f * n + i
            h = jax.nn.sigmoid(o) * c / n
            return (h, c, n, top), h

        zero = jnp.zeros((2, 4))
        return lax.scan(step, (zero, zero, zero + 1, zero), xs)[1]

    return Case(fn, (draw(5, 2, 4), draw.weight(4, 16), draw.weight(4, 16)))


@program("A matrix memory with exponential gates, step by step (mLSTM of xLSTM).")
def matrix_memory(draw: Draw) -> Case:
    def fn(xs, p):
        def step(state, x):
            memory, n = state
            q, k, v = (x @ p[name] for name in "qkv")
            i, f = jnp.exp(x @ p["i"]), jax.nn.sigmoid(x @ p["f"])
            memory = f[..., None] * memory + i[..., None] * v[:, :, None] * k[:, None]
            n = f * n + i * k
            h = jnp.einsum("bvk,bk->bv", memory, q)
            return (memory, n), h / jnp.maximum(jnp.abs((n * q).sum(-1, keepdims=True)), 1)

        start = jnp.zeros((2, 4, 4)), jnp.zeros((2, 4))
        return lax.scan(step, start, xs)[1]

    p = draw.weights("q k v", 4, 4) | draw.weights("i f", 4, 1)
    return Case(fn, (draw(5, 2, 4), p), sentence="linear attention")


@program("Linear attention, not causal: phi(q) (phi(k)^T v) with its normalizer.")
def linear_attention(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = (jnp.einsum("btm,mhd->bhtd", x, p[n]) for n in "qkv")
        q, k = jax.nn.elu(q) + 1, jax.nn.elu(k) + 1
        kv = jnp.einsum("bhtd,bhte->bhde", k, v)
        norm = jnp.einsum("bhtd,bhd->bht", q, k.sum(2))
        return jnp.einsum("bhtd,bhde->bhte", q, kv) / norm[..., None]

    return Case(fn, (draw(2, 5, 8), draw.weights("q k v", 8, 2, 4)), sentence="linear attention")


@program("Linear attention, causal, by a scan over time.")
def linear_attention_causal(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = (jnp.einsum("btm,md->tbd", x, p[n]) for n in "qkv")
        q, k = jax.nn.relu(q) + 1e-3, jax.nn.relu(k) + 1e-3

        def step(state, qkv):
            s, z = state
            q, k, v = qkv
            s, z = s + jnp.einsum("bk,bv->bkv", k, v), z + k
            return (s, z), jnp.einsum("bk,bkv->bv", q, s) / (q * z).sum(-1, keepdims=True)

        return lax.scan(step, (jnp.zeros((2, 4, 4)), jnp.zeros((2, 4))), (q, k, v))[1]

    return Case(fn, (draw(2, 5, 8), draw.weights("q k v", 8, 4)), sentence="linear attention")


@program("Random features in place of the exponential (Performer).")
def random_features(draw: Draw) -> Case:
    def fn(x, p, omega):
        q, k, v = (x @ p[n] for n in "qkv")

        def phi(y):
            return jnp.exp(y @ omega - (y**2).sum(-1, keepdims=True) / 2)

        q, k = phi(q * 0.5), phi(k * 0.5)
        return q @ (k.mT @ v) / (q @ k.sum(1)[..., None])

    args = draw(2, 5, 8), draw.weights("q k v", 8, 4), draw(4, 6)
    return Case(fn, args, sentence="linear attention")


@program("RetNet in its parallel form: products with a decay, no softmax.")
def retention(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = (x @ p[n] for n in "qkv")
        age = jnp.arange(5)[:, None] - jnp.arange(5)
        decay = jnp.where(age >= 0, 0.9**age, 0.0)
        return ((q @ k.mT) * decay) @ v

    return Case(fn, (draw(2, 5, 8), draw.weights("q k v", 8, 4)), sentence="linear attention")


@program("A selective state space by a scan (Mamba), with its short convolution and gate.")
def selective_state_space(draw: Draw) -> Case:
    def fn(x, p):
        u, gate = jnp.split(x @ p["in"], 2, -1)
        u = jax.nn.silu(sum(jnp.roll(u, i, 1) * p["conv"][i] for i in range(3)))
        delta = jax.nn.softplus(u @ p["dt"])
        b, c = u @ p["b"], u @ p["c"]
        a = jnp.exp(delta[..., None] * -jnp.exp(p["a"]))
        bu = (delta * u)[..., None] * b[:, :, None]

        def step(h, abc):
            a, bu, c = abc
            h = a * h + bu
            return h, jnp.einsum("bdn,bn->bd", h, c)

        time_first = (jnp.moveaxis(y, 1, 0) for y in (a, bu, c))
        _, y = lax.scan(step, jnp.zeros((2, 6, 3)), tuple(time_first))
        return (jnp.moveaxis(y, 0, 1) + u * p["d"]) * jax.nn.silu(gate) @ p["out"]

    p = {"in": draw.weight(4, 12), "conv": draw(3, 6), "dt": draw.weight(6, 6), "d": draw(6)}
    p |= {"b": draw.weight(6, 3), "c": draw.weight(6, 3), "a": draw(6, 3), "out": draw.weight(6, 4)}
    return Case(fn, (draw(2, 5, 4), p), sentence="state")


@program("A state space in its dual form: a masked matrix of decays times products (Mamba 2).")
def state_space_dual(draw: Draw) -> Case:
    def fn(x, p):
        v, b, c = x @ p["v"], x @ p["b"], x @ p["c"]
        log_decay = -jax.nn.softplus(x @ p["a"])[..., 0]
        total = jnp.cumsum(log_decay, 1)
        decay = jnp.where(jnp.tri(5) > 0, jnp.exp(total[:, :, None] - total[:, None]), 0)
        return ((c @ b.mT) * decay) @ v

    p = draw.weights("v b c", 8, 4) | {"a": draw.weight(8, 1)}
    return Case(fn, (draw(2, 5, 8), p), sentence="state")


@program("A diagonal linear recurrence with complex eigenvalues by an associative scan (LRU).")
def linear_recurrence(draw: Draw) -> Case:
    def fn(x, nu, theta, b, c):
        a = jnp.exp(-jnp.exp(nu) + 1j * jnp.exp(theta))
        u = (x @ b).astype(jnp.complex64)

        def join(left, right):
            return left[0] * right[0], right[0] * left[1] + right[1]

        _, h = lax.associative_scan(join, (jnp.broadcast_to(a, u.shape), u), axis=1)
        return h.real @ c

    args = draw(2, 6, 4), draw(5), draw(5), draw.weight(4, 5), draw.weight(5, 4)
    return Case(fn, args, sentence="state")


@program("RWKV: a weighted mean of values with decaying exponentials, by a scan.")
def decaying_mean(draw: Draw) -> Case:
    def fn(x, p, decay, bonus):
        r, k, v = (jnp.moveaxis(x @ p[n], 1, 0) for n in "rkv")

        def step(state, rkv):
            a, b = state
            r, k, v = rkv
            now = jnp.exp(bonus + k)
            out = jax.nn.sigmoid(r) * (a + now * v) / (b + now)
            fade = jnp.exp(-jnp.exp(decay))
            return (fade * a + jnp.exp(k) * v, fade * b + jnp.exp(k)), out

        return lax.scan(step, (jnp.zeros((2, 4)), jnp.zeros((2, 4))), (r, k, v))[1]

    args = draw(2, 5, 4), draw.weights("r k v", 4, 4), draw(4), draw(4)
    return Case(fn, args, sentence="state")


@program("GLU, SwiGLU and GEGLU, one after another.")
def gated_linear_units(draw: Draw) -> Case:
    def fn(x, p):
        x = x + jax.nn.sigmoid(x @ p["a"]) * (x @ p["b"]) @ p["c"]
        x = x + (jax.nn.silu(x @ p["d"]) * (x @ p["e"])) @ p["f"]
        return x + (jax.nn.gelu(x @ p["g"]) * (x @ p["h"])) @ p["i"]

    return Case(fn, (draw(2, 5, 6), draw.weights("a b c d e f g h i", 6, 6)))


@program("Gated units in a scan over layers, mapped over examples, sigmoid by hand.")
def gated_units_in_scan(draw: Draw) -> Case:
    def fn(x, p):
        def layer(x, p):
            gate = 1 / (1 + jnp.exp(-(x @ p["gate"])))
            return x + (gate * (x @ p["up"])) @ p["down"], None

        return jax.vmap(lambda x: lax.scan(layer, x, p)[0])(x)

    p = {n: draw(3, 6, 6, scale=0.4) for n in ("gate", "up", "down")}
    return Case(fn, (draw(2, 5, 6), p))


@program("An output gate before a projection: sigmoid(x W) * y, then a matrix.")
def output_gate_then_projection(draw: Draw) -> Case:
    def fn(x, y, gate, out):
        return (jax.nn.sigmoid(x @ gate) * y) @ out

    return Case(fn, (draw(2, 5, 6), draw(2, 5, 6), draw.weight(6, 6), draw.weight(6, 4)))


@program("A gated projection of the same length as the tokens: every axis is six.")
def gated_projection_square(draw: Draw) -> Case:
    def fn(x, a, b, c):
        return jnp.einsum("btf,btf,fm->btm", jax.nn.sigmoid(x @ a), x @ b, c)

    return Case(fn, (draw(6, 6, 6), draw.weight(6, 6), draw.weight(6, 6), draw.weight(6, 6)))


@program("Highway layers in a Python loop.")
def highway(draw: Draw) -> Case:
    def fn(x, layers):
        for p in layers:
            t = jax.nn.sigmoid(x @ p["t"] - 1.0)
            x = t * jax.nn.relu(x @ p["h"]) + (1 - t) * x
        return x

    return Case(fn, (draw(4, 6), [draw.weights("t h", 6, 6) for _ in range(3)]))


@program("A gated spatial unit (gMLP): a learned matrix over time, a product, no softmax.")
def spatial_gating_unit(draw: Draw) -> Case:
    def fn(x, p, spatial):
        u, v = jnp.split(jax.nn.gelu(x @ p["in"]), 2, axis=-1)
        v = jnp.einsum("st,btd->bsd", spatial, v) + 1.0
        return (u * v) @ p["out"]

    p = {"in": draw.weight(6, 8), "out": draw.weight(4, 6)}
    return Case(fn, (draw(2, 5, 6), p, draw(5, 5, scale=0.1)))


@program("Gated convolutions in a stack: tanh times sigmoid, skip outputs added (WaveNet).")
def gated_convolutions(draw: Draw) -> Case:
    def fn(x, kernels, mixes):
        skip = 0.0
        for i, (kernel, mix) in enumerate(zip(kernels, mixes, strict=True)):
            past = jnp.pad(x, ((0, 0), (2**i, 0), (0, 0)))[:, : x.shape[1]]
            a, b = jnp.split(x @ kernel[0] + past @ kernel[1], 2, -1)
            z = jnp.tanh(a) * jax.nn.sigmoid(b) @ mix
            x, skip = x + z, skip + z
        return jax.nn.relu(skip)

    return Case(fn, (draw(2, 8, 4), draw(3, 2, 4, 8, scale=0.4), draw(3, 4, 4, scale=0.4)))
