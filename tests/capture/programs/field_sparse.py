"""Recent forms with few keys for each query: chosen blocks, indexers, windows and global keys."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.capture.programs import reference as ref
from tests.capture.programs.program import Case, Draw, Registry
from tests.capture.programs.two_heads import heads, inputs

program = Registry(__name__)


def _projected(x, p):
    return tuple(ref.project(x, p[n]) for n in "qkv")


@program("Softpick: rectified exponentials less one, divided by the sum of their sizes.")
def softpick(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = heads(x, p)
        e = jnp.expm1(q @ k.mT / 2)
        return (jax.nn.relu(e) / (jnp.abs(e).sum(-1, keepdims=True) + 1e-6)) @ v

    def reference(note, x, p):
        q, k, v = _projected(x, p)
        e = np.expm1(ref.logits_of(q, k))
        return ref.mix(note(ref.relu(e) / (np.abs(e).sum(-1, keepdims=True) + 1e-6)), v)

    return Case(fn, inputs(draw, 6), reference)


@program("Longformer: two global keys and a window of three, one softmax, values apart.")
def window_and_global_keys(draw: Draw) -> Case:
    near = np.arange(6)[:, None] + np.arange(-1, 2)
    allowed, near = (near >= 2) & (near < 6), np.clip(near, 0, 5)

    def fn(x, p):
        q, k, v = heads(x, p)
        window = jnp.einsum("bhtd,bhtkd->bhtk", q, k[:, :, near]) / 2
        window = jnp.where(allowed, window, -1e9)
        w = jax.nn.softmax(jnp.concatenate([q @ k[:, :, :2].mT / 2, window], -1))
        out = w[..., :2] @ v[:, :, :2]
        return out + jnp.einsum("bhtk,bhtkd->bhtd", w[..., 2:], v[:, :, near])

    def reference(note, x, p):
        q, k, v = _projected(x, p)
        window = np.einsum("bhtd,bhtkd->bhtk", q, k[:, :, near]) / 2
        window = np.where(allowed, window, -np.inf)
        w = note(ref.softmax(np.concatenate([ref.logits_of(q, k[:, :, :2]), window], -1)))
        out = ref.mix(w[..., :2], v[:, :, :2])
        return out + np.einsum("bhtk,bhtkd->bhtd", w[..., 2:], v[:, :, near])

    return Case(fn, inputs(draw, 6), reference, unused="places beyond the ends")


@program("MoBA: each query takes its own block of keys and the one whose mean it is nearest to.")
def blocks_by_their_means(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = heads(x, p)
        gate = jnp.einsum("bhtd,bhnd->bhtn", q, k.reshape(2, 2, 4, 2, 4).mean(3))
        own, blocks = jnp.arange(8)[:, None] // 2, jnp.arange(4)
        gate = jnp.where(blocks > own, -jnp.inf, jnp.where(blocks == own, jnp.inf, gate))
        chosen = jnp.repeat(gate >= lax.top_k(gate, 2)[0][..., -1:], 2, axis=-1)
        scores = jnp.where(chosen & jnp.tri(8, dtype=bool), q @ k.mT / 2, -1e30)
        return jax.nn.softmax(scores) @ v

    def reference(note, x, p):
        q, k, v = _projected(x, p)
        gate = np.einsum("bhtd,bhnd->bhtn", q, k.reshape(2, 2, 4, 2, 4).mean(3))
        own, blocks = np.arange(8)[:, None] // 2, np.arange(4)
        gate = np.where(blocks > own, -np.inf, np.where(blocks == own, np.inf, gate))
        chosen = np.repeat(gate >= -np.sort(-gate, -1)[..., 1:2], 2, -1)
        return ref.attend(note, q, k, v, mask=chosen & ref.causal(8))

    return Case(fn, inputs(draw, 8), reference, unused="blocks that are not chosen")


@program(
    "DeepSeek's indexer: rectified scores of small heads choose three keys, which are gathered."
)
def keys_by_an_indexer(draw: Draw) -> Case:
    p = draw.weights("q k v", 8, 2, 4) | {"iq": draw.weight(8, 3, 2), "ik": draw.weight(8, 2)}
    p |= {"iw": draw.weight(8, 3)}

    def fn(x, p):
        q, k, v = (jnp.einsum("btm,mhd->bthd", x, p[n]) for n in "qkv")
        small = jnp.einsum("btm,mhd,bsd->bhts", x, p["iq"], x @ p["ik"])
        index = jnp.einsum("bth,bhts->bts", x @ p["iw"], jax.nn.relu(small))
        top, at = lax.top_k(jnp.where(jnp.tri(6, dtype=bool), index, -jnp.inf), 3)
        keys, values = (jax.vmap(lambda y, i: y[i])(y, at) for y in (k, v))
        scores = jnp.einsum("bthd,btkhd->bhtk", q, keys) / 2
        w = jax.nn.softmax(jnp.where((top > -jnp.inf)[:, None], scores, -1e30))
        return jnp.einsum("bhtk,btkhd->bhtd", w, values)

    def reference(note, x, p):
        q, k, v = _projected(x, p)
        small = np.einsum("btm,mhd,bsd->bhts", x, p["iq"], x @ p["ik"])
        index = np.einsum("bth,bhts->bts", x @ p["iw"], ref.relu(small))
        index = np.where(ref.causal(6), index, -np.inf)
        at = np.argsort(-index, -1, kind="stable")[..., :3]
        every = np.where(np.isfinite(index)[:, None], ref.logits_of(q, k), -np.inf)
        scores = np.take_along_axis(every, np.repeat(at[:, None], 2, 1), -1)
        values = np.stack([v[i][:, at[i]] for i in range(2)])
        return np.einsum("bhtk,bhtkd->bhtd", note(ref.softmax(scores)), values)

    return Case(fn, (draw(2, 6, 8), p), reference, unused="keys ahead")
