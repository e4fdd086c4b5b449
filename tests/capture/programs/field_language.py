"""Blocks of language models as their public code spells them."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.capture.programs import reference as ref
from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)


def _angles(length, size, base=100.0):
    return np.arange(length)[:, None] / base ** (np.arange(size // 2) / (size // 2))


def _rotate_halves(x, angles, xp):
    """`[batch token head feature]`; the two halves of the features are one complex number."""
    one, other = xp.split(x, 2, axis=-1)
    sin, cos = xp.sin(angles)[:, None], xp.cos(angles)[:, None]
    return xp.concatenate([one * cos - other * sin, other * cos + one * sin], axis=-1)


@program("Gemma: groups of query heads, cap, a local and a global layer, norms around each block.")
def gemma(draw: Draw) -> Case:
    layers = [
        draw.weights("q", 8, 4, 6) | draw.weights("k v", 8, 2, 6) | draw.weights("o", 24, 8)
        for _ in range(2)
    ]
    layers = [p | {n: draw(8, scale=0.2) for n in ("before", "after")} for p in layers]
    angles = _angles(7, 6).astype(np.float32)

    def fn(layers, x):
        positions = jnp.arange(7)
        causal = positions[:, None] >= positions[None, :]
        window = causal & (positions[:, None] - positions[None, :] < 3)
        for p, allowed in zip(layers, (window, causal), strict=True):
            y = _norm(x, p["before"])
            q, k, v = (jnp.einsum("BTD,DNH->BTNH", y, p[n]) for n in "qkv")
            q, k = (_rotate_halves(z, angles, jnp) for z in (q, k))
            b, t, kg, h = q.shape
            q = (q * h**-0.5).reshape(b, t, k.shape[2], kg // k.shape[2], h)
            logits = jnp.einsum("BTKGH,BSKH->BTKGS", q, k).reshape(b, t, kg, t)
            logits = jnp.tanh(logits / 5.0) * 5.0
            padded = jnp.where(jnp.expand_dims(allowed[None], -2), logits, -2.3819763e38)
            probs = jax.nn.softmax(padded, axis=-1).astype(k.dtype)
            probs = probs.reshape(b, t, k.shape[2], kg // k.shape[2], t)
            encoded = jnp.einsum("BTKGS,BSKH->BTKGH", probs, v).reshape(b, t, kg, h)
            out = jnp.einsum("BTNH,NHD->BTD", encoded, p["o"].reshape(4, 6, 8))
            x = x + _norm(out, p["after"])
        return x

    def _norm(x, scale):
        return x * lax.rsqrt(jnp.mean(jnp.square(x), -1, keepdims=True) + 1e-6) * (1 + scale)

    def reference(note, layers, x):
        near = np.subtract.outer(np.arange(7), np.arange(7)) < 3
        for p, allowed in zip(layers, (ref.causal(7) & near, ref.causal(7)), strict=True):
            y = ref.rms_norm(x, 1 + p["before"])
            q, k, v = (ref.project(y, p[n]) for n in "qkv")
            q, k = (_rotate_halves(z.swapaxes(1, 2), angles, np).swapaxes(1, 2) for z in (q, k))
            out = ref.merge(ref.attend(note, q, k, v, cap=5.0, mask=allowed)) @ p["o"]
            x = x + ref.rms_norm(out, 1 + p["after"])
        return x

    return Case(fn, (layers, draw(2, 7, 8)), reference)


@program("PaLM: one matrix for queries, one key, one value and SwiGLU; blocks in parallel.")
def palm_parallel(draw: Draw) -> Case:
    p = {"wi": draw.weight(8, 12 + 4 + 4 + 20), "attn_out": draw.weight(12, 8)}
    p |= {"ff_out": draw.weight(10, 8), "gamma": 1 + draw(8, scale=0.1)}
    angles = _angles(6, 4).astype(np.float32)

    def fn(p, x):
        n = x.shape[-2]
        x = (x - x.mean(-1, keepdims=True)) * lax.rsqrt(x.var(-1, keepdims=True) + 1e-5)
        q, k, v, ff = jnp.split(x * p["gamma"] @ p["wi"], np.cumsum([12, 4, 4]), axis=-1)
        q = q.reshape(n, 3, 4) * 0.5
        q, k = _rotate_halves(q, angles, jnp), _rotate_halves(k[:, None], angles, jnp)[:, 0]
        sim = jnp.einsum("ihd,jd->hij", q, k)
        sim = jnp.where(jnp.tril(jnp.ones((n, n), dtype=bool)), sim, -1e10)
        attn = jax.nn.softmax(sim, axis=-1)
        out = jnp.einsum("hij,jd->ihd", attn, v).reshape(n, -1)
        ff, gate = jnp.split(ff, 2, axis=-1)
        return out @ p["attn_out"] + (ff * jax.nn.swish(gate)) @ p["ff_out"]

    def reference(note, p, x):
        y = ref.layer_norm(x, p["gamma"], eps=1e-5) @ p["wi"]
        q, k, v, ff, gate = np.split(y, np.cumsum([12, 4, 4, 10]), axis=-1)
        q = _rotate_halves(q.reshape(6, 3, 4), angles, np).swapaxes(0, 1)
        k = _rotate_halves(k[:, None], angles, np).swapaxes(0, 1)
        out = ref.attend(note, q[None], k[None], v[None, None], mask=ref.causal(6))
        return ref.merge(out)[0] @ p["attn_out"] + (ff * gate * ref.sigmoid(gate)) @ p["ff_out"]

    return Case(fn, (p, draw(6, 8)), reference)


@program("T5: no scale, buckets of distances embedded by a product with one-hot, shared by layers.")
def t5_relative_bias(draw: Draw) -> Case:
    layers = [draw.weights("q k v", 6, 2, 3) | draw.weights("o", 6, 6) for _ in range(2)]
    table = draw(2, 8)

    def buckets(distance, xp):
        sign = (distance > 0).astype(np.int32) * 4
        n = xp.abs(distance)
        far = 2 + (xp.log(xp.maximum(n, 1) / 2.0) / np.log(8 / 2) * 2).astype(np.int32)
        return sign + xp.where(n < 2, n, xp.minimum(far, 3))

    def fn(table, layers, tokens, x):
        where = jnp.arange(8)
        rp = buckets(where[None, :] - where[:, None], jnp)
        hot = (rp[None] == lax.broadcasted_iota(jnp.int32, (8, 1, 1), 0)).astype(jnp.float32)
        bias = lax.dot_general(table, hot, (((1,), (0,)), ((), ())))[None]
        valid = (tokens > 0)[:, None, None, :]
        bias = bias + lax.select(
            jnp.broadcast_to(valid, (2, 2, 8, 8)),
            jnp.zeros((2, 2, 8, 8)),
            jnp.full((2, 2, 8, 8), -1e10),
        )
        for p in layers:
            y = x * lax.rsqrt(jnp.mean(lax.square(x), axis=-1, keepdims=True) + 1e-6)
            q, k, v = (jnp.einsum("btm,mhd->bthd", y, p[n]) for n in "qkv")
            weights = jnp.einsum("bqhd,bkhd->bhqk", q, k) + bias
            weights = jax.nn.softmax(weights.astype(jnp.float32)).astype(x.dtype)
            x = x + jnp.einsum("bhqk,bkhd->bqhd", weights, v).reshape(2, 8, 6) @ p["o"]
        return x

    def reference(note, table, layers, tokens, x):
        where = np.arange(8)
        bias = table[:, buckets(where[None, :] - where[:, None], np)][None]
        for p in layers:
            y = ref.rms_norm(x)
            q, k, v = (ref.project(y, p[n]) for n in "qkv")
            mask = (tokens > 0)[:, None, None, :]
            out = ref.attend(note, q, k, v, scale=1.0, bias=bias, mask=mask)
            x = x + ref.merge(out) @ p["o"]
        return x

    tokens = np.array([[3, 1, 4, 1, 5, 9, 2, 6], [5, 3, 5, 8, 9, 0, 0, 0]], np.int32)
    return Case(fn, (table, layers, tokens, draw(2, 8, 6)), reference)


@program("Transformer-XL: memory, two biases, shift by padding, time first and heads last.")
def transformer_xl(draw: Draw) -> Case:
    p = draw.weights("q k v r", 6, 6) | {"u": draw(2, 3), "v_bias": draw(2, 3)}
    p |= {"o": draw.weight(6, 6), "positions": draw(9, 6)}

    def fn(p, memory, x):
        both = lax.stop_gradient(memory)
        both = jnp.concatenate([both, x], axis=0)
        i, b, j = x.shape[0], x.shape[1], both.shape[0]
        q = (x @ p["q"]).reshape(i, b, 2, 3)
        k, v = ((both @ p[n]).reshape(j, b, 2, 3) for n in ("k", "v"))
        r = (p["positions"] @ p["r"]).reshape(j, 2, 3)
        content = jnp.einsum("ibnd,jbnd->ijbn", q + p["u"], k)
        position = jnp.einsum("ibnd,jnd->ijbn", q + p["v_bias"], r)
        position = jnp.pad(position, ((0, 0), (1, 0), (0, 0), (0, 0)))
        position = position.reshape(j + 1, i, b, 2)[1:].reshape(i, j, b, 2)
        score = (content + position) * 3**-0.5
        seen = jnp.tril(jnp.ones((i, j)), j - i)[:, :, None, None]
        score = score * seen - 1e30 * (1.0 - seen)
        prob = jax.nn.softmax(score, axis=1)
        out = jnp.einsum("ijbn,jbnd->ibnd", prob, v).reshape(i, b, 6)
        return x + out @ p["o"]

    def reference(note, p, memory, x):
        both = np.concatenate([memory, x], axis=0).swapaxes(0, 1)
        x = x.swapaxes(0, 1)
        q, k, v = (ref.split(y @ p[n], 2) for y, n in ((x, "q"), (both, "k"), (both, "v")))
        r = ref.split((p["positions"] @ p["r"])[None], 2)
        position = np.einsum("bhid,hjd->bhij", q + p["v_bias"][:, None], r[0])
        shifted = np.zeros_like(position)
        for i in range(4):
            for j in range(9):
                # Beyond what a query may see the shift takes what it finds in the next row.
                shifted[..., i, j] = position[..., i, j + 3 - i] if j <= i + 5 else 0
        bias = (shifted + np.einsum("hd,bhjd->bhj", p["u"], k)[:, :, None]) * 3**-0.5
        mask = ref.causal(4, 9)
        out = ref.attend(note, q, k, v, bias=bias, mask=mask, also_kinds=("cross",))
        return (x + ref.merge(out) @ p["o"]).swapaxes(0, 1)

    return Case(fn, (p, draw(5, 2, 6), draw(4, 2, 6)), reference)


@program("Prefix language model over packed examples: masks from cumulative sums and segments.")
def packed_prefixes(draw: Draw) -> Case:
    p = draw.weights("qkv", 6, 18) | draw.weights("proj", 6, 6)
    ar = np.array([[0, 0, 1, 1, 1, 0, 0, 1], [0, 1, 1, 1, 1, 1, 1, 1]], np.int32)
    segments = np.array([[1, 1, 1, 1, 1, 2, 2, 2], [1, 1, 1, 2, 2, 2, 2, 0]], np.int32)

    def fn(p, x, ar, segments):
        order = jnp.cumsum(ar, axis=1)
        allowed = order[:, None, :] <= order[:, :, None]
        allowed = jnp.logical_and(allowed, segments[:, None] == segments[:, :, None])
        q, k, v = jnp.moveaxis((x @ p["qkv"]).reshape(2, 8, 3, 2, 3), (2, 3), (0, 2))
        attn = jnp.matmul(q, jnp.swapaxes(k, -2, -1)) / jnp.sqrt(3)
        attn += (1.0 - allowed[:, None].astype(attn.dtype)) * -1e9
        attn = jnp.exp(jax.nn.log_softmax(attn, axis=-1))
        out = jnp.matmul(attn, v).swapaxes(1, 2).reshape(2, 8, -1) @ p["proj"]
        return jnp.where((segments > 0)[..., None], out, 0.0)

    def reference(note, p, x, ar, segments):
        order = np.cumsum(ar, axis=1)
        allowed = order[:, None, :] <= order[:, :, None]
        allowed &= segments[:, None] == segments[:, :, None]
        q, k, v = ((x @ part) for part in np.split(p["qkv"], 3, axis=1))
        q, k, v = (ref.split(y, 2) for y in (q, k, v))
        out = ref.merge(ref.attend(note, q, k, v, mask=allowed[:, None])) @ p["proj"]
        return np.where((segments > 0)[..., None], out, 0.0)

    case = Case(fn, (p, draw(2, 8, 6), ar, segments), reference)
    return Case(fn, case.args, reference, unused="the last token of the second row is padding")


@program("Llama: scan over stacked layers, rematerialized; rotation by complex numbers.")
def llama_scan(draw: Draw) -> Case:
    p = draw.weights("wq wo", 8, 8) | draw.weights("wk wv", 8, 4)
    p = {n: np.stack([w, draw.weight(*w.shape), draw.weight(*w.shape)]) for n, w in p.items()}
    p |= {"w1": draw(3, 8, 10, scale=0.3), "w3": draw(3, 8, 10, scale=0.3)}
    p |= {"w2": draw(3, 10, 8, scale=0.3)}
    turns = np.exp(1j * _angles(6, 4)).astype(np.complex64)

    def rotate(x):
        pairs = x.reshape(*x.shape[:-1], -1, 2)
        z = lax.complex(pairs[..., 0], pairs[..., 1]) * turns[None, :, None]
        return jnp.stack([z.real, z.imag], axis=-1).reshape(x.shape)

    def fn(p, x):
        mask = jnp.triu(jnp.full((6, 6), -jnp.inf), k=1)

        @jax.checkpoint
        def layer(x, p):
            y = x * lax.rsqrt((x**2).mean(-1, keepdims=True) + 1e-6)
            q, k, v = ((y @ p[n]).reshape(2, 6, -1, 4) for n in ("wq", "wk", "wv"))
            q, k = rotate(q), rotate(k)
            k, v = jnp.repeat(k, 2, axis=2), jnp.repeat(v, 2, axis=2)
            scores = jnp.einsum("bqhd,bkhd->bhqk", q, k) / np.sqrt(4) + mask
            scores = jax.nn.softmax(scores.astype(jnp.float32), axis=-1).astype(x.dtype)
            x = x + jnp.einsum("bhqk,bkhd->bqhd", scores, v).reshape(2, 6, 8) @ p["wo"]
            y = x * lax.rsqrt((x**2).mean(-1, keepdims=True) + 1e-6)
            return x + (jax.nn.silu(y @ p["w1"]) * (y @ p["w3"])) @ p["w2"], None

        return lax.scan(layer, x, p)[0]

    def turn(x):
        z = x[..., 0::2] + 1j * x[..., 1::2]
        z = z * np.exp(1j * _angles(6, 4))
        return np.stack([z.real, z.imag], -1).reshape(x.shape)

    def reference(note, p, x):
        for layer in range(3):
            w = {n: a[layer] for n, a in p.items()}
            y = ref.rms_norm(x)
            q, k, v = (ref.split(y @ w[f"w{n}"], h) for n, h in (("q", 2), ("k", 1), ("v", 1)))
            q, k, mask = turn(q), turn(k), ref.causal(6)
            x = x + ref.merge(ref.attend(note, q, k, v, mask=mask, layer=layer)) @ w["wo"]
            y = ref.rms_norm(x)
            gate = y @ w["w1"]
            x = x + (gate * ref.sigmoid(gate) * (y @ w["w3"])) @ w["w2"]
        return x

    return Case(fn, (p, draw(2, 6, 8)), reference)


@program("A step of training of two layers: the loss, its gradient, momentum, new parameters.")
def training_step(draw: Draw) -> Case:
    layers = [draw.weights("wqkv", 6, 18) | draw.weights("wo", 6, 6) for _ in range(2)]
    p = {"embed": draw(9, 6), "layers": layers}

    def forward(p, tokens):
        x = p["embed"][tokens]
        for layer in p["layers"]:
            q, k, v = jnp.split(x @ layer["wqkv"], 3, -1)

            def sh(t):
                return t.reshape(2, -1, 2, 3).transpose(0, 2, 1, 3)

            a = jnp.einsum("bhid,bhjd->bhij", sh(q), sh(k)) / 3**0.5
            a = jnp.where(jnp.tril(jnp.ones(a.shape[-2:])) == 0, -jnp.inf, a)
            a = jax.nn.softmax(a, -1)
            y = jnp.einsum("bhij,bhjd->bhid", a, sh(v)).transpose(0, 2, 1, 3).reshape(x.shape)
            x = x + y @ layer["wo"]
        return x @ p["embed"].T

    def fn(p, momentum, tokens):
        def loss(p):
            logits = forward(p, tokens[:, :-1])
            picked = jnp.take_along_axis(jax.nn.log_softmax(logits), tokens[:, 1:, None], -1)
            return -picked.mean()

        value, grads = jax.value_and_grad(loss)(p)
        momentum = jax.tree.map(lambda m, g: 0.9 * m + g, momentum, grads)
        return value, jax.tree.map(lambda w, m: w - 0.1 * m, p, momentum), momentum

    def reference(note, p, momentum, tokens):
        x = p["embed"][tokens[:, :-1]]
        for layer in p["layers"]:
            q, k, v = (ref.split(y, 2) for y in np.split(x @ layer["wqkv"], 3, -1))
            out = ref.attend(note, q, k, v, mask=ref.causal(5))
            x = x + ref.merge(out) @ layer["wo"]
        probabilities = ref.softmax(x @ p["embed"].T)
        return -np.log(np.take_along_axis(probabilities, tokens[:, 1:, None], -1)).mean()

    momentum = jax.tree.map(np.zeros_like, p)
    args = (p, momentum, draw.integers(9, 2, 6))
    return Case(fn, args, reference, observe=lambda output: output[0])


@program("Differential attention: twice as many maps as heads, the second is subtracted.")
def differential(draw: Draw) -> Case:
    p = draw.weights("q k", 8, 8) | draw.weights("v o", 8, 8) | {"lam": np.float32(0.3)}

    def fn(p, x):
        b, t, _ = x.shape
        q, k = ((x @ p[n]).reshape(b, t, 4, 2).transpose(0, 2, 1, 3) for n in "qk")
        v = (x @ p["v"]).reshape(b, t, 2, 4).transpose(0, 2, 1, 3)
        a = jax.nn.softmax(q @ k.swapaxes(-1, -2) * 2**-0.5, axis=-1)
        a = a.reshape(b, 2, 2, t, t)
        a = a[:, :, 0] - p["lam"] * a[:, :, 1]
        out = jnp.matmul(a, v)
        out = out * lax.rsqrt(jnp.mean(out**2, -1, keepdims=True) + 1e-5) * 0.7
        return out.transpose(0, 2, 1, 3).reshape(b, t, -1) @ p["o"]

    def reference(note, p, x):
        q, k, v = ref.split(x @ p["q"], 4), ref.split(x @ p["k"], 4), ref.split(x @ p["v"], 2)
        w = ref.softmax(ref.logits_of(q, k))
        one = note(w[:, 0::2], family="halves", also=[w])
        other = note(w[:, 1::2], family="halves")
        out = ref.mix(one - p["lam"] * other, v)
        return ref.merge(ref.rms_norm(out, eps=1e-5) * 0.7) @ p["o"]

    return Case(fn, (p, draw(2, 5, 8)), reference)


@program("Forgetting transformer: sums of log-sigmoid gates bias the logits; an output gate.")
def forgetting(draw: Draw) -> Case:
    p = draw.weights("q k v", 6, 2, 3) | draw.weights("f", 6, 2) | draw.weights("g o", 6, 6)

    def fn(p, x):
        q, k, v = (jnp.einsum("btm,mhd->bthd", x, p[n]) for n in "qkv")
        total = jnp.cumsum(jax.nn.log_sigmoid(x @ p["f"]), axis=1).swapaxes(1, 2)
        decay = total[..., :, None] - total[..., None, :]
        s = jnp.einsum("bihd,bjhd->bhij", q, k) * 3**-0.5 + decay
        s = jnp.where(jnp.tri(5, dtype=bool), s, jnp.finfo(s.dtype).min)
        out = jnp.einsum("bhij,bjhd->bihd", jax.nn.softmax(s), v).reshape(2, 5, 6)
        return (out * jax.nn.sigmoid(x @ p["g"])) @ p["o"]

    def reference(note, p, x):
        q, k, v = (ref.project(x, p[n]) for n in "qkv")
        total = np.cumsum(np.log(ref.sigmoid(x @ p["f"])), axis=1).swapaxes(1, 2)
        bias = total[..., :, None] - total[..., None, :]
        out = ref.merge(ref.attend(note, q, k, v, bias=bias, mask=ref.causal(5)))
        return (out * ref.sigmoid(x @ p["g"])) @ p["o"]

    return Case(fn, (p, draw(2, 5, 6)), reference)


@program("Waves of positions are added to both sides: what both have is no token.")
def waves_of_positions(draw: Draw) -> Case:
    p = draw.weights("q k v", 6, 2, 3)

    def waves(length):
        angles = np.arange(length)[:, None] / 10.0 ** np.arange(3)
        return np.stack([np.sin(angles), np.cos(angles)], -1).reshape(length, 6)

    def computed(length):
        angles = jnp.arange(length)[:, None] / 10.0 ** jnp.arange(3)
        return jnp.stack([jnp.sin(angles), jnp.cos(angles)], -1).reshape(length, 6)

    def fn(p, x, y):
        x, y = x * 2 + computed(5), y * 2 + computed(5)
        q, k, v = (
            jnp.einsum("btm,mhd->bhtd", e, p[n]) for e, n in zip((x, y, y), "qkv", strict=True)
        )
        return jax.nn.softmax(q @ k.mT / jnp.sqrt(3)) @ v

    def reference(note, p, x, y):
        x, y = x * 2 + waves(5), y * 2 + waves(5)
        q, k, v = (ref.project(e, p[n]) for e, n in zip((x, y, y), "qkv", strict=True))
        return ref.attend(note, q, k, v, kind="cross")

    return Case(fn, (p, draw(2, 5, 6), draw(2, 5, 6)), reference)
