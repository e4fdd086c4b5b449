"""Nothing here is attention, though each has a softmax, a gate or weights that sum to one.

Left out as doubtful: a Gumbel-softmax sample times a codebook (a lookup, but softmax weights over
learned tokens), soft k-means and mixtures fitted by EM (slot attention but for the projections),
kernel regression (cross attention in many textbooks), and self-normalized averages of vectors.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)


@program("Cross entropy with smoothed labels, accuracy, perplexity, and the gradient of it all.")
def label_smoothing(draw: Draw) -> Case:
    def fn(w, x, labels):
        def loss(w):
            log_p = jax.nn.log_softmax(x @ w)
            smooth = jax.nn.one_hot(labels, 7) * 0.9 + 0.1 / 7
            return -jnp.mean(jnp.sum(smooth * log_p, axis=-1)), jax.nn.softmax(x @ w)

        (value, p), grad = jax.value_and_grad(loss, has_aux=True)(w)
        return value, jnp.exp(value), (p.argmax(-1) == labels).mean(), w - 0.1 * grad

    return Case(fn, (draw(5, 7), draw(6, 5), draw.integers(7, 6)))


@program("Distillation: softened teacher and student, divergence, gradient through both towers.")
def distillation(draw: Draw) -> Case:
    def fn(student, teacher, x):
        def loss(student):
            soft = jax.nn.softmax(x @ teacher / 3.0)
            logs = jax.nn.log_softmax(jnp.tanh(x @ student["a"]) @ student["b"] / 3.0)
            return 9.0 * jnp.mean(jnp.sum(soft * (jnp.log(soft + 1e-9) - logs), axis=-1))

        return jax.value_and_grad(loss)(student)

    student = {"a": draw(5, 4), "b": draw(4, 7)}
    return Case(fn, (student, draw(5, 7), draw(6, 5)))


@program("GLU, SwiGLU, GeGLU, bilinear and a gate over time (gMLP), one after the other.")
def gated_linear_units(draw: Draw) -> Case:
    p = {n: draw.weight(6, 12) for n in ("glu", "swi", "ge", "bi")} | {
        "time": draw(5, 5),
        "b": np.ones(5, np.float32),
    }

    def fn(p, x):
        a, b = jnp.split(x @ p["glu"], 2, -1)
        x = x + a * jax.nn.sigmoid(b)
        a, b = jnp.split(x @ p["swi"], 2, -1)
        x = x + jax.nn.silu(a) * b
        a, b = jnp.split(x @ p["ge"], 2, -1)
        x = x + jax.nn.gelu(a) * b
        a, b = jnp.split(x @ p["bi"], 2, -1)
        x = x + a * b
        u, v = jnp.split(x, 2, -1)
        v = jnp.einsum("ts,bsd->btd", p["time"], v) + p["b"][:, None]
        return u * v

    return Case(fn, (p, draw(2, 5, 6)))


@program("A bidirectional LSTM and a GRU above it, both by scan, the last states classified.")
def recurrent_stack(draw: Draw) -> Case:
    p = {
        "f": draw.weight(11, 24),
        "b": draw.weight(11, 24),
        "zr": draw.weight(18, 12),
        "h": draw.weight(18, 6),
    }
    p |= {"out": draw.weight(6, 3)}

    def fn(p, x):
        def lstm(w, reverse):
            def step(carry, y):
                h, c = carry
                i, f, g, o = jnp.split(jnp.concatenate([y, h], -1) @ w, 4, axis=-1)
                c = jax.nn.sigmoid(f + 1) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
                h = jax.nn.sigmoid(o) * jnp.tanh(c)
                return (h, c), h

            zeros = jnp.zeros((x.shape[0], 6))
            return lax.scan(step, (zeros, zeros), x.swapaxes(0, 1), reverse=reverse)[1]

        def gru(h, y):
            z, r = jnp.split(jax.nn.sigmoid(jnp.concatenate([y, h], -1) @ p["zr"]), 2, -1)
            new = jnp.tanh(jnp.concatenate([y, r * h], -1) @ p["h"])
            return z * h + (1 - z) * new, None

        both = jnp.concatenate([lstm(p["f"], False), lstm(p["b"], True)], -1)
        h, _ = lax.scan(gru, jnp.zeros((x.shape[0], 6)), both)
        return jax.nn.softmax(h @ p["out"])

    return Case(fn, (p, draw(2, 4, 5)))


@program("minGRU in logarithms by associative_scan, and its gated output.")
def parallel_recurrence(draw: Draw) -> Case:
    p = draw.weights("z h g", 6, 6)

    def fn(p, x):
        k, h = x @ p["z"], x @ p["h"]
        log_z, log_keep = -jax.nn.softplus(-k), -jax.nn.softplus(k)
        log_h = jnp.where(h >= 0, jnp.log(jax.nn.relu(h) + 0.5), -jax.nn.softplus(-h))
        total = jnp.cumsum(log_keep, axis=1)
        log_sum = lax.associative_scan(jnp.logaddexp, log_z + log_h - total, axis=1)
        return jnp.exp(total + log_sum) * jax.nn.silu(x @ p["g"])

    return Case(fn, (p, draw(2, 6, 6)), sentence="state")


@program("Mamba: convolution, selective scan with exp of steps, skip, gate by SiLU.")
def selective_scan(draw: Draw) -> Case:
    p = {
        "in": draw.weight(6, 16),
        "conv": draw(3, 8),
        "bc": draw.weight(8, 8),
        "dt": draw.weight(8, 8),
    }
    p |= {"a": draw(8, 4), "d": draw(8), "out": draw.weight(8, 6)}

    def fn(p, u):
        x, z = jnp.split(u @ p["in"], 2, -1)
        padded = jnp.pad(x, ((0, 0), (2, 0), (0, 0)))
        x = jax.nn.silu(sum(padded[:, i : i + x.shape[1]] * p["conv"][i] for i in range(3)))
        b, c = jnp.split(x @ p["bc"], 2, -1)
        dt = jax.nn.softplus(x @ p["dt"])
        decay = jnp.exp(dt[..., None] * -jnp.exp(p["a"]))
        drive = (dt * x)[..., None] * b[:, :, None]

        def step(h, t):
            decay, drive, c = t
            h = decay * h + drive
            return h, jnp.einsum("bdn,bn->bd", h, c)

        first = jnp.zeros((u.shape[0], 8, 4))
        _, y = lax.scan(step, first, jax.tree.map(lambda t: t.swapaxes(0, 1), (decay, drive, c)))
        y = y.swapaxes(0, 1) + p["d"] * x
        return (y * jax.nn.silu(z)) @ p["out"]

    return Case(fn, (p, draw(2, 5, 6)))


@program("S4D: a kernel from exponentials, applied by fast Fourier transforms; GLU afterwards.")
def long_convolution(draw: Draw) -> Case:
    p = {
        "re": draw(6, 4),
        "im": draw(6, 4),
        "c": draw(6, 4),
        "dt": draw(6, scale=0.3),
        "glu": draw.weight(6, 12),
    }

    def fn(p, u):
        a = -jnp.exp(p["re"]) + 1j * p["im"]
        steps = jnp.arange(8)[None, None] * (jnp.exp(p["dt"])[:, None] * a)[..., None]
        kernel = 2 * jnp.einsum("hn,hnl->hl", p["c"] + 0j, jnp.exp(steps)).real
        f = jnp.fft.rfft(u.swapaxes(1, 2), n=16) * jnp.fft.rfft(kernel, n=16)
        y = jax.nn.gelu(jnp.fft.irfft(f, n=16)[..., :8].swapaxes(1, 2))
        a, b = jnp.split(y @ p["glu"], 2, -1)
        return a * jax.nn.sigmoid(b)

    return Case(fn, (p, draw(2, 8, 6)), sentence="state")


@program("Linear attention: features elu + 1, causal by a scan over sums of outer products.")
def linear_attention(draw: Draw) -> Case:
    p = draw.weights("q k v", 6, 2, 3)

    def fn(p, x):
        q, k, v = (jnp.einsum("btm,mhd->tbhd", x, p[n]) for n in "qkv")
        q, k = jax.nn.elu(q) + 1, jax.nn.elu(k) + 1

        def step(carry, qkv):
            s, z = carry
            q, k, v = qkv
            s, z = s + k[..., None] * v[..., None, :], z + k
            y = jnp.einsum("bhd,bhde->bhe", q, s) / jnp.einsum("bhd,bhd->bh", q, z)[..., None]
            return (s, z), y

        first = jnp.zeros((2, 2, 3, 3)), jnp.zeros((2, 2, 3))
        return lax.scan(step, first, (q, k, v))[1]

    return Case(fn, (p, draw(2, 5, 6)))


@program("RWKV: exponential averages over the past by a scan, shifts of tokens, receptance gates.")
def time_mixing(draw: Draw) -> Case:
    p = draw.weights("k v r", 6, 6) | {
        "w": draw(6),
        "u": draw(6),
        "mix": np.abs(draw(6, scale=0.3)),
    }
    p |= draw.weights("ck cr", 6, 6)

    def fn(p, x):
        shifted = jnp.pad(x, ((0, 0), (1, 0), (0, 0)))[:, :-1]
        y = x * p["mix"] + shifted * (1 - p["mix"])
        k, v, r = y @ p["k"], y @ p["v"], jax.nn.sigmoid(y @ p["r"])

        def step(carry, kv):
            a, b, top = carry
            k, v = kv
            new = jnp.maximum(top, p["u"] + k)
            e1, e2 = jnp.exp(top - new), jnp.exp(p["u"] + k - new)
            out = (e1 * a + e2 * v) / (e1 * b + e2)
            new = jnp.maximum(top - jnp.exp(p["w"]), k)
            e1, e2 = jnp.exp(top - jnp.exp(p["w"]) - new), jnp.exp(k - new)
            return (e1 * a + e2 * v, e1 * b + e2, new), out

        zeros = jnp.zeros((x.shape[0], 6))
        first = (zeros, zeros, zeros - 1e30)
        _, wkv = lax.scan(step, first, (k.swapaxes(0, 1), v.swapaxes(0, 1)))
        x = x + r * wkv.swapaxes(0, 1)
        return x + jax.nn.sigmoid(x @ p["cr"]) * (jnp.square(jax.nn.relu(x @ p["ck"])))

    return Case(fn, (p, draw(2, 5, 6)), sentence="state")


@program("RetNet: products of queries and keys decay with distance; no softmax, group norm, gate.")
def retention(draw: Draw) -> Case:
    p = draw.weights("q k v", 6, 2, 3) | draw.weights("g o", 6, 6)

    def fn(p, x):
        q, k, v = (jnp.einsum("btm,mhd->bhtd", x, p[n]) for n in "qkv")
        far = jnp.arange(5)[:, None] - jnp.arange(5)
        gamma = jnp.array([0.9, 0.8])[:, None, None]
        decay = jnp.where(far >= 0, gamma ** jnp.maximum(far, 0), 0)
        y = (q @ k.mT * 3**-0.5 * decay) @ v
        y = (y - y.mean(-1, keepdims=True)) / jnp.sqrt(y.var(-1, keepdims=True) + 1e-5)
        return (y.swapaxes(1, 2).reshape(x.shape) * jax.nn.silu(x @ p["g"])) @ p["o"]

    return Case(fn, (p, draw(2, 5, 6)))


@program("Layer norm, group norm, weight standardization and batch statistics with sample weights.")
def normalizations(draw: Draw) -> Case:
    def fn(w, x, sample_weights):
        share = sample_weights / jnp.sum(sample_weights)
        mean = jnp.einsum("b,btc->tc", share, x)
        var = jnp.einsum("b,btc->tc", share, (x - mean) ** 2)
        x = (x - mean) / jnp.sqrt(var + 1e-5)
        centered = w - w.mean(0, keepdims=True)
        y = x @ (centered / (centered.std(0, keepdims=True) + 1e-5))
        groups = y.reshape(*y.shape[:2], 2, -1)
        groups = (groups - groups.mean((1, 3), keepdims=True)) * lax.rsqrt(
            groups.var((1, 3), keepdims=True) + 1e-5
        )
        y = groups.reshape(y.shape)
        return (y - jnp.mean(y, -1, keepdims=True)) / (jnp.std(y, axis=-1, keepdims=True) + 1e-6)

    return Case(fn, (draw(6, 6), draw(4, 3, 6), np.abs(draw(4))))


@program("A small U-Net with a time embedding, group norm, SiLU and skips that are joined.")
def u_net(draw: Draw) -> Case:
    p = {
        "a": draw(3, 3, 3, 4, scale=0.3),
        "b": draw(3, 3, 4, 8, scale=0.2),
        "c": draw(3, 3, 12, 4, scale=0.2),
    }
    p |= {"time": draw.weight(4, 8), "out": draw(1, 1, 4, 3, scale=0.4)}

    def fn(p, x, t):
        def conv(x, w, s=1):
            return lax.conv_general_dilated(
                x, w, (s, s), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
            )

        angle = t[:, None] * jnp.exp(-jnp.arange(2.0))
        time = jax.nn.silu(jnp.concatenate([jnp.sin(angle), jnp.cos(angle)], -1) @ p["time"])
        scale, shift = jnp.split(time, 2, -1)
        x = jax.nn.silu(conv(x, p["a"]))
        x = x * (1 + scale[:, None, None]) + shift[:, None, None]
        y = jax.nn.silu(conv(x, p["b"], 2))
        y = jax.image.resize(y, (2, 4, 4, 8), "nearest")
        y = jax.nn.silu(conv(jnp.concatenate([x, y], -1), p["c"]))
        return conv(y, p["out"])

    return Case(fn, (p, draw(2, 4, 4, 3), np.abs(draw(2))))
