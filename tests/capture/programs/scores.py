"""How scores are made: where the scale stands, in which layout, from what kind of product."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.capture.programs import reference as ref
from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)


@program("The scale is put on the queries; einsum projections with a head axis.")
def scale_on_query(draw: Draw) -> Case:
    x = draw(2, 5, 8)
    p = draw.weights("q k v", 8, 2, 4) | {"o": draw.weight(8, 8).reshape(2, 4, 8)}

    def fn(p, x):
        q = jnp.einsum("btm,mhd->bthd", x, p["q"]) / jnp.sqrt(4.0)
        k = jnp.einsum("btm,mhd->bthd", x, p["k"])
        v = jnp.einsum("btm,mhd->bthd", x, p["v"])
        weights = jax.nn.softmax(jnp.einsum("bthd,bshd->bhts", q, k))
        return jnp.einsum("bthd,hdm->btm", jnp.einsum("bhts,bshd->bthd", weights, v), p["o"])

    def reference(note, p, x):
        q, k, v = (ref.project(x, p[name]) for name in "qkv")
        return ref.unproject(ref.attend(note, q, k, v), p["o"])

    return Case(fn, (p, x), reference)


@program("The scale is put on the keys; one fused projection, reshaped and transposed.")
def scale_on_key_of_fused_projection(draw: Draw) -> Case:
    x, w, o = draw(2, 6, 12), draw.weight(12, 36), draw.weight(12, 12)

    def fn(x, w, o):
        b, t, m = x.shape
        qkv = (x @ w).reshape(b, t, 3, 3, m // 3).transpose(2, 0, 3, 1, 4)
        q, k, v = qkv
        attn = q @ (k * (m // 3) ** -0.5).swapaxes(-2, -1)
        attn = jax.nn.softmax(attn, axis=-1)
        return (attn @ v).transpose(0, 2, 1, 3).reshape(b, t, m) @ o

    def reference(note, x, w, o):
        q, k, v = (ref.split(x @ part, 3) for part in np.split(w, 3, axis=1))
        return ref.merge(ref.attend(note, q, k, v)) @ o

    return Case(fn, (x, w, o), reference)


@program("One example without a batch axis and one head without a head axis.")
def no_batch_no_heads(draw: Draw) -> Case:
    x, p = draw(5, 6), draw.weights("q k v", 6, 4)

    def fn(x, p):
        scores = jnp.matmul(x @ p["q"], (x @ p["k"]).T) * 0.5
        return jnp.matmul(jax.nn.softmax(scores, axis=-1), x @ p["v"])

    def reference(note, x, p):
        q, k, v = ((x @ p[name])[None, None] for name in "qkv")
        return ref.attend(note, q, k, v)[0, 0]

    return Case(fn, (x, p), reference)


@program("Logits are divided by a root that is computed in the program.")
def scale_by_division(draw: Draw) -> Case:
    x, memory = draw(2, 3, 8), draw(2, 7, 6)
    wq, wkv = draw.weight(8, 8), draw.weight(6, 16)

    def fn(x, memory, wq, wkv):
        def heads(y):
            return y.reshape(*y.shape[:2], 2, 4)

        q, (k, v) = heads(x @ wq), map(heads, jnp.split(memory @ wkv, 2, axis=-1))
        logits = jnp.einsum("blhc,bmhc->bhlm", q, k) / jnp.sqrt(jnp.float32(k.shape[-1]))
        out = jnp.einsum("bhlm,bmhc->blhc", jax.nn.softmax(logits), v)
        return out.reshape(*x.shape[:2], -1)

    def reference(note, x, memory, wq, wkv):
        k, v = (ref.split(memory @ part, 2) for part in np.split(wkv, 2, axis=1))
        return ref.merge(ref.attend(note, ref.split(x @ wq, 2), k, v, kind="cross"))

    return Case(fn, (x, memory, wq, wkv), reference)


@program("Weights are laid out batch, query, key, head, and softmax goes over axis 2.")
def heads_last(draw: Draw) -> Case:
    x, p = draw(3, 4, 6), draw.weights("q k v", 6, 3, 2)

    def fn(x, p):
        q, k, v = (jnp.tensordot(x, p[n], axes=1) for n in ("q", "k", "v"))
        logits = (q[:, :, None] * k[:, None, :]).sum(-1) * 2**-0.5
        w = jax.nn.softmax(logits, axis=2)
        return (w[..., None] * v[:, None]).sum(2)

    def reference(note, x, p):
        q, k, v = (ref.project(x, p[name]) for name in "qkv")
        return ref.attend(note, q, k, v).transpose(0, 2, 1, 3)

    return Case(fn, (x, p), reference)


@program("Weights are laid out key, head, query, batch.")
def keys_first(draw: Draw) -> Case:
    x, p = draw(2, 5, 6), draw.weights("q k v", 6, 3, 4)

    def fn(x, p):
        q, k, v = (jnp.einsum("nlc,chd->nlhd", x, p[n]) for n in "qkv")
        energy = jnp.einsum("nihd,njhd->jhin", q, k)
        return jnp.einsum("jhin,njhd->nihd", jax.nn.softmax(energy / 2.0, axis=0), v)

    def reference(note, x, p):
        q, k, v = (ref.project(x, p[name]) for name in "qkv")
        return ref.attend(note, q, k, v).transpose(0, 2, 1, 3)

    return Case(fn, (x, p), reference)


@program("Time comes first and heads are merged into the batch, as fairseq does.")
def time_major_heads_in_batch(draw: Draw) -> Case:
    x, p = draw(5, 2, 9), draw.weights("q k v", 9, 9) | {"o": draw.weight(9, 9)}

    def fn(x, p):
        t, b, m = x.shape
        q, k, v = ((x @ p[n]).reshape(t, b * 3, m // 3).transpose(1, 0, 2) for n in "qkv")
        q = q * (m // 3) ** -0.5
        attn = jax.nn.softmax(lax.batch_matmul(q, k.transpose(0, 2, 1)), axis=-1)
        attn = lax.batch_matmul(attn, v).transpose(1, 0, 2).reshape(t, b, m)
        return attn @ p["o"]

    def reference(note, x, p):
        x = x.transpose(1, 0, 2)
        q, k, v = (ref.split(x @ p[name], 3) for name in "qkv")
        return (ref.merge(ref.attend(note, q, k, v)) @ p["o"]).transpose(1, 0, 2)

    return Case(fn, (x, p), reference)


@program("dot_general everywhere, without any transposition before the end.")
def dot_generals(draw: Draw) -> Case:
    x, p = draw(2, 4, 6), draw.weights("q k v", 6, 2, 3)

    def fn(x, p):
        q, k, v = (lax.dot_general(x, p[n], (((2,), (0,)), ((), ()))) for n in "qkv")
        s = lax.dot_general(q, k, (((3,), (3,)), ((0, 2), (0, 2)))) / np.sqrt(3).astype("f")
        w = jax.nn.softmax(s)
        return lax.dot_general(w, v, (((3,), (1,)), ((0, 1), (0, 2))))

    def reference(note, x, p):
        q, k, v = (ref.project(x, p[name]) for name in "qkv")
        return ref.attend(note, q, k, v)

    return Case(fn, (x, p), reference)


@program("All axes have the same length.")
def all_lengths_equal(draw: Draw) -> Case:
    x, p = draw(4, 4, 4), draw.weights("q k v o", 4, 4, 4)

    def fn(x, p):
        q, k, v = (jnp.einsum("abc,cde->dabe", x, p[n]) for n in "qkv")
        w = jax.nn.softmax(jnp.einsum("habe,hace->hbac", q, k) * 0.5)
        return jnp.einsum("hbac,hace,hef->abf", w, v, p["o"].transpose(1, 0, 2))

    def reference(note, x, p):
        q, k, v = (ref.project(x, p[name]) for name in "qkv")
        return ref.unproject(ref.attend(note, q, k, v), p["o"].transpose(1, 0, 2))

    return Case(fn, (x, p), reference)


@program("Luong's general score: the query through one matrix against bare states.")
def bilinear_score(draw: Draw) -> Case:
    decoder, encoder, w = draw(2, 3, 5), draw(2, 6, 7), draw.weight(5, 7)

    def fn(decoder, encoder, w):
        align = jax.nn.softmax(jnp.einsum("bti,ij,bsj->bts", decoder, w, encoder), -1)
        return jnp.concatenate([align @ encoder, decoder], -1)

    def reference(note, decoder, encoder, w):
        k = encoder[:, None]
        context = ref.attend(note, (decoder @ w)[:, None], k, k, kind="cross", scale=1.0)
        return np.concatenate([context[:, 0], decoder], -1)

    return Case(fn, (decoder, encoder, w), reference)


@program("Queries, keys and values are the bare tokens, without any projection.")
def bare_tokens(draw: Draw) -> Case:
    x = draw(2, 5, 4)

    def fn(x):
        weights = jax.nn.softmax(x @ jnp.swapaxes(x, 1, 2))
        return weights @ x

    def reference(note, x):
        return ref.attend(note, x[:, None], x[:, None], x[:, None], scale=1.0)[:, 0]

    return Case(fn, (x,), reference)


@program("Queries and keys are normalized to unit length, with a learned temperature per head.")
def cosine_scores_with_temperature(draw: Draw) -> Case:
    x, p = draw(2, 5, 8), draw.weights("q k v", 8, 2, 4)
    tau = np.array([1.5, 3.0], np.float32)

    def fn(x, p, tau):
        def unit(y):
            return y / jnp.linalg.norm(y, axis=-1, keepdims=True)

        q, k, v = (jnp.einsum("btm,mhd->bhtd", x, p[n]) for n in "qkv")
        sim = jnp.einsum("bhid,bhjd->bhij", unit(q), unit(k)) * tau[:, None, None]
        return jnp.einsum("bhij,bhjd->bihd", jax.nn.softmax(sim, -1), v)

    def reference(note, x, p, tau):
        q, k, v = (ref.project(x, p[name]) for name in "qkv")
        q, k = (y / np.sqrt((y**2).sum(-1, keepdims=True)) for y in (q, k))
        return ref.attend(note, q, k, v, scale=tau[None, :, None, None]).transpose(0, 2, 1, 3)

    return Case(fn, (x, p, tau), reference)


def _rms(x, scale):
    return x * lax.rsqrt(jnp.mean(jnp.square(x), -1, keepdims=True) + 1e-6) * scale


@program("RMS norm of queries and keys with learned scales, keys given a head axis later.")
def qk_norm(draw: Draw) -> Case:
    x, p = draw(2, 6, 8), draw.weights("q k v", 8, 8)
    scales = 1 + draw(2, 4, scale=0.1)

    def fn(x, p, scales):
        q, k, v = (jnp.reshape(x @ p[n], (2, 6, 2, 4)) for n in "qkv")
        q, k = _rms(q, scales[0]), _rms(k, scales[1])
        w = jax.nn.softmax(jnp.einsum("bqhd,bkhd->bqhk", q, k) * 0.5)
        return jnp.einsum("bqhk,bkhd->bqhd", w, v).reshape(2, 6, 8)

    def reference(note, x, p, scales):
        q, k, v = (ref.split(x @ p[name], 2) for name in "qkv")
        q, k = ref.rms_norm(q, scales[0]), ref.rms_norm(k, scales[1])
        return ref.merge(ref.attend(note, q, k, v))

    return Case(fn, (x, p, scales), reference)


def _angles(length: int, size: int) -> np.ndarray:
    return np.arange(length)[:, None] * 100.0 ** (-np.arange(size // 2) / (size // 2))


@program("Rotary positions by halves, many query heads on one key head.")
def rotary_multi_query(draw: Draw) -> Case:
    x, wq, wk, wv = draw(2, 5, 6), draw.weight(6, 3, 4), draw.weight(6, 4), draw.weight(6, 4)

    def rotate(y, cos, sin):
        a, b = jnp.split(y, 2, axis=-1)
        return jnp.concatenate([a * cos - b * sin, b * cos + a * sin], -1)

    def fn(x, wq, wk, wv):
        angle = jnp.arange(5.0)[:, None] * 100.0 ** (-jnp.arange(2.0) / 2)
        cos, sin = jnp.cos(angle), jnp.sin(angle)
        q = rotate(jnp.einsum("btm,mhd->bhtd", x, wq), cos, sin)
        k = rotate(x @ wk, cos, sin)
        w = jax.nn.softmax(jnp.einsum("bhqd,bkd->bhqk", q, k) * 0.5)
        return jnp.einsum("bhqk,bkd->bqhd", w, x @ wv)

    def reference(note, x, wq, wk, wv):
        turn = np.exp(1j * _angles(5, 4))
        q, k = ref.project(x, wq), (x @ wk)[:, None]
        q, k = ((y[..., :2] + 1j * y[..., 2:]) * turn for y in (q, k))
        q, k = (np.concatenate([y.real, y.imag], -1) for y in (q, k))
        return ref.attend(note, q, k, (x @ wv)[:, None]).transpose(0, 2, 1, 3)

    return Case(fn, (x, wq, wk, wv), reference)


@program("Rotary positions of neighboring pairs, stacked and reshaped.")
def rotary_interleaved(draw: Draw) -> Case:
    x, p = draw(2, 6, 8), draw.weights("q k v", 8, 8)

    def fn(x, p):
        angle = jnp.asarray(_angles(6, 4), jnp.float32)[None, :, None]

        def rotate(y):
            even, odd = y[..., ::2], y[..., 1::2]
            turned = [even * jnp.cos(angle) - odd * jnp.sin(angle)]
            turned += [even * jnp.sin(angle) + odd * jnp.cos(angle)]
            return jnp.stack(turned, axis=-1).reshape(y.shape)

        q, k, v = ((x @ p[n]).reshape(2, 6, 2, 4) for n in "qkv")
        scores = jnp.einsum("bthd,bshd->bhts", rotate(q), rotate(k)) / 2
        return jnp.einsum("bhts,bshd->bthd", jax.nn.softmax(scores), v)

    def reference(note, x, p):
        q, k, v = (ref.split(x @ p[name], 2) for name in "qkv")
        q, k = ((y[..., ::2] + 1j * y[..., 1::2]) * np.exp(1j * _angles(6, 4)) for y in (q, k))
        q, k = (np.concatenate([y.real, y.imag], -1) for y in (q, k))
        return ref.attend(note, q, k, v).transpose(0, 2, 1, 3)

    return Case(fn, (x, p), reference)


@program("Scores are negative squared distances.")
def distance_scores(draw: Draw) -> Case:
    x, y, p = draw(2, 4, 6), draw(2, 7, 6), draw.weights("q k v", 6, 3)

    def fn(x, y, p):
        q, k, v = x @ p["q"], y @ p["k"], y @ p["v"]
        squares = jnp.sum((q[:, :, None, :] - k[:, None, :, :]) ** 2, axis=-1)
        return jnp.einsum("bqk,bkd->bqd", jax.nn.softmax(-squares / 2), v)

    def reference(note, x, y, p):
        q, k, v = ((z @ p[n])[:, None] for z, n in ((x, "q"), (y, "k"), (y, "v")))
        norms = (q**2).sum(-1)[..., :, None] + (k**2).sum(-1)[..., None, :]
        return ref.attend(note, q, k, v, kind="cross", scale=1.0, bias=-norms / 2)[:, 0]

    return Case(fn, (x, y, p), reference)


@program("jax.nn.dot_product_attention on fused projections.")
def library_function(draw: Draw) -> Case:
    x, p = draw(2, 5, 8), draw.weights("q k v", 8, 8)

    def fn(x, p):
        q, k, v = ((x @ p[n]).reshape(2, 5, 2, 4) for n in "qkv")
        return jax.nn.dot_product_attention(q, k, v)

    def reference(note, x, p):
        q, k, v = (ref.split(x @ p[name], 2) for name in "qkv")
        return ref.attend(note, q, k, v).transpose(0, 2, 1, 3)

    return Case(fn, (x, p), reference)


@program("jax.nn.dot_product_attention on bare inputs of unequal lengths: no projection to read.")
def library_function_on_inputs(draw: Draw) -> Case:
    q, k, v = draw(2, 4, 3, 5), draw(2, 6, 3, 5), draw(2, 6, 3, 5)

    def fn(q, k, v):
        return jax.nn.dot_product_attention(q, k, v, scale=0.3)

    def reference(note, q, k, v):
        q, k, v = (y.transpose(0, 2, 1, 3) for y in (q, k, v))
        out = ref.attend(note, q, k, v, kind="cross", scale=0.3, also_kinds=("self",))
        return out.transpose(0, 2, 1, 3)

    return Case(fn, (q, k, v), reference)
