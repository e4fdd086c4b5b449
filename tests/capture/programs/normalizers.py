"""Weights over keys that no exponential normalizes, or that are worked on before they are used."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.capture.programs import reference as ref
from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)


def _inputs(draw, length=5):
    return draw(2, length, 8), draw.weights("q k v", 8, 2, 4)


def _heads(x, p):
    return tuple(jnp.einsum("btm,mhd->bhtd", x, p[n]) for n in "qkv")


def _ref_heads(x, p):
    return tuple(ref.project(x, p[n]) for n in "qkv")


def _ref_sparsemax(logits: np.ndarray) -> np.ndarray:
    """Projection of one row at a time on the simplex, by search over the size of the support."""
    weights = np.zeros_like(logits)
    for index in np.ndindex(logits.shape[:-1]):
        z = np.sort(logits[index])[::-1]
        support = max(n for n in range(1, len(z) + 1) if 1 + n * z[n - 1] > z[:n].sum())
        weights[index] = np.maximum(logits[index] - (z[:support].sum() - 1) / support, 0)
    return weights


def _ref_entmax15(logits: np.ndarray) -> np.ndarray:
    """Entmax with exponent 1.5; the threshold by bisection to the end of double precision."""
    half = logits / 2
    low, high = half.max(-1, keepdims=True) - 1, half.max(-1, keepdims=True)
    for _ in range(200):
        middle = (low + high) / 2
        more = (ref.relu(half - middle) ** 2).sum(-1, keepdims=True) >= 1
        low, high = np.where(more, middle, low), np.where(more, high, middle)
    weights = ref.relu(half - low) ** 2
    return weights / weights.sum(-1, keepdims=True)


@program("Sparsemax by sorting (Martins and Astudillo).")
def sparsemax_by_sorting(draw: Draw) -> Case:
    def sparsemax(z):
        ordered = -jnp.sort(-z, axis=-1)
        ranks = jnp.arange(1, z.shape[-1] + 1)
        cumulative = jnp.cumsum(ordered, axis=-1)
        size = jnp.sum(1 + ranks * ordered > cumulative, axis=-1, keepdims=True)
        tau = (jnp.take_along_axis(cumulative, size - 1, axis=-1) - 1) / size
        return jnp.maximum(z - tau, 0)

    def fn(x, p):
        q, k, v = _heads(x, p)
        return sparsemax(q @ k.mT / 2) @ v

    def reference(note, x, p):
        q, k, v = _ref_heads(x, p)
        return ref.mix(note(_ref_sparsemax(ref.logits_of(q, k))), v)

    return Case(fn, _inputs(draw), reference)


@program("Sparsemax by bisection in a while loop, on additive scores, over an axis in the middle.")
def sparsemax_by_bisection(draw: Draw) -> Case:
    x, y, w, u = draw(2, 3, 6), draw(2, 5, 6), draw.weight(6, 6), draw(6)

    def fn(x, y, w, u):
        s = jnp.tanh((x @ w)[:, None] + y[:, :, None]) @ u
        top = s.max(1, keepdims=True)

        def halve(state):
            i, low, high = state
            middle = (low + high) / 2
            more = jnp.maximum(s - middle, 0).sum(1, keepdims=True) >= 1
            return i + 1, jnp.where(more, middle, low), jnp.where(more, high, middle)

        _, tau, _ = lax.while_loop(lambda state: state[0] < 30, halve, (0, top - 1, top))
        return jnp.einsum("bkq,bkd->bqd", jax.nn.relu(s - tau), y)

    def reference(note, x, y, w, u):
        s = np.tanh((x @ w)[:, :, None] + y[:, None]) @ u
        return ref.mix(note(_ref_sparsemax(s)[:, None], "cross"), y[:, None])[:, 0]

    return Case(fn, (x, y, w, u), reference)


@program("Entmax with exponent 1.5 by bisection in a fori loop, normalized at the end.")
def entmax_by_bisection(draw: Draw) -> Case:
    def entmax15(z, iterations=25):
        z = z / 2
        top = z.max(-1, keepdims=True)

        def halve(_, ends):
            low, high = ends
            middle = (low + high) / 2
            enough = jnp.sum(jnp.square(jax.nn.relu(z - middle)), -1, keepdims=True) < 1
            return jnp.where(enough, low, middle), jnp.where(enough, middle, high)

        tau, _ = lax.fori_loop(0, iterations, halve, (top - 1, top))
        weights = jnp.square(jax.nn.relu(z - tau))
        return weights / weights.sum(-1, keepdims=True)

    def fn(x, p):
        q, k, v = _heads(x, p)
        return entmax15(q @ k.mT / 2) @ v

    def reference(note, x, p):
        q, k, v = _ref_heads(x, p)
        return ref.mix(note(_ref_entmax15(ref.logits_of(q, k))), v)

    return Case(fn, _inputs(draw), reference)


@program("Entmax with exponent 1.5 by sorting, without a loop.")
def entmax_by_sorting(draw: Draw) -> Case:
    def entmax15(z):
        z = (z - z.max(-1, keepdims=True)) / 2
        ordered = jnp.flip(jnp.sort(z, axis=-1), axis=-1)
        rho = jnp.arange(1, z.shape[-1] + 1)
        mean, square = (jnp.cumsum(y, -1) / rho for y in (ordered, ordered**2))
        delta = jnp.maximum((1 - rho * (square - mean**2)) / rho, 0)
        tau = mean - jnp.sqrt(delta)
        size = jnp.sum(tau <= ordered, axis=-1, keepdims=True)
        return jnp.maximum(z - jnp.take_along_axis(tau, size - 1, -1), 0) ** 2

    def fn(x, p):
        q, k, v = _heads(x, p)
        return entmax15(q @ k.mT / 2) @ v

    def reference(note, x, p):
        q, k, v = _ref_heads(x, p)
        return ref.mix(note(_ref_entmax15(ref.logits_of(q, k))), v)

    return Case(fn, _inputs(draw), reference)


def _slot_weights(logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Softmax over queries, before and after it is normalized over keys."""
    shared = ref.softmax(logits, axis=-2)
    return (shared + 1e-8) / (shared + 1e-8).sum(-1, keepdims=True), shared


