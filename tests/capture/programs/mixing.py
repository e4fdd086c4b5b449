"""Linear steps between weights and values: mixing of heads, subtraction, masks of heads."""

import jax
import jax.numpy as jnp
import numpy as np

from tests.capture.programs import reference as ref
from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)


def _inputs(draw):
    return draw(2, 5, 8), draw.weights("q k v", 8, 3, 4)


def _heads(x, p):
    return tuple(jnp.einsum("btm,mhd->bhtd", x, p[n]) for n in "qkv")


def _ref_heads(x, p):
    return tuple(ref.project(x, p[n]) for n in "qkv")


@program("Talking heads: mixed before and after softmax, by einsum.")
def talking_heads(draw: Draw) -> Case:
    x, p = _inputs(draw)
    before, after = draw(3, 3), draw(3, 3)

    def fn(x, p, before, after):
        q, k, v = _heads(x, p)
        s = jnp.einsum("bhqk,hg->bgqk", q @ k.mT / 2, before)
        w = jnp.einsum("bhqk,hg->bgqk", jax.nn.softmax(s), after)
        return w @ v

    def reference(note, x, p, before, after):
        q, k, v = _ref_heads(x, p)
        first = ref.softmax(np.einsum("bhqk,hg->bgqk", ref.logits_of(q, k), before))
        return ref.mix(note(np.einsum("bhqk,hg->bgqk", first, after), also=[first]), v)

    return Case(fn, (x, p, before, after), reference)


@program("Talking heads after softmax alone; heads last, mixed by a plain matrix product.")
def talking_heads_after(draw: Draw) -> Case:
    x, p = _inputs(draw)
    after = draw(3, 3)

    def fn(x, p, after):
        q, k, v = (y.transpose(0, 2, 1, 3) for y in _heads(x, p))
        w = jax.nn.softmax(jnp.einsum("bqhd,bkhd->bqkh", q, k) / 2, axis=2) @ after
        return jnp.einsum("bqkh,bkhd->bqhd", w, v)

    def reference(note, x, p, after):
        q, k, v = _ref_heads(x, p)
        first = ref.softmax(ref.logits_of(q, k))
        w = note(np.einsum("bhqk,hg->bgqk", first, after), also=[first])
        return ref.mix(w, v).transpose(0, 2, 1, 3)

    return Case(fn, (x, p, after), reference)


@program("Re-attention (DeepViT): mixed after softmax, then normalized with statistics of heads.")
def re_attention(draw: Draw) -> Case:
    x, p = _inputs(draw)
    theta, scale, shift = draw(3, 3), 1 + draw(3, scale=0.1), draw(3, scale=0.1)

    def fn(x, p, theta, scale, shift):
        q, k, v = _heads(x, p)
        w = jnp.einsum("gh,bhqk->bgqk", theta, jax.nn.softmax(q @ k.mT / 2))
        w = w * scale[:, None, None] + shift[:, None, None]
        return w @ v

    def reference(note, x, p, theta, scale, shift):
        q, k, v = _ref_heads(x, p)
        first = ref.softmax(ref.logits_of(q, k))
        w = np.einsum("gh,bhqk->bgqk", theta, first)
        w = w * scale[:, None, None] + shift[:, None, None]
        return ref.mix(note(w, also=[first, np.einsum("gh,bhqk->bgqk", theta, first)]), v)

    return Case(fn, (x, p, theta, scale, shift), reference)


def _differential(note, q, k, v, factor):
    """Two maps and their difference: the difference is the first's other form."""
    q, k = (y.reshape(y.shape[0], -1, 2, *y.shape[2:]) for y in (q, k))
    first, second = (ref.softmax(ref.logits_of(q[:, :, i], k[:, :, i])) for i in (0, 1))
    one = note(first, also=[first - factor * second], family="")
    two = note(second, optional="the difference is one map", also=[factor * second])
    return ref.mix(one - factor * two, v)


@program("Differential transformer: two softmaxes, one subtracted from the other, then values.")
def differential(draw: Draw) -> Case:
    x, v, factor = draw(2, 5, 8), draw.weight(8, 2, 6), np.float32(0.4)
    p = draw.weights("q k", 8, 4, 3)

    def fn(x, p, v, factor):
        q, k = (jnp.einsum("btm,mhd->bhtd", x, p[n]) for n in "qk")
        w = jax.nn.softmax(jnp.einsum("bhqd,bhkd->bhqk", q, k) / np.sqrt(3).astype("f"))
        w = w.reshape(2, 2, 2, 5, 5)
        w = w[:, :, 0] - factor * w[:, :, 1]
        return w @ jnp.einsum("btm,mhd->bhtd", x, v)

    def reference(note, x, p, v, factor):
        q, k = (ref.project(x, p[n]) for n in "qk")
        return _differential(note, q, k, ref.project(x, v), factor)

    return Case(fn, (x, p, v, factor), reference)


