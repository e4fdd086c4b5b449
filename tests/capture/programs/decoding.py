"""Decoding token by token: loops with a cache of keys and values."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.capture.programs import reference as ref
from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)
LENGTH, WORDS = 6, 11


def _model(draw, groups=2):
    p = {"embed": draw(WORDS, 8), "q": draw.weight(8, 2, 4), "o": draw(2, 4, 8, scale=0.3)}
    return p | {"k": draw.weight(8, groups, 4), "v": draw.weight(8, groups, 4)}


def _step(p, token, caches, t):
    """Logits for the next token and the caches, `[batch time head feature]`, with this one."""
    x = p["embed"][token]
    q, k, v = (jnp.einsum("bm,mhd->bhd", x, p[n]) for n in "qkv")
    keys, values = (
        lax.dynamic_update_slice_in_dim(cache, new[:, None], t, axis=1)
        for cache, new in zip(caches, (k, v), strict=True)
    )
    s = jnp.einsum("bhd,bshd->bhs", q, keys) / 2
    s = jnp.where(jnp.arange(keys.shape[1]) <= t, s, -1e9)
    out = jnp.einsum("bhs,bshd->bhd", jax.nn.softmax(s), values)
    x = x + jnp.einsum("bhd,hdm->bm", out, p["o"])
    return x @ p["embed"].T, (keys, values)


def _empty(batch=2, length=LENGTH):
    return jnp.zeros((batch, length, 2, 4)), jnp.zeros((batch, length, 2, 4))


class _Decoder:
    """The same step in NumPy, with the list of all tokens so far in place of a cache."""

    def __init__(self, note, p, length=LENGTH):
        self.note, self.p, self.length, self.seen = note, p, length, []

    def step(self, token, **labels):
        self.seen.append(self.p["embed"][token])
        x = np.stack(self.seen, 1)
        pad = ((0, 0), (0, self.length - len(self.seen)), (0, 0))
        past = np.pad(x, pad)
        q, k, v = ref.project(x[:, -1:], self.p["q"]), *(ref.project(past, self.p[n]) for n in "kv")
        mask = np.arange(self.length) < len(self.seen)
        out = ref.attend(self.note, q, k, v, mask=mask, also_kinds=("cross",), **labels)
        x = x[:, -1] + ref.unproject(out, self.p["o"])[:, 0]
        return x @ self.p["embed"].T


UNUSED = "weights on places of the cache that are still empty do not show in the output"


def _greedy(note, p, start):
    decoder, token, logits = _Decoder(note, p), start, []
    for step in range(LENGTH):
        logits.append(decoder.step(token, step=step))
        token = logits[-1].argmax(-1)
    return np.stack(logits)


@program("Greedy decoding in a while loop with a bound in its condition; logits are kept.")
def while_greedy(draw: Draw) -> Case:
    def fn(p, start):
        def body(state):
            t, token, caches, out = state
            logits, caches = _step(p, token, caches, t)
            return t + 1, logits.argmax(-1).astype(token.dtype), caches, out.at[t].set(logits)

        state = 0, start, _empty(), jnp.zeros((LENGTH, 2, WORDS))
        return lax.while_loop(lambda state: state[0] < LENGTH, body, state)[3]

    return Case(fn, (_model(draw), draw.integers(WORDS, 2)), _greedy, unused=UNUSED)


@program("Greedy decoding in a scan over positions.")
def scan_greedy(draw: Draw) -> Case:
    def fn(p, start):
        def body(state, t):
            token, caches = state
            logits, caches = _step(p, token, caches, t)
            return (jnp.argmax(logits, -1).astype(token.dtype), caches), logits

        return lax.scan(body, (start, _empty()), jnp.arange(LENGTH))[1]

    return Case(fn, (_model(draw), draw.integers(WORDS, 2)), _greedy, unused=UNUSED)


@program("Decoding by a fori loop that reads the tokens given (teacher forcing), caches in a dict.")
def fori_teacher_forced(draw: Draw) -> Case:
    def fn(p, tokens):
        def body(t, state):
            logits, caches = _step(p, tokens[:, t], (state["k"], state["v"]), t)
            state["out"] = lax.dynamic_update_index_in_dim(state["out"], logits, t, 0)
            return {"k": caches[0], "v": caches[1], "out": state["out"]}

        k, v = _empty()
        start = {"k": k, "v": v, "out": jnp.zeros((LENGTH, 2, WORDS))}
        return lax.fori_loop(0, LENGTH, body, start)["out"]

    def reference(note, p, tokens):
        decoder = _Decoder(note, p)
        return np.stack([decoder.step(tokens[:, t], step=t) for t in range(LENGTH)])

    return Case(fn, (_model(draw), draw.integers(WORDS, 2, LENGTH)), reference, unused=UNUSED)


@program("The loop ends when all rows have ended, after four of at most six steps.")
def while_with_early_end(draw: Draw) -> Case:
    def fn(p, tokens, end):
        def body(state):
            t, done, caches, out = state
            logits, caches = _step(p, tokens[:, t], caches, t)
            return t + 1, done | (tokens[:, t + 1] == end), caches, out.at[t].set(logits)

        def go_on(state):
            return (state[0] < LENGTH) & ~jnp.all(state[1])

        state = 0, jnp.zeros(2, bool), _empty(), jnp.zeros((LENGTH, 2, WORDS))
        return lax.while_loop(go_on, body, state)[3]

    def reference(note, p, tokens, end):
        decoder, out = _Decoder(note, p), np.zeros((LENGTH, 2, WORDS))
        for t in range(4):
            out[t] = decoder.step(tokens[:, t], step=t)
        for t in range(4, LENGTH):
            note(np.zeros((2, 2, 1, LENGTH)), also_kinds=("cross",), step=t)
        return out

    tokens = np.array([[3, 1, 2, 9, 9, 9, 9], [4, 5, 6, 7, 9, 9, 9]], np.int32)
    return Case(fn, (_model(draw), tokens, np.int32(9)), reference, unused=UNUSED)


@program("Prefill of a prompt with a causal mask, then a scan with the cache so made.")
def prefill_then_scan(draw: Draw) -> Case:
    def fn(p, prompt, rest):
        x = p["embed"][prompt]
        q, k, v = (jnp.einsum("btm,mhd->bthd", x, p[n]) for n in "qkv")
        first = jax.nn.dot_product_attention(q, k, v, is_causal=True)
        first = (x + jnp.einsum("bthd,hdm->btm", first, p["o"])) @ p["embed"].T
        caches = tuple(jnp.pad(y, ((0, 0), (0, 3), (0, 0), (0, 0))) for y in (k, v))

        def body(caches, xs):
            logits, caches = _step(p, xs[0], caches, xs[1])
            return caches, logits

        return first, lax.scan(body, caches, (rest.T, 3 + jnp.arange(3)))[1]

    def reference(note, p, prompt, rest):
        x = p["embed"][prompt]
        out = ref.attend(note, *(ref.project(x, p[n]) for n in "qkv"), mask=ref.causal(3))
        first = (x + ref.unproject(out, p["o"])) @ p["embed"].T
        decoder = _Decoder(note, p)
        decoder.seen = list(x.transpose(1, 0, 2))
        return first, np.stack([decoder.step(rest[:, t], step=t) for t in range(3)])

    args = _model(draw), draw.integers(WORDS, 2, 3), draw.integers(WORDS, 2, 3)
    return Case(fn, args, reference, unused=UNUSED)


@program("Two layers in a scan inside a scan over steps, caches stacked over layers.")
def layers_inside_steps(draw: Draw) -> Case:
    p = {n: draw(2, 8, 2, 4, scale=0.4) for n in "qkv"} | {"o": draw(2, 2, 4, 8, scale=0.3)}

    def fn(p, xs):
        def step(caches, xt):
            x, t = xt

            def layer(x, per_layer):
                w, keys, values = per_layer
                q, k, v = (jnp.einsum("bm,mhd->bhd", x, w[n]) for n in "qkv")
                keys, values = keys.at[:, t].set(k), values.at[:, t].set(v)
                s = jnp.einsum("bhd,bshd->bhs", q, keys) * 0.5
                a = jax.nn.softmax(s, where=jnp.arange(4) <= t)
                out = jnp.einsum("bhs,bshd,hdm->bm", a, values, w["o"])
                return x + out, (keys, values)

            y, caches = lax.scan(layer, x, (p, *caches))
            return caches, y

        start = jnp.zeros((2, 2, 4, 2, 4)), jnp.zeros((2, 2, 4, 2, 4))
        return lax.scan(step, start, (xs, jnp.arange(4)))[1]

    def reference(note, p, xs):
        seen: list[list[np.ndarray]] = [[], []]
        outs = []
        for step, x in enumerate(xs):
            for layer in range(2):
                w = {n: p[n][layer] for n in p}
                seen[layer].append(x)
                past = np.pad(np.stack(seen[layer], 1), ((0, 0), (0, 3 - step), (0, 0)))
                q, k, v = ref.project(x[:, None], w["q"]), *(ref.project(past, w[n]) for n in "kv")
                mask = np.arange(4) <= step
                out = ref.attend(
                    note, q, k, v, mask=mask, also_kinds=("cross",), step=step, layer=layer
                )
                x = x + ref.unproject(out, w["o"])[:, 0]
            outs.append(x)
        return np.stack(outs)

    return Case(fn, (p, draw(4, 2, 8)), reference, unused=UNUSED)


@program("Grouped queries on a cache that holds key heads; one step, the position an argument.")
def single_step_grouped(draw: Draw) -> Case:
    p = {"q": draw.weight(8, 4, 3), "k": draw.weight(8, 2, 3), "v": draw.weight(8, 2, 3)}
    caches = draw(2, 2, 7, 2, 3)

    def fn(p, x, caches, t):
        q, k, v = (jnp.einsum("bm,mhd->bhd", x, p[n]) for n in "qkv")
        keys, values = (
            jax.vmap(lambda c, y, t: lax.dynamic_update_index_in_dim(c, y, t, 0))(c, y, t)
            for c, y in ((caches[0], k), (caches[1], v))
        )
        s = jnp.einsum("bkgd,bskd->bkgs", q.reshape(2, 2, 2, 3), keys) / jnp.sqrt(3.0)
        s = jnp.where(jnp.arange(7) <= t[:, None, None, None], s, -jnp.inf)
        return jnp.einsum("bkgs,bskd->bkgd", jax.nn.softmax(s), values), keys, values

    def reference(note, p, x, caches, t):
        q, k, v = (ref.project(x[:, None], p[n]) for n in "qkv")
        keys, values = caches[0].copy(), caches[1].copy()
        for b in range(2):
            keys[b, t[b]], values[b, t[b]] = k[b, :, 0], v[b, :, 0]
        mask = np.arange(7) <= t[:, None, None, None]
        kv = (y.transpose(0, 2, 1, 3) for y in (keys, values))
        out = ref.attend(note, q, *kv, mask=mask, also_kinds=("cross",))
        return out.reshape(2, 2, 2, 3), keys, values

    t = np.array([3, 5], np.int32)
    return Case(fn, (p, draw(2, 8), caches, t), reference)


@program("Encoder states attended to at each step of a loop, keys computed once before it.")
def cross_attention_in_loop(draw: Draw) -> Case:
    p = draw.weights("q k v o", 6, 6) | {"in": draw.weight(6, 6)}

    def fn(p, memory, start):
        k, v = memory @ p["k"], memory @ p["v"]

        def body(state):
            t, x, out = state
            w = jax.nn.softmax(jnp.einsum("bd,bsd->bs", x @ p["q"], k) * 6**-0.5)
            x = jnp.tanh(x @ p["in"] + jnp.einsum("bs,bsd->bd", w, v) @ p["o"])
            return t + 1, x, lax.dynamic_update_slice(out, x[None], (t, 0, 0))

        return lax.while_loop(lambda s: s[0] < 4, body, (0, start, jnp.zeros((4, 2, 6))))[2]

    def reference(note, p, memory, x):
        k, v, out = (memory @ p["k"])[:, None], (memory @ p["v"])[:, None], []
        for step in range(4):
            q = (x @ p["q"])[:, None, None]
            context = ref.attend(note, q, k, v, kind="cross", step=step)[:, 0, 0]
            x = np.tanh(x @ p["in"] + context @ p["o"])
            out.append(x)
        return np.stack(out)

    return Case(fn, (p, draw(2, 5, 6), draw(2, 6)), reference)


@program("Beam search: the caches are reordered by the parents of the beams at every step.")
def beam_search(draw: Draw) -> Case:
    def fn(p, start):
        def body(state, t):
            tokens, scores, caches = state
            logits, caches = _step(p, tokens, caches, t)
            total = scores[:, None] + jax.nn.log_softmax(logits)
            scores, best = lax.top_k(total.reshape(-1), 3)
            parent, tokens = best // WORDS, (best % WORDS).astype(jnp.int32)
            return (tokens, scores, tuple(c[parent] for c in caches)), (tokens, scores, logits)

        scores = jnp.array([0.0, -1e9, -1e9])
        return lax.scan(body, (start, scores, _empty(3, 4)), jnp.arange(4))[1]

    def reference(note, p, tokens):
        decoder, scores, out = _Decoder(note, p, 4), np.array([0.0, -1e9, -1e9]), []
        for step in range(4):
            logits = decoder.step(tokens, step=step)
            total = scores[:, None] + np.log(ref.softmax(logits))
            best = np.argsort(-total.reshape(-1), kind="stable")[:3]
            parent, tokens, scores = best // WORDS, best % WORDS, total.reshape(-1)[best]
            decoder.seen = [x[parent] for x in decoder.seen]
            out.append((tokens, scores, logits))
        return tuple(np.stack(y) for y in zip(*out, strict=True))

    start = np.full(3, 2, np.int32)
    return Case(fn, (_model(draw), start), reference, unused=UNUSED)


@program("A cache that turns (a ring of four places) in a scan over six steps.")
def ring_cache(draw: Draw) -> Case:
    p = draw.weights("q k v", 6, 4)

    def fn(p, xs):
        def body(caches, xt):
            x, t = xt
            keys, values = (c.at[:, t % 4].set(x @ p[n]) for c, n in zip(caches, "kv", strict=True))
            s = jnp.einsum("bd,bsd->bs", x @ p["q"], keys) / 2
            s = jnp.where(jnp.arange(4) <= t, s, -1e9)
            return (keys, values), jnp.einsum("bs,bsd->bd", jax.nn.softmax(s), values)

        start = jnp.zeros((2, 4, 4)), jnp.zeros((2, 4, 4))
        return lax.scan(body, start, (xs, jnp.arange(6)))[1]

    def reference(note, p, xs):
        ring, out = np.zeros((2, 4, 6)), []
        for step, x in enumerate(xs):
            ring[:, step % 4] = x
            q, k, v = (x @ p["q"])[:, None, None], *((ring @ p[n])[:, None] for n in "kv")
            mask = np.arange(4) <= step
            labels = {"also_kinds": ("cross",), "step": step}
            out.append(ref.attend(note, q, k, v, mask=mask, **labels)[:, 0, 0])
        return np.stack(out)

    return Case(fn, (p, draw(6, 2, 6)), reference, unused=UNUSED)


@program("Rotary positions in pairs, grouped queries and a cache in a scan.")
def rotary_groups_in_a_cache(draw: Draw) -> Case:
    p = {"q": draw.weight(8, 4, 2), "k": draw.weight(8, 2, 2), "v": draw.weight(8, 2, 2)}

    def turned(x, t):
        angle = t * jnp.float32(0.5)
        first, second = x[..., ::2], x[..., 1::2]
        both = (
            first * jnp.cos(angle) - second * jnp.sin(angle),
            first * jnp.sin(angle) + second * jnp.cos(angle),
        )
        return jnp.stack(both, -1).reshape(x.shape)

    def fn(p, x):
        def step(state, here):
            caches, t = state
            q, k, v = (jnp.einsum("btm,mhd->bthd", here[:, None], p[n]) for n in "qkv")
            keys, values = (
                lax.dynamic_update_slice_in_dim(cache, new, t, axis=1)
                for cache, new in zip(caches, (turned(k, t), v), strict=True)
            )
            groups = turned(q, t).reshape(2, 1, 2, 2, 2) / np.sqrt(2).astype("f")
            s = jnp.einsum("bqgnd,bkgd->bgnqk", groups, keys).reshape(2, 4, 1, 6)
            w = jax.nn.softmax(jnp.where(jnp.arange(6) <= t, s, -1e9)).reshape(2, 2, 2, 1, 6)
            out = jnp.einsum("bgnqk,bkgd->bqgnd", w, values).reshape(2, 8)
            return ((keys, values), t + 1), out

        empty = jnp.zeros((2, 6, 2, 2))
        return lax.scan(step, ((empty, empty), 0), x.swapaxes(0, 1))[1]

    def reference(note, p, x):
        def turn(x):
            angle = 0.5 * np.arange(6)[:, None]
            even, odd = x[..., ::2], x[..., 1::2]
            both = (
                even * np.cos(angle) - odd * np.sin(angle),
                even * np.sin(angle) + odd * np.cos(angle),
            )
            return np.stack(both, -1).reshape(x.shape)

        q, k, v = (ref.project(x, p[n]) for n in "qkv")
        w = ref.softmax(np.where(ref.causal(6), ref.logits_of(turn(q), turn(k)), -np.inf))
        w = np.concatenate([note(w[:, :, t : t + 1], step=t) for t in range(6)], axis=2)
        return ref.mix(w, v).transpose(2, 0, 1, 3).reshape(6, 2, 8)

    return Case(fn, (p, draw(2, 6, 8)), reference, unused=UNUSED)


@program("Without a cache: all words so far are read anew, and only whole numbers are carried.")
def without_a_cache(draw: Draw) -> Case:
    p = _model(draw)
    words = np.concatenate([draw.integers(WORDS, 2, 2), np.zeros((2, 3), np.int32)], 1)

    def fn(p, words):
        def step(words, place):
            x = p["embed"][words]
            q, k, v = (jnp.einsum("btm,mhd->bhtd", x, p[n]) for n in "qkv")
            s = jnp.where(jnp.tri(5, dtype=bool), q @ k.mT / 2, -1e9)
            x = x + jnp.einsum("bhtd,hdm->btm", jax.nn.softmax(s) @ v, p["o"])
            logits = x @ p["embed"].T
            return words.at[:, place].set(logits[:, place - 1].argmax(-1)), logits

        return lax.scan(step, words, jnp.arange(2, 5))[1]

    def reference(note, p, words):
        words, all_logits = words.copy(), []
        for step, place in enumerate(range(2, 5)):
            x = p["embed"][words]
            q, k, v = (ref.project(x, p[n]) for n in "qkv")
            out = ref.attend(note, q, k, v, mask=ref.causal(5), step=step)
            all_logits.append((x + ref.unproject(out, p["o"])) @ p["embed"].T)
            words[:, place] = all_logits[-1][:, place - 1].argmax(-1)
        return np.stack(all_logits)

    return Case(fn, (p, words), reference)
