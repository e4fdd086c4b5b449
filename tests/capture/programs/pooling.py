"""Attention pooling: many tokens into one or a few vectors."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.capture.programs import reference as ref
from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)


def _pool(note, scores, values, **labels):
    """Pools `[batch key feature]` by `[batch query key]`, to `[batch query feature]`."""
    weights = note(ref.softmax(scores)[:, None], "pooling", **labels)
    return ref.mix(weights, values[:, None])[:, 0]


@program("Structured self-attention (Lin et al.): several rows of weights from two matrices.")
def several_rows(draw: Draw) -> Case:
    def fn(x, w1, w2):
        a = jax.nn.softmax(jnp.tanh(x @ w1) @ w2, axis=1)
        return jnp.einsum("btr,btd->brd", a, x)

    def reference(note, x, w1, w2):
        scores = (np.tanh(x @ w1) @ w2).transpose(0, 2, 1)
        a = ref.softmax(scores)
        a = note(a[:, None], "pooling", also=[a[:, :, None]])
        return ref.mix(a, x[:, None])[:, 0]

    return Case(fn, (draw(2, 6, 5), draw.weight(5, 4), draw.weight(4, 3)), reference)


@program("The same with the orthogonality penalty, weights transposed before use.")
def several_rows_with_penalty(draw: Draw) -> Case:
    def fn(x, w1, w2):
        a = jax.nn.softmax(jnp.matmul(jnp.tanh(x @ w1), w2).transpose(0, 2, 1), axis=-1)
        penalty = ((a @ a.transpose(0, 2, 1) - jnp.eye(3)) ** 2).sum()
        return (a @ x).reshape(2, -1), penalty

    def reference(note, x, w1, w2):
        a = ref.softmax((np.tanh(x @ w1) @ w2).transpose(0, 2, 1))
        a = note(a[:, None], "pooling", also=[a[:, :, None]])[:, 0]
        penalty = ((a @ a.transpose(0, 2, 1) - np.eye(3)) ** 2).sum()
        return (a @ x).reshape(2, -1), penalty

    return Case(fn, (draw(2, 6, 5), draw.weight(5, 4), draw.weight(4, 3)), reference)


@program("Hierarchical attention: words to sentences, sentences to a document, context vectors.")
def hierarchical(draw: Draw) -> Case:
    p = {"ww": draw.weight(5, 5), "uw": draw(5), "ws": draw.weight(5, 5), "us": draw(5)}

    def fn(p, x, lengths):
        def pool(x, w, u, mask=None):
            s = jnp.tanh(x @ w) @ u
            s = s if mask is None else jnp.where(mask, s, -jnp.inf)
            return (jax.nn.softmax(s, -1)[..., None] * x).sum(-2)

        words = jnp.arange(x.shape[2]) < lengths[..., None]
        return pool(pool(x, p["ww"], p["uw"], words), p["ws"], p["us"])

    def reference(note, p, x, lengths):
        flat = x.reshape(6, 4, 5)
        scores = np.tanh(flat @ p["ww"]) @ p["uw"]
        scores = np.where(np.arange(4) < lengths.reshape(6, 1), scores, -np.inf)
        sentences = _pool(note, scores[:, None], flat).reshape(2, 3, 5)
        scores = np.tanh(sentences @ p["ws"]) @ p["us"]
        return _pool(note, scores[:, None], sentences)[:, 0]

    lengths = np.array([[4, 2, 3], [1, 4, 2]], np.int32)
    return Case(fn, (p, draw(2, 3, 4, 5), lengths), reference)


@program(
    "A learned query for all examples, scores without any hidden layer, softmax with keepdims."
)
def learned_query(draw: Draw) -> Case:
    def fn(x, query):
        s = jnp.einsum("btd,d->bt", x, query)
        e = jnp.exp(s - s.max(1, keepdims=True))
        return jnp.einsum("bt,btd->bd", e, x) / e.sum(1, keepdims=True)

    def reference(note, x, query):
        return _pool(note, (x @ query)[:, None], x)[:, 0]

    return Case(fn, (draw(2, 6, 5), draw(5)), reference)


@program("Time is the first axis and softmax goes over it.")
def time_first(draw: Draw) -> Case:
    def fn(x, w, v):
        alpha = jax.nn.softmax(jax.nn.relu(x @ w) @ v, axis=0)
        return jnp.sum(alpha * x, axis=0)

    def reference(note, x, w, v):
        x = x.transpose(1, 0, 2)
        return _pool(note, (ref.relu(x @ w) @ v).transpose(0, 2, 1), x)[:, 0]

    return Case(fn, (draw(6, 2, 5), draw.weight(5, 4), draw(4, 1)), reference)


@program("Multiple instances: tanh branch times sigmoid branch, a bag without batch axis.")
def gated_multiple_instance(draw: Draw) -> Case:
    p = draw.weights("v u", 5, 4) | {"w": draw(4, 1)}

    def fn(p, bag):
        a = (jnp.tanh(bag @ p["v"]) * jax.nn.sigmoid(bag @ p["u"])) @ p["w"]
        a = jax.nn.softmax(a.T, axis=1)
        return (a @ bag)[0]

    def reference(note, p, bag):
        a = (np.tanh(bag @ p["v"]) * ref.sigmoid(bag @ p["u"])) @ p["w"]
        return _pool(note, a.T[None], bag[None])[0, 0]

    return Case(fn, (p, draw(7, 5)), reference)


@program("A learned query that is repeated for each example by `tile`, multiplied as a matrix.")
def tiled_query(draw: Draw) -> Case:
    def fn(x, p):
        query = jnp.expand_dims(jnp.tile(p["query"], (x.shape[0], 1)), 1)
        s = jnp.squeeze(query @ jnp.tanh(x @ p["hidden"]).mT, 1)
        return jnp.squeeze(jax.nn.softmax(s)[:, None] @ x, 1)

    def reference(note, x, p):
        return _pool(note, (np.tanh(x @ p["hidden"]) @ p["query"])[:, None], x)[:, 0]

    return Case(fn, (draw(3, 6, 5), {"query": draw(5), "hidden": draw.weight(5, 5)}), reference)


@program("Pooling by multi-head attention with learned seeds (set transformer).")
def learned_seeds(draw: Draw) -> Case:
    p = draw.weights("q k v", 6, 2, 3) | {"o": draw(2, 3, 6, scale=0.4), "seeds": draw(3, 6)}

    def fn(p, x):
        q = jnp.einsum("sm,mhd->shd", p["seeds"], p["q"])
        k, v = (jnp.einsum("btm,mhd->bthd", x, p[n]) for n in "kv")
        a = jax.nn.softmax(jnp.einsum("shd,bthd->bhst", q, k) / jnp.sqrt(3.0))
        return p["seeds"] + jnp.einsum("bhst,bthd,hdm->bsm", a, v, p["o"])

    def reference(note, p, x):
        q = ref.project(np.repeat(p["seeds"][None], 2, 0), p["q"])
        k, v = (ref.project(x, p[n]) for n in "kv")
        out = ref.attend(note, q, k, v, kind="pooling", also_kinds=("cross",))
        return p["seeds"] + ref.unproject(out, p["o"])

    return Case(fn, (p, draw(2, 7, 6)), reference)


@program("A learned class token is the only query; the keys hold it and the patches (CaiT).")
def class_token_query(draw: Draw) -> Case:
    p = draw.weights("q k v", 6, 2, 3) | {"cls": draw(1, 1, 6)}

    def fn(p, x):
        cls = jnp.broadcast_to(p["cls"], (x.shape[0], 1, 6))
        both = jnp.concatenate([cls, x], axis=1)
        q = jnp.einsum("btm,mhd->bhtd", cls, p["q"])
        k, v = (jnp.einsum("btm,mhd->bhtd", both, p[n]) for n in "kv")
        out = jax.nn.softmax(q @ k.mT * 3**-0.5) @ v
        return out.transpose(0, 2, 1, 3).reshape(2, 6)

    def reference(note, p, x):
        cls = np.repeat(p["cls"], 2, 0)
        both = np.concatenate([cls, x], 1)
        q, k, v = ref.project(cls, p["q"]), *(ref.project(both, p[n]) for n in "kv")
        out = ref.attend(note, q, k, v, kind="pooling", also_kinds=("cross", "self"))
        return ref.merge(out)[:, 0]

    return Case(fn, (p, draw(2, 7, 6)), reference)


@program("The mean of the tokens is the query (CLIP's pooling of a grid), with positions added.")
def mean_token_query(draw: Draw) -> Case:
    p = draw.weights("q k v", 6, 6) | {"positions": draw(13, 6, scale=0.3)}

    def fn(p, grid):
        x = grid.reshape(2, 12, 6)
        x = jnp.concatenate([x.mean(1, keepdims=True), x], 1) + p["positions"]
        q, k, v = (
            (y @ p[n]).reshape(2, -1, 2, 3) for y, n in ((x[:, :1], "q"), (x, "k"), (x, "v"))
        )
        w = jax.nn.softmax(jnp.einsum("bqhd,bkhd->bhqk", q, k) / jnp.sqrt(3.0))
        return jnp.einsum("bhqk,bkhd->bqhd", w, v).reshape(2, 6)

    def reference(note, p, grid):
        x = grid.reshape(2, 12, 6)
        x = np.concatenate([x.mean(1, keepdims=True), x], 1) + p["positions"]
        q, k, v = (ref.split(y @ p[n], 2) for y, n in ((x[:, :1], "q"), (x, "k"), (x, "v")))
        out = ref.attend(note, q, k, v, kind="pooling", also_kinds=("cross", "self"))
        return ref.merge(out)[:, 0]

    return Case(fn, (p, draw(2, 3, 4, 6)), reference)


@program("Two-dimensional pooling: softmax over height and width at once.")
def over_two_axes(draw: Draw) -> Case:
    def fn(x, w):
        a = jax.nn.softmax(x @ w, axis=(1, 2))
        return jnp.einsum("bhwo,bhwc->bc", a, x)

    def reference(note, x, w):
        flat = x.reshape(2, 12, 5)
        return _pool(note, (flat @ w).transpose(0, 2, 1), flat)[:, 0]

    return Case(fn, (draw(2, 3, 4, 5), draw(5, 1)), reference)


@program("Two-dimensional pooling, channels first, several maps as heads on slices of channels.")
def over_two_axes_with_heads(draw: Draw) -> Case:
    def fn(x, w):
        b, c, h, width = x.shape
        s = jnp.einsum("bchw,cm->bmhw", x, w).reshape(b, 2, h * width)
        a = jax.nn.softmax(s, -1).reshape(b, 2, h, width)
        return jnp.einsum("bmhw,bmchw->bmc", a, x.reshape(b, 2, c // 2, h, width)).reshape(b, c)

    def reference(note, x, w):
        flat = x.reshape(2, 6, 12)
        a = note(ref.softmax(np.einsum("bct,cm->bmt", flat, w))[:, :, None], "pooling")
        return np.einsum("bmqt,bmct->bmc", a, flat.reshape(2, 2, 3, 12)).reshape(2, 6)

    return Case(fn, (draw(2, 6, 3, 4), draw.weight(6, 2)), reference)


@program("Attentive statistics: a weight for each channel; mean and deviation under them.")
def attentive_statistics(draw: Draw) -> Case:
    def fn(x, w1, w2):
        a = jax.nn.softmax(jnp.tanh(x @ w1) @ w2, axis=1)
        mean = (a * x).sum(1)
        return mean, jnp.sqrt(jnp.maximum((a * x**2).sum(1) - mean**2, 1e-9))

    def reference(note, x, w1, w2):
        a = ref.softmax((np.tanh(x @ w1) @ w2).transpose(0, 2, 1))[:, :, None]
        a = note(a, "pooling")[:, :, 0].transpose(0, 2, 1)
        mean = (a * x).sum(1)
        return mean, np.sqrt(np.maximum((a * x**2).sum(1) - mean**2, 1e-9))

    return Case(fn, (draw(2, 6, 5), draw.weight(5, 4), draw.weight(4, 5)), reference)


@program("Weights of pooling over the outputs of layers (ELMo): softmax of learned scalars.")
def over_layers(draw: Draw) -> Case:
    def fn(layers, scalars, gamma):
        return gamma * jnp.tensordot(jax.nn.softmax(scalars), layers, axes=1)

    def reference(note, layers, scalars, gamma):
        reason = "learned scalars, the same for every input"
        w = note(ref.softmax(scalars)[None, None, None], "pooling", optional=reason)
        return gamma * np.einsum("l,lbtd->btd", w[0, 0, 0], layers)

    return Case(fn, (draw(3, 2, 4, 5), draw(3), np.float32(1.5)), reference)


@program("Double attention (A2-Nets): features gathered over positions, then given back.")
def gather_and_distribute(draw: Draw) -> Case:
    p = draw.weights("a b c", 6, 4)

    def fn(p, x):
        flat = x.reshape(2, 12, 6)
        gathered = jnp.einsum("btm,btn->bmn", flat @ p["a"], jax.nn.softmax(flat @ p["b"], axis=1))
        return jnp.einsum("bmn,btn->btm", gathered, jax.nn.softmax(flat @ p["c"], axis=2))

    def reference(note, p, x):
        reason = "linear attention may be said instead"
        flat = x.reshape(2, 12, 6)
        a = ref.softmax((flat @ p["b"]).transpose(0, 2, 1))[:, None]
        a = note(a, "pooling", optional=reason, also_kinds=("cross",))
        gathered = ref.mix(a, (flat @ p["a"])[:, None])
        back = ref.softmax(flat @ p["c"])[:, None]
        back = note(back, "cross", optional=reason, also_kinds=("pooling", "router", "self"))
        return ref.mix(back, gathered)[:, 0]

    return Case(fn, (p, draw(2, 3, 4, 6)), reference, sentence="linear attention")


@program("Global context: one map over positions pools, and the result is added everywhere.")
def global_context(draw: Draw) -> Case:
    def fn(x, w, down, up):
        b, h, width, c = x.shape
        flat = x.reshape(b, h * width, c)
        context = jnp.einsum("btc,bto->bc", flat, jax.nn.softmax(flat @ w, axis=1))
        return x + (jax.nn.relu(context @ down) @ up)[:, None, None]

    def reference(note, x, w, down, up):
        flat = x.reshape(2, 12, 6)
        context = _pool(note, (flat @ w).transpose(0, 2, 1), flat)[:, 0]
        return x + (ref.relu(context @ down) @ up)[:, None, None]

    args = draw(2, 3, 4, 6), draw(6, 1), draw.weight(6, 3), draw.weight(3, 6)
    return Case(fn, args, reference)


@program("lax.map over examples of a pooling with lengths.")
def map_over_examples(draw: Draw) -> Case:
    def fn(x, lengths, u):
        def single(args):
            x, n = args
            s = jnp.where(jnp.arange(6) < n, jnp.tanh(x) @ u, -1e9)
            return jax.nn.softmax(s) @ x

        return lax.map(single, (x, lengths))

    def reference(note, x, lengths, u):
        s = np.where(np.arange(6) < lengths[:, None], np.tanh(x) @ u, -np.inf)
        return _pool(note, s[:, None], x)[:, 0]

    return Case(fn, (draw(3, 6, 5), np.array([6, 3, 4], np.int32), draw(5)), reference)