@program(
    "Differential transformer with two separate softmaxes, a learned factor and RMS norm after."
)
def differential_separate(draw: Draw) -> Case:
    x, v, learned = draw(2, 5, 8), draw.weight(8, 2, 6), draw(4, 3, scale=0.5)
    p = draw.weights("q k", 8, 4, 3)

    def fn(x, p, v, learned):
        factor = jnp.exp(learned[0] @ learned[1]) - jnp.exp(learned[2] @ learned[3]) + 0.5
        q, k = (jnp.einsum("btm,mhd->bthd", x, p[n]) for n in "qk")
        first, second = (
            jax.nn.softmax(jnp.einsum("bqhd,bkhd->bhqk", q[:, :, i::2], k[:, :, i::2]) * 3**-0.5)
            for i in (0, 1)
        )
        out = (first - factor * second) @ jnp.einsum("btm,mhd->bhtd", x, v)
        return out / jnp.sqrt(jnp.mean(out**2, -1, keepdims=True) + 1e-5) * 0.2

    def reference(note, x, p, v, learned):
        factor = np.exp(learned[0] @ learned[1]) - np.exp(learned[2] @ learned[3]) + 0.5
        q, k = (ref.project(x, p[n]) for n in "qk")
        out = _differential(note, q, k, ref.project(x, v), factor)
        return ref.rms_norm(out, 0.2, eps=1e-5)

    return Case(fn, (x, p, v, learned), reference)


@program("Each of two maps meets the values, and the outputs are subtracted.")
def differential_of_outputs(draw: Draw) -> Case:
    x, p, v = draw(2, 5, 8), draw.weights("q1 k1 q2 k2", 8, 4), draw.weight(8, 6)

    def fn(x, p, v):
        v = x @ v
        outs = [jax.nn.softmax((x @ p["q" + i]) @ (x @ p["k" + i]).mT / 2) @ v for i in "12"]
        return outs[0] - 0.3 * outs[1]

    def reference(note, x, p, v):
        v = (x @ v)[:, None]
        outs = [
            ref.attend(note, (x @ p["q" + i])[:, None], (x @ p["k" + i])[:, None], v)[:, 0]
            for i in "12"
        ]
        return outs[0] - 0.3 * outs[1]

    return Case(fn, (x, p, v), reference)


@program("A head mask (Hugging Face) multiplies the weights after softmax.")
def head_mask(draw: Draw) -> Case:
    x, p = _inputs(draw)
    kept = np.array([1, 0, 1], np.float32)

    def fn(x, p, kept):
        q, k, v = _heads(x, p)
        w = jax.nn.softmax(q @ k.mT / 2)
        w = jnp.einsum("...hqk,h->...hqk", w, kept)
        return jnp.einsum("bhqk,bhkd->bqhd", w, v)

    def reference(note, x, p, kept):
        q, k, v = _ref_heads(x, p)
        w = ref.softmax(ref.logits_of(q, k))
        masked = note(w * kept[:, None, None], also=[w])
        return ref.mix(masked, v).transpose(0, 2, 1, 3)

    return Case(fn, (x, p, kept), reference)


@program("A convex mixture of a content map and a fixed positional map, normalized (ConViT).")
def gated_positional(draw: Draw) -> Case:
    x, p = _inputs(draw)
    position, gate = draw(3, 5, 5), draw(3)

    def fn(x, p, position, gate):
        q, k, v = _heads(x, p)
        g = jax.nn.sigmoid(gate)[:, None, None]
        w = (1 - g) * jax.nn.softmax(q @ k.mT / 2) + g * jax.nn.softmax(position)
        return (w / w.sum(-1, keepdims=True)) @ v

    def reference(note, x, p, position, gate):
        q, k, v = _ref_heads(x, p)
        g = ref.sigmoid(gate)[:, None, None]
        content = ref.softmax(ref.logits_of(q, k))
        w = (1 - g) * content + g * ref.softmax(position)
        return ref.mix(note(w, also=[content]), v)

    return Case(fn, (x, p, position, gate), reference)


@program("The weights of the layer before are added to those of this one (residual attention).")
def residual_of_weights(draw: Draw) -> Case:
    x, first, second = draw(2, 5, 8), draw.weights("q k v", 8, 8), draw.weights("q k v", 8, 8)

    def fn(x, first, second):
        before = 0.0
        for p in (first, second):
            s = (x @ p["q"]) @ (x @ p["k"]).mT * 8**-0.5
            w = 0.5 * (jax.nn.softmax(s) + before)
            before, x = w, x + w @ (x @ p["v"])
        return x

    def reference(note, x, first, second):
        before = 0.0
        for p in (first, second):
            w = ref.softmax(ref.logits_of(*((x @ p[n])[:, None] for n in "qk")))
            before = note(0.5 * (w + before), also=[w])
            x = x + (before @ (x @ p["v"])[:, None])[:, 0]
        return x

    return Case(fn, (x, first, second), reference)


