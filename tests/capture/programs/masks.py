"""Masks: what may be seen, and how the program takes the rest away."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.capture.programs import reference as ref
from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)


def _heads(x, p):
    return tuple(jnp.einsum("btm,mhd->bhtd", x, p[n]) for n in "qkv")


def _ref_heads(x, p):
    return tuple(ref.project(x, p[n]) for n in "qkv")


@program("Causal: a triangle of minus infinity is added.")
def causal_added_infinity(draw: Draw) -> Case:
    x, p = draw(2, 5, 8), draw.weights("q k v", 8, 2, 4)

    def fn(x, p):
        q, k, v = _heads(x, p)
        mask = jnp.triu(jnp.full((5, 5), -jnp.inf), k=1)
        return jax.nn.softmax(q @ k.mT / 2 + mask) @ v

    def reference(note, x, p):
        return ref.attend(note, *_ref_heads(x, p), mask=ref.causal(5))

    return Case(fn, (x, p), reference)


@program("Causal: (1 - mask) * -1e9 is added, in the manner of BERT.")
def causal_added_large_number(draw: Draw) -> Case:
    x, p = draw(2, 5, 8), draw.weights("q k v", 8, 2, 4)

    def fn(x, p):
        q, k, v = _heads(x, p)
        tril = jnp.tril(jnp.ones((1, 1, 5, 5)))
        scores = jnp.matmul(q, k.transpose(0, 1, 3, 2)) * 0.5 + (1.0 - tril) * -1e9
        return jnp.matmul(jax.nn.softmax(scores, axis=-1), v)

    def reference(note, x, p):
        return ref.attend(note, *_ref_heads(x, p), mask=ref.causal(5))

    return Case(fn, (x, p), reference)


@program("Causal: where with finfo.min, from two broadcasted iotas.")
def causal_where_finfo_min(draw: Draw) -> Case:
    x, p = draw(2, 6, 8), draw.weights("q k v", 8, 2, 4)

    def fn(x, p):
        q, k, v = _heads(x, p)
        s = jnp.einsum("bhqd,bhkd->bhqk", q * 0.5, k)
        row = lax.broadcasted_iota(jnp.int32, s.shape, 2)
        column = lax.broadcasted_iota(jnp.int32, s.shape, 3)
        s = jnp.where(row >= column, s, jnp.finfo(s.dtype).min)
        return jnp.einsum("bhqk,bhkd->bhqd", jax.nn.softmax(s), v)

    def reference(note, x, p):
        return ref.attend(note, *_ref_heads(x, p), mask=ref.causal(6))

    return Case(fn, (x, p), reference)


@program("Padding from lengths, keys alone are masked, where is written the other way round.")
def padding_from_lengths(draw: Draw) -> Case:
    x, p, lengths = draw(3, 6, 8), draw.weights("q k v", 8, 2, 4), np.array([6, 2, 4], np.int32)

    def fn(x, p, lengths):
        q, k, v = _heads(x, p)
        padded = jnp.arange(x.shape[1])[None] >= lengths[:, None]
        s = jnp.einsum("bhqd,bhkd->bhqk", q, k) / 2
        s = jnp.where(padded[:, None, None, :], -1e30, s)
        return jnp.einsum("bhqk,bhkd->bhqd", jax.nn.softmax(s, -1), v)

    def reference(note, x, p, lengths):
        mask = np.arange(6) < lengths[:, None, None, None]
        return ref.attend(note, *_ref_heads(x, p), mask=mask)

    return Case(fn, (x, p, lengths), reference)


@program("Padding of queries and keys: rows of padding see everything alike (fill is finite).")
def padding_outer_product(draw: Draw) -> Case:
    x, p, tokens = (
        draw(2, 5, 8),
        draw.weights("q k v", 8, 2, 4),
        np.array([[3, 1, 2, 0, 0], [5, 4, 3, 2, 0]]),
    )

    def fn(x, p, tokens):
        q, k, v = _heads(x, p)
        valid = tokens > 0
        mask = (valid[:, :, None] & valid[:, None, :])[:, None]
        s = jnp.where(mask, (q @ k.mT) * 0.5, -1e10)
        return jax.nn.softmax(s) @ v

    def reference(note, x, p, tokens):
        valid = tokens > 0
        mask = (valid[:, :, None] & valid[:, None, :])[:, None]
        return ref.attend(note, *_ref_heads(x, p), mask=mask, fill=-1e10)

    return Case(fn, (x, p, tokens), reference)


@program("softmax(where=), causal and padded; rows without any key are zero.")
def softmax_where_argument(draw: Draw) -> Case:
    x, p, lengths = draw(2, 5, 8), draw.weights("q k v", 8, 2, 4), np.array([5, 3], np.int32)

    def fn(x, p, lengths):
        q, k, v = _heads(x, p)
        mask = jnp.tril(jnp.ones((5, 5), bool)) & (jnp.arange(5) < lengths[:, None])[:, None, None]
        w = jax.nn.softmax(q @ k.mT / 2, axis=-1, where=mask)
        return w @ v

    def reference(note, x, p, lengths):
        mask = ref.causal(5) & (np.arange(5) < lengths[:, None, None, None])
        return ref.attend(note, *_ref_heads(x, p), mask=mask)

    return Case(fn, (x, p, lengths), reference)


@program("softmax(where=) over an axis in the middle, the mask an argument.")
def softmax_where_middle_axis(draw: Draw) -> Case:
    x, y, p = draw(2, 3, 6), draw(2, 6, 6), draw.weights("q k v", 6, 2, 3)
    mask = np.arange(6) < np.array([[4], [6]])

    def fn(x, y, p, mask):
        q = jnp.einsum("bqm,mhd->bqhd", x, p["q"])
        k, v = (jnp.einsum("bkm,mhd->bkhd", y, p[n]) for n in "kv")
        s = jnp.einsum("bqhd,bkhd->bkqh", q, k)
        w = jax.nn.softmax(s, axis=1, where=mask[:, :, None, None])
        return jnp.einsum("bkqh,bkhd->bqhd", w, v)

    def reference(note, x, y, p, mask):
        q, k, v = ref.project(x, p["q"]), ref.project(y, p["k"]), ref.project(y, p["v"])
        out = ref.attend(note, q, k, v, kind="cross", scale=1.0, mask=mask[:, None, None])
        return out.transpose(0, 2, 1, 3)

    return Case(fn, (x, y, p, mask), reference)


@program("The mask multiplies after softmax, and rows are normalized again.")
def multiplied_and_renormalized(draw: Draw) -> Case:
    x, p, lengths = draw(2, 5, 8), draw.weights("q k v", 8, 2, 4), np.array([4, 5], np.int32)

    def fn(x, p, lengths):
        q, k, v = _heads(x, p)
        keep = (jnp.arange(5)[None] < lengths[:, None]).astype(x.dtype)
        w = jax.nn.softmax(jnp.einsum("bhqd,bhkd->bhqk", q, k) / 2)
        w = w * keep[:, None, None]
        w = w / (w.sum(-1, keepdims=True) + 1e-13)
        return jnp.einsum("bhqk,bhkd->bhqd", w, v)

    def reference(note, x, p, lengths):
        mask = np.arange(5) < lengths[:, None, None, None]
        return ref.attend(note, *_ref_heads(x, p), mask=mask)

    return Case(fn, (x, p, lengths), reference)


@program("The mask multiplies the exponentials, before they are summed.")
def exponentials_times_mask(draw: Draw) -> Case:
    x, p = draw(2, 6, 8), draw.weights("q k v", 8, 2, 4)

    def fn(x, p):
        q, k, v = _heads(x, p)
        s = q @ k.mT * 0.5
        e = jnp.exp(s - jax.lax.stop_gradient(s.max(-1, keepdims=True))) * jnp.tri(6)
        return (e / e.sum(-1, keepdims=True)) @ v

    def reference(note, x, p):
        return ref.attend(note, *_ref_heads(x, p), mask=ref.causal(6))

    return Case(fn, (x, p), reference)


@program("The mask multiplies after softmax and nothing is normalized again.")
def multiplied_only(draw: Draw) -> Case:
    x, p = draw(2, 5, 8), draw.weights("q k v", 8, 2, 4)

    def fn(x, p):
        q, k, v = _heads(x, p)
        return (jax.nn.softmax(q @ k.mT / 2) * jnp.tri(5)) @ v

    def reference(note, x, p):
        q, k, v = _ref_heads(x, p)
        weights = ref.softmax(ref.logits_of(q, k))
        return ref.mix(note(weights * ref.causal(5), also=[weights]), v)

    return Case(fn, (x, p), reference)


@program("A sliding window from differences of positions.")
def sliding_window(draw: Draw) -> Case:
    x, p = draw(2, 7, 8), draw.weights("q k v", 8, 2, 4)

    def fn(x, p):
        q, k, v = _heads(x, p)
        offset = jnp.arange(7)[:, None] - jnp.arange(7)[None, :]
        s = jnp.where((offset >= 0) & (offset < 3), q @ k.mT / 2, -jnp.inf)
        return jax.nn.softmax(s) @ v

    def reference(note, x, p):
        offset = np.arange(7)[:, None] - np.arange(7)
        return ref.attend(note, *_ref_heads(x, p), mask=(offset >= 0) & (offset < 3))

    return Case(fn, (x, p), reference)


@program("Documents packed into one row: block-diagonal and causal, by select.")
def block_diagonal(draw: Draw) -> Case:
    x, p, segments = (
        draw(2, 6, 8),
        draw.weights("q k v", 8, 2, 4),
        np.array([[1, 1, 1, 2, 2, 3], [1, 2, 2, 2, 2, 2]]),
    )

    def fn(x, p, segments):
        q, k, v = _heads(x, p)
        same = segments[:, :, None] == segments[:, None, :]
        mask = jnp.broadcast_to((same & jnp.tri(6, dtype=bool))[:, None], (2, 2, 6, 6))
        s = q @ k.mT / 2
        s = lax.select(mask, s, jnp.full_like(s, -2.0e38))
        return jax.nn.softmax(s) @ v

    def reference(note, x, p, segments):
        same = segments[:, None, :, None] == segments[:, None, None, :]
        return ref.attend(note, *_ref_heads(x, p), mask=same & ref.causal(6))

    return Case(fn, (x, p, segments), reference)


@program("A prefix is seen by all, the rest is causal.")
def prefix_language_model(draw: Draw) -> Case:
    x, p = draw(2, 6, 8), draw.weights("q k v", 8, 2, 4)
    prefix = np.array([2, 4], np.int32)

    def fn(x, p, prefix):
        q, k, v = _heads(x, p)
        position = jnp.arange(6)
        seen = position[None, :, None] >= position[None, None, :]
        seen = jnp.logical_or(seen, position[None, None, :] < prefix[:, None, None])
        bias = jax.lax.select(seen, jnp.zeros(seen.shape), jnp.full(seen.shape, -1e10))
        return jax.nn.softmax(q @ k.mT / 2 + bias[:, None]) @ v

    def reference(note, x, p, prefix):
        mask = ref.causal(6) | (np.arange(6) < prefix[:, None, None, None])
        return ref.attend(note, *_ref_heads(x, p), mask=mask)

    return Case(fn, (x, p, prefix), reference)


@program("Global tokens and a band (Longformer), the pattern a constant made with NumPy.")
def band_with_global_tokens(draw: Draw) -> Case:
    x, p = draw(2, 7, 8), draw.weights("q k v", 8, 2, 4)
    pattern = np.abs(np.arange(7)[:, None] - np.arange(7)) <= 1
    pattern[0] = pattern[:, 0] = True

    def fn(x, p):
        q, k, v = _heads(x, p)
        return jax.nn.softmax(q @ k.mT / 2 + np.where(pattern, 0, -1e9).astype("f")) @ v

    def reference(note, x, p):
        return ref.attend(note, *_ref_heads(x, p), mask=pattern)

    return Case(fn, (x, p), reference)


@program("Rows that may see nothing are set to zero after softmax.")
def fully_masked_rows_set_to_zero(draw: Draw) -> Case:
    x, p = draw(2, 5, 8), draw.weights("q k v", 8, 2, 4)
    mask = np.array([[1, 1, 0, 0, 1], [0, 0, 0, 0, 0]], bool)[:, None, None]

    def fn(x, p, mask):
        q, k, v = _heads(x, p)
        s = jnp.where(mask, q @ k.mT / 2, jnp.finfo(jnp.float32).min)
        w = jnp.where(mask.any(-1, keepdims=True), jax.nn.softmax(s), 0.0)
        return w @ v

    def reference(note, x, p, mask):
        return ref.attend(note, *_ref_heads(x, p), mask=mask)

    return Case(fn, (x, p, mask), reference)


@program("Every k-th score is kept by its rank in the row (explicit sparse transformer).")
def only_the_largest_scores(draw: Draw) -> Case:
    x, p = draw(2, 6, 8), draw.weights("q k v", 8, 2, 4)

    def fn(x, p):
        q, k, v = _heads(x, p)
        s = q @ k.mT / 2
        threshold = lax.top_k(s, 3)[0][..., -1:]
        return jax.nn.softmax(jnp.where(s < threshold, -jnp.inf, s)) @ v

    def reference(note, x, p):
        q, k, v = _ref_heads(x, p)
        s = ref.logits_of(q, k)
        return ref.attend(note, q, k, v, mask=s >= np.sort(s)[..., -3:-2])

    return Case(fn, (x, p), reference)


@program("jax.nn.dot_product_attention, causal, with a mask and with lengths.")
def library_function_masked(draw: Draw) -> Case:
    x, p = draw(2, 5, 8), draw.weights("q k v", 8, 2, 4)
    lengths = np.array([3, 5], np.int32)

    def fn(x, p, lengths):
        q, k, v = (jnp.einsum("btm,mhd->bthd", x, p[n]) for n in "qkv")
        mask = (jnp.arange(5)[:, None] != 2) | (jnp.arange(5) == 2)
        return jax.nn.dot_product_attention(
            q, k, v, mask=mask[None, None], is_causal=True, key_value_seq_lengths=lengths
        )

    def reference(note, x, p, lengths):
        row, column = np.arange(5)[:, None], np.arange(5)
        mask = ((row != 2) | (column == 2)) & ref.causal(5)
        mask = mask & (column < lengths[:, None, None, None])
        return ref.attend(note, *_ref_heads(x, p), mask=mask).transpose(0, 2, 1, 3)

    return Case(fn, (x, p, lengths), reference)


@program("jax.nn.dot_product_attention with a local window to both sides.")
def library_function_window(draw: Draw) -> Case:
    x, p = draw(2, 7, 8), draw.weights("q k v", 8, 2, 4)

    def fn(x, p):
        q, k, v = (jnp.einsum("btm,mhd->bthd", x, p[n]) for n in "qkv")
        return jax.nn.dot_product_attention(q, k, v, local_window_size=(2, 1))

    def reference(note, x, p):
        offset = np.arange(7)[:, None] - np.arange(7)
        mask = (offset <= 2) & (offset >= -1)
        return ref.attend(note, *_ref_heads(x, p), mask=mask).transpose(0, 2, 1, 3)

    return Case(fn, (x, p), reference)


@program("Weights are multiplied by a window around a predicted place (Luong et al. 2015).")
def damped_by_a_window(draw: Draw) -> Case:
    p = draw.weights("q k v", 8, 2, 4) | {"place": draw(8)}

    def fn(x, p):
        q, k, v = _heads(x, p)
        place = 5 * jax.nn.sigmoid(x @ p["place"])
        distance = jnp.arange(5.0) - place[:, None, :, None]
        return jax.nn.softmax(q @ k.mT / 2) * jnp.exp(-jnp.square(distance) / 4) @ v

    def reference(note, x, p):
        q, k, v = _ref_heads(x, p)
        distance = np.arange(5) - 5 * ref.sigmoid(x @ p["place"])[:, None, :, None]
        return ref.mix(note(ref.softmax(ref.logits_of(q, k)) * np.exp(-(distance**2) / 4)), v)

    return Case(fn, (draw(2, 5, 8), p), reference)