@program("Slot attention: softmax over the slots, then a mean over the inputs; one step.")
def slots_one_step(draw: Draw) -> Case:
    slots, x, p = draw(2, 3, 6), draw(2, 7, 6), draw.weights("q k v", 6, 4)

    def fn(slots, x, p):
        q, k, v = slots @ p["q"], x @ p["k"], x @ p["v"]
        attn = jax.nn.softmax(jnp.einsum("bnd,bsd->bns", k, q) / 2, axis=-1) + 1e-8
        attn = attn / attn.sum(axis=1, keepdims=True)
        return jnp.einsum("bns,bnd->bsd", attn, v)

    def reference(note, slots, x, p):
        q, k, v = ((y @ p[n])[:, None] for y, n in ((slots, "q"), (x, "k"), (x, "v")))
        weights, shared = _slot_weights(ref.logits_of(q, k))
        return ref.mix(note(weights, "cross", also=[shared]), v)[:, 0]

    return Case(fn, (slots, x, p), reference)


@program("Slot attention: three steps in a fori loop, with a gated update (a GRU cell).")
def slots_iterated(draw: Draw) -> Case:
    slots, x, p = draw(2, 3, 4), draw(2, 6, 4), draw.weights("q k v", 4, 4)
    gru = draw.weights("wz wr wn uz ur un", 4, 4)

    def norm(y):
        y = y - y.mean(-1, keepdims=True)
        return y * lax.rsqrt(jnp.mean(y * y, -1, keepdims=True) + 1e-6)

    def fn(slots, x, p, gru):
        k, v = norm(x) @ p["k"], norm(x) @ p["v"]

        def step(_, slots):
            logits = jnp.einsum("bsd,bnd->bsn", norm(slots) @ p["q"], k) * 0.5
            attn = jax.nn.softmax(logits, axis=1) + 1e-8
            update = jnp.einsum("bsn,bnd->bsd", attn / attn.sum(-1, keepdims=True), v)
            z = jax.nn.sigmoid(update @ gru["wz"] + slots @ gru["uz"])
            r = jax.nn.sigmoid(update @ gru["wr"] + slots @ gru["ur"])
            n = jnp.tanh(update @ gru["wn"] + r * (slots @ gru["un"]))
            return (1 - z) * n + z * slots

        return lax.fori_loop(0, 3, step, slots)

    def reference(note, slots, x, p, gru):
        k, v = ((ref.layer_norm(x) @ p[n])[:, None] for n in "kv")
        for step in range(3):
            q = (ref.layer_norm(slots) @ p["q"])[:, None]
            weights, shared = _slot_weights(ref.logits_of(q, k))
            update = ref.mix(note(weights, "cross", also=[shared], step=step), v)[:, 0]
            z = ref.sigmoid(update @ gru["wz"] + slots @ gru["uz"])
            r = ref.sigmoid(update @ gru["wr"] + slots @ gru["ur"])
            slots = (1 - z) * np.tanh(update @ gru["wn"] + r * (slots @ gru["un"])) + z * slots
        return slots

    return Case(fn, (slots, x, p, gru), reference)