@program("Scores of the layer before are added to those of this one (RealFormer).")
def residual_of_scores(draw: Draw) -> Case:
    x, layers = draw(2, 5, 8), [draw.weights("q k v", 8, 2, 4) for _ in range(2)]

    def fn(x, layers):
        before = jnp.zeros((2, 2, 5, 5))
        for p in layers:
            q, k, v = _heads(x, p)
            before = before + q @ k.mT / 2
            out = jax.nn.softmax(before) @ v
            x = x + out.transpose(0, 2, 1, 3).reshape(x.shape)
        return x

    def reference(note, x, layers):
        before = 0.0
        for p in layers:
            q, k, v = _ref_heads(x, p)
            before = before + ref.logits_of(q, k)
            x = x + ref.merge(ref.mix(note(ref.softmax(before)), v))
        return x

    return Case(fn, (x, layers), reference)


@program("The same weights are applied to two sets of values.")
def weights_used_twice(draw: Draw) -> Case:
    x, p, other = *_inputs(draw), draw(2, 5, 6)

    def fn(x, p, other):
        q, k, v = _heads(x, p)
        w = jax.nn.softmax(q @ k.mT / 2)
        return w @ v, jnp.einsum("bhqk,bkc->bhqc", w, other)

    def reference(note, x, p, other):
        q, k, v = _ref_heads(x, p)
        w = note(ref.softmax(ref.logits_of(q, k)))
        return ref.mix(w, v), ref.mix(w, other[:, None])

    return Case(fn, (x, p, other), reference)


@program("The output is gated by a sigmoid of the input: an attention, but no gate to report.")
def output_gate_beside_attention(draw: Draw) -> Case:
    x, p, gate = *_inputs(draw), draw.weight(8, 12)

    def fn(x, p, gate):
        q, k, v = _heads(x, p)
        out = jnp.einsum("bhqk,bhkd->bqhd", jax.nn.softmax(q @ k.mT / 2), v)
        return out.reshape(2, 5, 12) * jax.nn.sigmoid(x @ gate)

    def reference(note, x, p, gate):
        return ref.merge(ref.attend(note, *_ref_heads(x, p))) * ref.sigmoid(x @ gate)

    return Case(fn, (x, p, gate), reference)


@program("A transformer block whose feed-forward part is gated (SwiGLU) and a vocabulary softmax.")
def block_with_swiglu_and_vocabulary(draw: Draw) -> Case:
    x, p = draw(2, 5, 8), draw.weights("q k v", 8, 2, 4)
    ff = {"gate": draw.weight(8, 12), "up": draw.weight(8, 12), "down": draw.weight(12, 8)}
    vocabulary = draw.weight(8, 11)

    def fn(x, p, ff, vocabulary):
        q, k, v = _heads(x, p)
        w = jax.nn.softmax(jnp.where(jnp.tri(5, dtype=bool), q @ k.mT / 2, -jnp.inf))
        x = x + (w @ v).transpose(0, 2, 1, 3).reshape(2, 5, 8)
        x = x + (jax.nn.silu(x @ ff["gate"]) * (x @ ff["up"])) @ ff["down"]
        return jax.nn.softmax(x @ vocabulary)

    def reference(note, x, p, ff, vocabulary):
        x = x + ref.merge(ref.attend(note, *_ref_heads(x, p), mask=ref.causal(5)))
        gate = x @ ff["gate"]
        x = x + (gate * ref.sigmoid(gate) * (x @ ff["up"])) @ ff["down"]
        return ref.softmax(x @ vocabulary)

    return Case(fn, (x, p, ff, vocabulary), reference)


@program("One matrix for queries, keys and values; heads are mixed behind the softmax.")
def mixed_heads_of_one_matrix(draw: Draw) -> Case:
    def fn(x, w, mixture):
        q, k, v = jnp.split(jnp.einsum("btm,mhd->bhtd", x, w), 3, -1)
        weights = jax.nn.softmax(q @ k.mT / 2)
        return jnp.einsum("bhqk,hg->bgqk", weights, mixture) @ v

    def reference(note, x, w, mixture):
        q, k, v = np.split(ref.project(x, w), 3, -1)
        weights = note(ref.softmax(ref.logits_of(q, k)))
        return ref.mix(np.einsum("bhqk,hg->bgqk", weights, mixture), v)

    return Case(fn, (draw(2, 5, 8), draw.weight(8, 2, 12), draw(2, 2)), reference)
