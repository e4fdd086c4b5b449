"""Items, columns, words and sounds: attention of models that recommend, classify and listen."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.capture.programs import reference as ref
from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)


@program("Deep interest network: a network of target, item, difference and product; softmax.")
def target_item(draw: Draw) -> Case:
    p = {
        "items": draw(15, 4),
        "w1": draw.weight(16, 6),
        "w2": draw.weight(6, 1),
        "a": np.float32(0.25),
    }

    def fn(p, history, length, target):
        keys, query = p["items"][history], p["items"][target]
        queries = jnp.tile(query[:, None], (1, history.shape[1], 1))
        both = jnp.concatenate([queries, keys, queries - keys, queries * keys], axis=-1)
        hidden = both @ p["w1"]
        hidden = jnp.where(hidden > 0, hidden, p["a"] * hidden)
        scores = (hidden @ p["w2"]).reshape(-1, 1, history.shape[1])
        mask = jnp.arange(history.shape[1])[None, None] < length[:, None, None]
        scores = jnp.where(mask, scores, jnp.ones_like(scores) * (-(2.0**32) + 1)) / 4**0.5
        interest = jnp.matmul(jax.nn.softmax(scores), keys)[:, 0]
        return jax.nn.sigmoid(jnp.sum(interest * query, -1)), interest

    def reference(note, p, history, length, target):
        keys, query = p["items"][history], p["items"][target]
        queries = np.repeat(query[:, None], 6, 1)
        hidden = np.concatenate([queries, keys, queries - keys, queries * keys], -1) @ p["w1"]
        scores = (np.where(hidden > 0, hidden, p["a"] * hidden) @ p["w2"])[..., 0] / 2
        scores = np.where(np.arange(6) < length[:, None], scores, -np.inf)
        w = note(ref.softmax(scores)[:, None, None], "cross", also_kinds=("pooling",))
        interest = ref.mix(w, keys[:, None])[:, 0, 0]
        return ref.sigmoid((interest * query).sum(-1)), interest

    args = (p, draw.integers(15, 2, 6), np.array([6, 4], np.int32), draw.integers(15, 2))
    return Case(fn, args, reference)


@program("SASRec in training: causal, padding items zeroed again and again, dropout on.")
def sequential_items(draw: Draw) -> Case:
    layers = [draw.weights("q k v", 6, 6) for _ in range(2)]
    p = {"items": draw(15, 6), "positions": draw(6, 6), "layers": layers}
    keep = 0.8

    def masks(key):
        return [jax.random.bernoulli(k, keep, (2, 2, 6, 6)) for k in jax.random.split(key)]

    def fn(p, items, key):
        x = p["items"][items] * 6**0.5 + p["positions"]
        shown = (items != 0)[..., None]
        x = x * shown
        for layer, kept in zip(p["layers"], masks(key), strict=True):
            y = (x - x.mean(-1, keepdims=True)) / jnp.sqrt(x.var(-1, keepdims=True) + 1e-6)
            q, k, v = (
                (z @ layer[n]).reshape(2, 6, 2, 3) for z, n in ((y, "q"), (x, "k"), (x, "v"))
            )
            s = jnp.einsum("bthd,bshd->bhts", q, k) / jnp.sqrt(3)
            s = s + jnp.triu(jnp.full((6, 6), -1e9), k=1)
            w = jax.nn.softmax(s)
            w = lax.select(kept, w / keep, jnp.zeros_like(w))
            x = (y + jnp.einsum("bhts,bshd->bthd", w, v).reshape(2, 6, 6)) * shown
        return x @ p["items"].T

    def reference(note, p, items, key):
        shown = (items != 0)[..., None]
        x = (p["items"][items] * 6**0.5 + p["positions"]) * shown
        for layer, kept in zip(p["layers"], masks(key), strict=True):
            y = ref.layer_norm(x)
            q, k, v = (ref.split(z @ layer[n], 2) for z, n in ((y, "q"), (x, "k"), (x, "v")))
            before = ref.softmax(np.where(ref.causal(6), ref.logits_of(q, k), -np.inf))
            w = note(before * np.asarray(kept) / keep, also=[before], also_kinds=("cross",))
            x = (y + ref.merge(ref.mix(w, v))) * shown
        return x @ p["items"].T

    items = np.array([[3, 8, 2, 14, 5, 5], [0, 0, 9, 1, 7, 2]], np.int32)
    case = Case(fn, (p, items, jax.random.key(3)), reference)
    return Case(fn, case.args, reference, unused="padding and what dropout took")


@program("TabTransformer: columns are tokens, one row at a time under vmap, softmax(where=).")
def table_columns(draw: Draw) -> Case:
    p = {"tables": draw(4, 5, 6), "columns": draw(4, 6)} | draw.weights("q k v o", 6, 6)
    p |= {"head": draw.weight(27, 2)}

    def fn(p, categories, present, numbers):
        def row(categories, present, numbers):
            x = jax.vmap(lambda table, i: table[i])(p["tables"], categories) + p["columns"]
            q, k, v = ((x @ p[n]).reshape(4, 2, 3).swapaxes(0, 1) for n in "qkv")
            w = jax.nn.softmax(q @ k.mT * 3**-0.5, axis=-1, where=present[None, None, :])
            x = x + (w @ v).swapaxes(0, 1).reshape(4, 6) @ p["o"]
            numbers = (numbers - numbers.mean()) / (numbers.std() + 1e-5)
            return jnp.concatenate([x.reshape(-1), numbers]) @ p["head"]

        return jax.vmap(row)(categories, present, numbers)

    def reference(note, p, categories, present, numbers):
        x = p["tables"][np.arange(4), categories] + p["columns"]
        q, k, v = (ref.split(x @ p[n], 2) for n in "qkv")
        x = x + ref.merge(ref.attend(note, q, k, v, mask=present[:, None, None])) @ p["o"]
        numbers = (numbers - numbers.mean(-1, keepdims=True)) / (
            numbers.std(-1, keepdims=True) + 1e-5
        )
        return np.concatenate([x.reshape(3, -1), numbers], -1) @ p["head"]

    present = np.array([[1, 1, 1, 1], [1, 0, 1, 1], [0, 1, 1, 0]], bool)
    args = (p, draw.integers(5, 3, 4), present, draw(3, 3))
    return Case(fn, args, reference, unused="columns that are not present")


@program("Fastformer: two additive poolings one after the other, element-wise products.")
def additive_pooling(draw: Draw) -> Case:
    p = draw.weights("q k v", 6, 6) | draw.weights("wq wk", 6, 2) | {"o": draw.weight(3, 3)}

    def fn(p, x, mask):
        def heads(y):
            return y.reshape(2, 5, 2, 3).transpose(0, 2, 1, 3)

        q, k, v = (x @ p[n] for n in "qkv")
        a = (q @ p["wq"]).transpose(0, 2, 1) / 3**0.5 + (1.0 - mask[:, None]) * -10000.0
        a = jax.nn.softmax(a, axis=-1)
        pooled = jnp.matmul(a[:, :, None], heads(q))
        mixed = heads(k) * pooled
        b = mixed.transpose(0, 2, 1, 3).reshape(2, 5, 6) @ p["wk"]
        b = jax.nn.softmax(b.transpose(0, 2, 1) / 3**0.5 + (1.0 - mask[:, None]) * -10000.0, -1)
        pooled = jnp.matmul(b[:, :, None], mixed)
        return (pooled * heads(v)) @ p["o"] + heads(q)

    def reference(note, p, x, mask):
        q, k, v = (x @ p[n] for n in "qkv")
        bias = np.where(mask > 0, 0, -np.inf)[:, None]
        a = ref.softmax((q @ p["wq"]).swapaxes(1, 2) / 3**0.5 + bias)
        pooled = ref.mix(note(a[:, :, None], "pooling"), ref.split(q, 2))
        mixed = ref.split(k, 2) * pooled
        b = ref.softmax((ref.merge(mixed) @ p["wk"]).swapaxes(1, 2) / 3**0.5 + bias)
        pooled = ref.mix(note(b[:, :, None], "pooling"), mixed)
        return (pooled * ref.split(v, 2)) @ p["o"] + ref.split(q, 2)

    mask = np.array([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]], np.float32)
    return Case(fn, (p, draw(2, 5, 6), mask), reference, unused="padding")


@program("Conformer: relative positions by a shift, then gated convolution; GLU is no attention.")
def conformer(draw: Draw) -> Case:
    p = draw.weights("q k v pos", 6, 2, 3) | {"u": draw(2, 3), "vb": draw(2, 3)}
    p |= {
        "o": draw.weight(6, 6),
        "glu": draw.weight(6, 12),
        "depth": draw(3, 1, 6),
        "out": draw.weight(6, 6),
    }
    t = 5
    angles = np.arange(t - 1, -t, -1)[:, None] / 50 ** (np.arange(3) / 3)
    table = np.concatenate([np.sin(angles), np.cos(angles)], -1).astype(np.float32)

    def fn(p, x):
        q, k, v = (jnp.einsum("btm,mhd->bthd", x, p[n]) for n in "qkv")
        r = jnp.einsum("rm,mhd->rhd", table, p["pos"])
        ac = jnp.einsum("bthd,bshd->bhts", q + p["u"], k)
        bd = jnp.einsum("bthd,rhd->bhtr", q + p["vb"], r)
        bd = jnp.pad(bd, ((0, 0), (0, 0), (0, 0), (1, 0))).reshape(2, 2, 2 * t, t)
        bd = bd[:, :, 1:].reshape(2, 2, t, 2 * t - 1)[..., :t]
        w = jax.nn.softmax((ac + bd) / np.sqrt(3), axis=-1)
        x = x + jnp.einsum("bhts,bshd->bthd", w, v).reshape(2, t, 6) @ p["o"]
        a, b = jnp.split(x @ p["glu"], 2, axis=-1)
        y = lax.conv_general_dilated(
            a * jax.nn.sigmoid(b), p["depth"], (1,), "SAME",
            dimension_numbers=("NWC", "WIO", "NWC"), feature_group_count=6,
        )  # fmt: skip
        return x + jax.nn.swish(y) @ p["out"]

    def reference(note, p, x):
        q, k, v = (ref.project(x, p[n]) for n in "qkv")
        r = ref.project(table[None], p["pos"])[0]
        far = np.arange(t)[:, None] - np.arange(t)[None, :]
        positions = np.einsum("bhqd,hrd->bhqr", q + p["vb"][:, None], r)
        bias = np.take_along_axis(positions, np.broadcast_to(t - 1 - far, (2, 2, t, t)), -1)
        bias = bias + np.einsum("hd,bhkd->bhk", p["u"], k)[:, :, None]
        x = x + ref.merge(ref.attend(note, q, k, v, bias=bias * 3**-0.5)) @ p["o"]
        a, b = np.split(x @ p["glu"], 2, axis=-1)
        y = np.pad(a * ref.sigmoid(b), ((0, 0), (1, 1), (0, 0)))
        y = np.sum([y[:, i : i + t] * p["depth"][i, 0] for i in range(3)], axis=0)
        return x + (y * ref.sigmoid(y)) @ p["out"]

    return Case(fn, (p, draw(2, t, 6)), reference)


@program("wav2vec 2: strided convolutions of a wave, grouped convolution as position, one layer.")
def sound_frames(draw: Draw) -> Case:
    p = {
        "first": draw(4, 1, 6, scale=0.5),
        "second": draw(3, 6, 6, scale=0.25),
        "place": draw(3, 3, 6, scale=0.4),
    }
    p |= draw.weights("q k v o", 6, 6) | {"bq": draw(6), "bk": draw(6)}

    def conv(x, w, stride, padding, groups=1):
        return lax.conv_general_dilated(
            x,
            w,
            (stride,),
            padding,
            dimension_numbers=("NWC", "WIO", "NWC"),
            feature_group_count=groups,
        )

    def fn(p, wave, lengths):
        x = jax.nn.gelu(conv(wave[..., None], p["first"], 2, "VALID"))
        x = jax.nn.gelu(conv(x, p["second"], 2, "VALID"))
        x = x + jax.nn.gelu(conv(x, p["place"], 1, "SAME", 2))
        frames = ((lengths - 4) // 2 + 1 - 3) // 2 + 1
        valid = jnp.arange(x.shape[1])[None] < frames[:, None]
        q = ((x @ p["q"] + p["bq"]) * 3**-0.5).reshape(2, -1, 2, 3)
        k, v = (x @ p["k"] + p["bk"]).reshape(2, -1, 2, 3), (x @ p["v"]).reshape(2, -1, 2, 3)
        bias = jnp.where(valid[:, None, None], 0.0, jnp.finfo(jnp.float32).min)
        w = jax.nn.softmax(jnp.einsum("bqhd,bkhd->bhqk", q, k) + bias)
        return x + jnp.einsum("bhqk,bkhd->bqhd", w, v).reshape(x.shape) @ p["o"]

    def reference(note, p, wave, lengths):
        def slide(x, w, stride):
            end = (x.shape[1] - len(w)) // stride * stride + 1
            return np.sum([x[:, i : i + end : stride] @ w[i] for i in range(len(w))], axis=0)

        x = ref.gelu(slide(wave[..., None], p["first"], 2))
        x = ref.gelu(slide(x, p["second"], 2))
        padded = np.pad(x, ((0, 0), (1, 1), (0, 0)))
        parts = (slide(padded[..., s], p["place"][..., s], 1) for s in (slice(0, 3), slice(3, 6)))
        x = x + ref.gelu(np.concatenate(list(parts), -1))
        frames = ((lengths - 4) // 2 + 1 - 3) // 2 + 1
        valid = np.arange(x.shape[1])[None] < frames[:, None]
        q, k, v = x @ p["q"] + p["bq"], x @ p["k"] + p["bk"], x @ p["v"]
        q, k, v = (ref.split(y, 2) for y in (q, k, v))
        return x + ref.merge(ref.attend(note, q, k, v, mask=valid[:, None, None])) @ p["o"]

    args = (p, draw(2, 26), np.array([26, 18], np.int32))
    return Case(fn, args, reference, unused="frames of padding")


@program("Temporal fusion: softmax over variables weights their own networks; gates beside it.")
def variable_selection(draw: Draw) -> Case:
    p = {"embed": draw(4, 5, scale=1.0), "own": draw(4, 5, 5, scale=0.5), "w": draw.weight(20, 4)}
    p |= {"glu": draw.weight(5, 10)}

    def fn(p, numbers):
        x = numbers[..., None] * p["embed"]
        s = x.reshape(*x.shape[:2], -1) @ p["w"]
        weights = jax.nn.softmax(s, axis=-1)[..., None]
        own = jax.nn.elu(jnp.einsum("btvf,vfg->btvg", x, p["own"]))
        y = jnp.sum(weights * own, axis=-2)
        a, b = jnp.split(y @ p["glu"], 2, -1)
        return y + a * jax.nn.sigmoid(b)

    def reference(note, p, numbers):
        x = numbers[..., None] * p["embed"]
        w = ref.softmax(x.reshape(2, 3, -1) @ p["w"])
        forms = [w[:, None], w[:, :, None]]
        kinds = ("router", "self", "cross")
        w = note(w.reshape(6, 1, 1, 4), "pooling", also=forms, also_kinds=kinds).reshape(2, 3, 4)
        own = np.einsum("btvf,vfg->btvg", x, p["own"])
        own = np.where(own > 0, own, np.exp(np.minimum(own, 0)) - 1)
        y = np.einsum("btv,btvf->btf", w, own)
        a, b = np.split(y @ p["glu"], 2, -1)
        return y + a * ref.sigmoid(b)

    return Case(fn, (p, draw(2, 3, 4)), reference)


@program("A block with attention and a switch router: the first is found, the router left out.")
def switch_block(draw: Draw) -> Case:
    p = draw.weights("q k v", 6, 2, 3) | {"router": draw.weight(6, 3)}
    p |= {"wi": draw(3, 6, 8, scale=0.4), "wo": draw(3, 8, 6, scale=0.4)}

    def fn(p, x):
        q, k, v = (jnp.einsum("btm,mhd->bthd", x, p[n]) for n in "qkv")
        w = jax.nn.softmax(jnp.einsum("bthd,bshd->bhts", q, k) / np.sqrt(3))
        x = x + jnp.einsum("bhts,bshd->bthd", w, v).reshape(x.shape)
        probs = jax.nn.softmax(x @ p["router"], axis=-1)
        chosen = jax.nn.one_hot(jnp.argmax(probs, -1), 3)
        gate = jnp.max(probs, -1)
        balance = 3 * jnp.sum(chosen.mean((0, 1)) * probs.mean((0, 1)))
        dispatched = jnp.einsum("bte,btm->ebtm", chosen, x)
        hidden = jax.nn.relu(jnp.einsum("ebtm,emf->ebtf", dispatched, p["wi"]))
        out = jnp.einsum("ebtf,efm->ebtm", hidden, p["wo"])
        return x + jnp.einsum("ebtm,bte->btm", out, chosen * gate[..., None]), balance

    def reference(note, p, x):
        q, k, v = (ref.project(x, p[n]) for n in "qkv")
        x = x + ref.merge(ref.attend(note, q, k, v))
        probs = ref.softmax(x @ p["router"])
        chosen = np.eye(3)[np.argmax(probs, -1)]
        balance = 3 * (chosen.mean((0, 1)) * probs.mean((0, 1))).sum()
        mixed = note((chosen * probs)[:, None], "router", also=[probs[:, None]])[:, 0]
        dispatched = np.einsum("bte,btm->ebtm", chosen, x)
        out = ref.relu(dispatched @ p["wi"][:, None]) @ p["wo"][:, None]
        return x + np.einsum("ebtm,bte->btm", out, mixed), balance

    case = Case(fn, (p, draw(2, 5, 6)), reference)
    return Case(fn, case.args, reference, unused="experts that are not chosen")