@program("Vector attention (point transformer): a weight for each channel, normalized over keys.")
def weights_per_channel(draw: Draw) -> Case:
    x, p, w = draw(2, 5, 6), draw.weights("q k v", 6, 3), draw.weight(3, 3)

    def fn(x, p, w):
        q, k, v = (x @ p[n] for n in "qkv")
        relation = jax.nn.relu(q[:, :, None] - k[:, None]) @ w
        return jnp.einsum("bijc,bjc->bic", jax.nn.softmax(relation, axis=2), v)

    def reference(note, x, p, w):
        q, k, v = (x @ p[n] for n in "qkv")
        s = ref.relu(q[:, :, None] - k[:, None]) @ w
        weights = note(ref.softmax(s.transpose(0, 3, 1, 2)))
        return np.einsum("bcij,bjc->bic", weights, v)

    return Case(fn, (x, p, w), reference)


@program("Attention-free transformer: exp(position + key) per channel, normalized over keys.")
def attention_free_transformer(draw: Draw) -> Case:
    x, p, position = draw(2, 5, 6), draw.weights("q k v", 6, 3), draw(5, 5)

    def fn(x, p, position):
        q, k, v = (x @ p[n] for n in "qkv")
        e = jnp.where(jnp.tri(5)[..., None] > 0, jnp.exp(position[..., None] + k[:, None]), 0)
        return jax.nn.sigmoid(q) * ((e * v[:, None]).sum(2) / e.sum(2))

    def reference(note, x, p, position):
        q, k, v = (x @ p[n] for n in "qkv")
        s = np.where(ref.causal(5), position + k.transpose(0, 2, 1)[:, :, None], -np.inf)
        weights = note(ref.softmax(s), "self", also_kinds=("pooling",))
        return ref.sigmoid(q) * np.einsum("bcij,bjc->bic", weights, v)

    return Case(fn, (x, p, position), reference)


@program("Sigmoid attention with the bias minus log n; no row sums to one.")
def sigmoid_attention(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = _heads(x, p)
        return jax.nn.sigmoid(q @ k.mT / 2 - jnp.log(x.shape[1])) @ v

    def reference(note, x, p):
        q, k, v = _ref_heads(x, p)
        return ref.mix(note(ref.sigmoid(ref.logits_of(q, k) - np.log(5))), v)

    return Case(fn, _inputs(draw), reference)


@program(
    "Sigmoid attention by tanh, causal by where after the sigmoid, one head without head axis."
)
def sigmoid_attention_by_tanh(draw: Draw) -> Case:
    x, p = draw(2, 6, 8), draw.weights("q k v", 8, 4)

    def fn(x, p):
        s = jnp.einsum("btd,bsd->bts", x @ p["q"], x @ p["k"]) * 0.5 - 1.0
        w = jnp.where(jnp.tri(6, dtype=bool), 0.5 * (jnp.tanh(s / 2) + 1), 0)
        return jnp.einsum("bts,bsd->btd", w, x @ p["v"])

    def reference(note, x, p):
        q, k, v = ((x @ p[n])[:, None] for n in "qkv")
        weights = ref.sigmoid(ref.logits_of(q, k) - 1.0) * ref.causal(6)
        return ref.mix(note(weights), v)[:, 0]

    return Case(fn, (x, p), reference)


@program("Scores are squashed by ReLU and divided by the length of the sequence.")
def relu_over_length(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = _heads(x, p)
        return (jax.nn.relu(q @ k.mT / 2) / x.shape[1]) @ v

    def reference(note, x, p):
        q, k, v = _ref_heads(x, p)
        weights = ref.relu(ref.logits_of(q, k)) / 5
        return ref.mix(note(weights, optional="not normalized over keys, may be said"), v)

    return Case(fn, _inputs(draw), reference)


@program("Scores are squared and divided by their sum.")
def squares_over_their_sum(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = _heads(x, p)
        s = (q @ k.mT) ** 2
        return (s / s.sum(-1, keepdims=True)) @ v

    def reference(note, x, p):
        q, k, v = _ref_heads(x, p)
        s = ref.logits_of(q, k) ** 2
        return ref.mix(note(s / s.sum(-1, keepdims=True)), v)

    return Case(fn, _inputs(draw), reference)


@program("Softplus of scores over their sum, written with jnp.linalg.norm of order one.")
def softplus_over_norm(draw: Draw) -> Case:
    x, y, p = draw(2, 3, 8), draw(2, 6, 8), draw.weights("q k v", 8, 4)

    def fn(x, y, p):
        s = jax.nn.softplus((x @ p["q"]) @ (y @ p["k"]).mT)
        s = s / jnp.linalg.norm(s, ord=1, axis=-1, keepdims=True)
        return s @ (y @ p["v"])

    def reference(note, x, y, p):
        s = np.log1p(np.exp((x @ p["q"]) @ (y @ p["k"]).transpose(0, 2, 1)))[:, None]
        return ref.mix(note(s / s.sum(-1, keepdims=True), "cross"), (y @ p["v"])[:, None])[:, 0]

    return Case(fn, (x, y, p), reference)


@program("Sinkhorn attention: rows and columns are normalized in turn, five times, unrolled.")
def sinkhorn_attention(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = _heads(x, p)
        s = q @ k.mT / 2
        for _ in range(3):
            s = s - jax.nn.logsumexp(s, axis=-2, keepdims=True)
            s = s - jax.nn.logsumexp(s, axis=-1, keepdims=True)
        return jnp.exp(s) @ v

    def reference(note, x, p):
        q, k, v = _ref_heads(x, p)
        w = np.exp(ref.logits_of(q, k))
        for _ in range(3):
            w = w / w.sum(-2, keepdims=True)
            w = w / w.sum(-1, keepdims=True)
        return ref.mix(note(w), v)

    return Case(fn, _inputs(draw), reference)


@program("Weights are sharpened by a power and normalized again (as neural Turing machines do).")
def sharpened(draw: Draw) -> Case:
    query, memory, gamma = draw(2, 5), draw(2, 6, 5), np.array([[1.5], [3.0]], np.float32)

    def fn(query, memory, gamma):
        similarity = jnp.einsum("bd,bnd->bn", query, memory)
        similarity /= jnp.linalg.norm(query, axis=-1)[:, None] * jnp.linalg.norm(memory, axis=-1)
        w = jax.nn.softmax(4.0 * similarity) ** gamma
        w = w / w.sum(-1, keepdims=True)
        return jnp.einsum("bn,bnd->bd", w, memory)

    def reference(note, query, memory, gamma):
        norms = np.sqrt((query**2).sum(-1)[:, None] * (memory**2).sum(-1))
        similarity = np.einsum("bd,bnd->bn", query, memory) / norms
        w = ref.softmax(4 * gamma * similarity)[:, None, None]
        first = ref.softmax(4 * similarity)[:, None, None]
        w = note(w, "cross", also=[first], also_kinds=("pooling",))
        return ref.mix(w, memory[:, None])[:, 0, 0]

    return Case(fn, (query, memory, gamma), reference)
