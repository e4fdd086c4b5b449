"""Steps and caches: attention within loops as research code writes them."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from tests.capture.programs import reference as ref
from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)


@program("T5X: the cache is `[batch head feature length]` and a one-hot row adds the new key.")
def one_hot_cache(draw: Draw) -> Case:
    p = draw.weights("q k v", 6, 2, 3) | draw.weights("o", 6, 6)

    def fn(p, xs):
        def step(cache, x):
            keys, values, index = cache
            q, k, v = (jnp.einsum("bm,mhd->bhd", x, p[n])[:, None] for n in "qkv")
            hot = jax.nn.one_hot(index, 5, dtype=x.dtype)
            keys = keys + jnp.moveaxis(k, -3, -1) * hot
            values = values + jnp.moveaxis(v, -3, -1) * hot
            key, value = jnp.moveaxis(keys, -1, -3), jnp.moveaxis(values, -1, -3)
            mask = jnp.broadcast_to(jnp.arange(5) <= index, (2, 1, 1, 5))
            bias = lax.select(mask, jnp.zeros(mask.shape), jnp.full(mask.shape, -1e10))
            w = jax.nn.softmax(jnp.einsum("bqhd,bkhd->bhqk", q, key) + bias)
            out = jnp.einsum("bhqk,bkhd->bqhd", w, value).reshape(2, 6) @ p["o"]
            return (keys, values, index + 1), out

        empty = jnp.zeros((2, 2, 3, 5))
        return lax.scan(step, (empty, empty, 0), xs)[1]

    def reference(note, p, xs):
        outputs = []
        q, k, v = (np.einsum("tbm,mhd->tbhd", xs, p[n]) for n in "qkv")
        for t in range(5):
            keys, values = (np.zeros((2, 2, 5, 3)) for _ in range(2))
            keys[:, :, : t + 1] = k[: t + 1].transpose(1, 2, 0, 3)
            values[:, :, : t + 1] = v[: t + 1].transpose(1, 2, 0, 3)
            out = ref.attend(
                note, q[t][:, :, None], keys, values, scale=1.0, mask=np.arange(5) <= t, step=t,
                also_kinds=("cross",),
            )  # fmt: skip
            outputs.append(ref.merge(out)[:, 0] @ p["o"])
        return np.stack(outputs)

    case = Case(fn, (p, draw(5, 2, 6)), reference)
    return Case(fn, case.args, reference, unused="places of the cache that are not yet filled")


@program("Greedy decoding by while_loop: buffer of tokens, cache set at the position, tied head.")
def greedy_while(draw: Draw) -> Case:
    p = {"embed": draw(11, 6), "positions": draw(6, 6)} | draw.weights("q k v o", 6, 6)

    def fn(p, prompt):
        def body(state):
            t, tokens, keys, values, hidden, done = state
            x = p["embed"][tokens[:, t]] + p["positions"][t]
            q, k, v = ((x @ p[n]).reshape(2, 2, 3) for n in "qkv")
            keys, values = keys.at[:, t].set(k), values.at[:, t].set(v)
            s = jnp.einsum("bhd,bthd->bht", q, keys) / jnp.sqrt(3)
            s = jnp.where(jnp.arange(6) <= t, s, -1e9)
            w = jax.nn.softmax(s, axis=-1)
            y = jnp.einsum("bht,bthd->bhd", w, values).reshape(2, 6) @ p["o"]
            hidden = lax.dynamic_update_index_in_dim(hidden, x + y, t, axis=0)
            choice = jnp.argmax((x + y) @ p["embed"].T, axis=-1)
            choice = jnp.where(done, 0, choice)
            tokens = tokens.at[:, t + 1].set(choice)
            return t + 1, tokens, keys, values, hidden, done | (choice == 10)

        def go_on(state):
            return (state[0] < 5) & ~jnp.all(state[-1])

        tokens = jnp.zeros((2, 6), jnp.int32).at[:, 0].set(prompt)
        empty = jnp.zeros((2, 6, 2, 3))
        start = (0, tokens, empty, empty, jnp.zeros((5, 2, 6)), jnp.zeros(2, bool))
        state = lax.while_loop(go_on, body, start)
        return state[1], state[4]

    def reference(note, p, prompt):
        tokens, done = np.zeros((2, 6), np.int32), np.zeros(2, bool)
        tokens[:, 0] = prompt
        keys, values = np.zeros((2, 2, 6, 3)), np.zeros((2, 2, 6, 3))
        trace = []
        for t in range(5):
            x = p["embed"][tokens[:, t]] + p["positions"][t]
            q, keys[:, :, t], values[:, :, t] = ((x @ p[n]).reshape(2, 2, 3) for n in "qkv")
            mask = np.arange(6) <= t
            out = ref.attend(
                note, q[:, :, None], keys, values, mask=mask, step=t, also_kinds=("cross",)
            )
            y = x + ref.merge(out)[:, 0] @ p["o"]
            trace.append(y)
            choice = np.where(done, 0, np.argmax(y @ p["embed"].T, axis=-1))
            tokens[:, t + 1] = choice
            done = done | (choice == 10)
        assert not done.any()
        return tokens, np.stack(trace)

    args = (p, np.array([3, 7], np.int32))
    return Case(fn, args, reference, unused="places of the cache that are not yet filled")


@program("Verifying drafted tokens: some at once against a cache that is filled at an index.")
def verify_drafts(draw: Draw) -> Case:
    p = draw.weights("q", 6, 4, 3) | draw.weights("k v", 6, 2, 3) | draw.weights("o", 12, 6)

    def fn(p, x, keys, values, index):
        q, k, v = (jnp.einsum("btm,mhd->bthd", x, p[n]) for n in "qkv")
        keys = lax.dynamic_update_slice(keys, k, (0, index, 0, 0))
        values = lax.dynamic_update_slice_in_dim(values, v, index, axis=1)
        q = q.reshape(2, 3, 2, 2, 3)
        scores = jnp.einsum("btkgd,bskd->bkgts", q, keys) * 3**-0.5
        where = index + jnp.arange(3)
        scores = jnp.where(where[:, None] >= jnp.arange(9), scores, -jnp.inf)
        probs = jax.nn.softmax(scores, axis=-1)
        out = jnp.einsum("bkgts,bskd->btkgd", probs, values).reshape(2, 3, 12)
        return jnp.argmax(out @ p["o"], -1), out @ p["o"], keys

    def reference(note, p, x, keys, values, index):
        q, k, v = (ref.project(x, p[n]) for n in "qkv")
        keys, values = keys.copy(), values.copy()
        keys[:, index : index + 3], values[:, index : index + 3] = (
            k.swapaxes(1, 2),
            v.swapaxes(1, 2),
        )
        mask = np.arange(index, index + 3)[:, None] >= np.arange(9)
        all_keys, all_values = keys.swapaxes(1, 2), values.swapaxes(1, 2)
        out = ref.attend(note, q, all_keys, all_values, mask=mask, also_kinds=("cross",))
        out = ref.merge(out) @ p["o"]
        return np.argmax(out, -1), out, keys

    args = (p, draw(2, 3, 6), draw(2, 9, 2, 3), draw(2, 9, 2, 3), np.int32(4))
    return Case(fn, args, reference, unused="places of the cache that are not yet filled")


@program("Luong's general score with input feeding in a scan over GRU steps, lengths masked.")
def luong_decoder(draw: Draw) -> Case:
    p = draw.weights("wz wr wh", 15, 5) | draw.weights("wa", 5, 5) | draw.weights("wc", 10, 5)

    def fn(p, memory, lengths, targets):
        mask = jnp.arange(6)[None] < lengths[:, None]

        def step(carry, y):
            h, feed = carry
            z = jax.nn.sigmoid(jnp.concatenate([y, feed, h], -1) @ p["wz"])
            r = jax.nn.sigmoid(jnp.concatenate([y, feed, h], -1) @ p["wr"])
            new = jnp.tanh(jnp.concatenate([y, feed, r * h], -1) @ p["wh"])
            h = (1 - z) * h + z * new
            score = jnp.einsum("bd,btd->bt", h @ p["wa"], memory)
            align = jax.nn.softmax(jnp.where(mask, score, -1e9), axis=1)
            context = jnp.sum(align[:, :, None] * memory, axis=1)
            feed = jnp.tanh(jnp.concatenate([context, h], -1) @ p["wc"])
            return (h, feed), feed

        first = memory[:, 0]
        return lax.scan(step, (first, jnp.zeros_like(first)), targets)[1]

    def reference(note, p, memory, lengths, targets):
        h, feed, outputs = memory[:, 0], np.zeros_like(memory[:, 0]), []
        for t, y in enumerate(targets):
            z, r = (ref.sigmoid(np.concatenate([y, feed, h], -1) @ p[n]) for n in ("wz", "wr"))
            h = (1 - z) * h + z * np.tanh(np.concatenate([y, feed, r * h], -1) @ p["wh"])
            mask = np.arange(6)[None] < lengths[:, None]
            score = np.where(mask, np.einsum("bd,btd->bt", h @ p["wa"], memory), -np.inf)
            w = note(ref.softmax(score)[:, None, None], "cross", step=t)
            feed = np.tanh(np.concatenate([ref.mix(w, memory[:, None])[:, 0, 0], h], -1) @ p["wc"])
            outputs.append(feed)
        return np.stack(outputs)

    lengths = np.array([6, 4], np.int32)
    return Case(fn, (p, draw(2, 6, 5), lengths, draw(4, 2, 5)), reference)


@program("Pointer network over cities: a glimpse is attention, the pointer's softmax is none.")
def pointer_network(draw: Draw) -> Case:
    p = draw.weights("wq wk wp wx", 5, 5) | {"v": draw(5), "first": draw(5)}

    def fn(p, cities):
        n = cities.shape[0]

        def step(carry, _):
            h, visited = carry
            scores = jnp.tanh(h @ p["wq"] + cities @ p["wk"]) @ p["v"]
            scores = jnp.where(visited, -1e8, scores)
            glimpse = jax.nn.softmax(scores) @ cities
            logits = 10.0 * jnp.tanh(cities @ p["wp"] @ glimpse)
            logits = jnp.where(visited, -1e8, logits)
            log_p = jax.nn.log_softmax(logits)
            choice = jnp.argmax(log_p)
            h = jnp.tanh(h + cities[choice] @ p["wx"])
            return (h, visited.at[choice].set(True)), (choice, log_p[choice])

        return lax.scan(step, (p["first"], jnp.zeros(n, bool)), None, length=n - 1)[1]

    def reference(note, p, cities):
        h, visited, choices, logs = p["first"], np.zeros(6, bool), [], []
        for t in range(5):
            scores = np.tanh(h @ p["wq"] + cities @ p["wk"]) @ p["v"]
            w = note(
                ref.softmax(np.where(visited, -np.inf, scores))[None, None, None], "cross", step=t
            )
            logits = 10 * np.tanh(cities @ p["wp"] @ (w[0, 0, 0] @ cities))
            log_p = np.log(ref.softmax(np.where(visited, -1e8, logits)) + 1e-300)
            choice = int(np.argmax(log_p))
            choices.append(choice)
            logs.append(log_p[choice])
            h = np.tanh(h + cities[choice] @ p["wx"])
            visited[choice] = True
        return np.array(choices), np.array(logs)

    return Case(fn, (p, draw(6, 5)), reference, unused="visited cities")


@program("Pointer-generator: weights give the context and are spread over the vocabulary.")
def pointer_generator(draw: Draw) -> Case:
    p = draw.weights("wh ws", 5, 5) | {"v": draw(5), "out": draw.weight(10, 9), "gen": draw(10)}

    def fn(p, memory, source, states):
        e = jnp.tanh((memory @ p["wh"])[:, None] + (states @ p["ws"])[:, :, None]) @ p["v"]
        attn = jax.nn.softmax(e, -1)
        context = jnp.einsum("btn,bnd->btd", attn, memory)
        both = jnp.concatenate([states, context], -1)
        p_gen = jax.nn.sigmoid(both @ p["gen"])[..., None]
        vocabulary = jax.nn.softmax(both @ p["out"], -1)
        copy = jnp.einsum("btn,bnv->btv", attn, jax.nn.one_hot(source, 9))
        return jnp.log(p_gen * vocabulary + (1 - p_gen) * copy + 1e-9)

    def reference(note, p, memory, source, states):
        e = np.tanh((memory @ p["wh"])[:, None] + (states @ p["ws"])[:, :, None]) @ p["v"]
        attn = note(ref.softmax(e)[:, None], "cross")
        both = np.concatenate([states, ref.mix(attn, memory[:, None])[:, 0]], -1)
        p_gen = ref.sigmoid(both @ p["gen"])[..., None]
        copy = ref.mix(attn, np.eye(9)[source][:, None])[:, 0]
        return np.log(p_gen * ref.softmax(both @ p["out"]) + (1 - p_gen) * copy + 1e-9)

    return Case(fn, (p, draw(2, 6, 5), draw.integers(9, 2, 6), draw(2, 4, 5)), reference)


@program("Beams of each example in a scan: they look at their own words, and all at the example.")
def beams_of_examples(draw: Draw) -> Case:
    p = draw.weights("q k v cq ck cv", 6, 2, 3) | {"words": draw(7, 6), "o": draw(2, 3, 6)}

    def fn(p, encoded):
        keys, values = (jnp.einsum("bsm,mhd->bshd", encoded, p[n]) for n in ("ck", "cv"))

        def step(state, at):
            words, *caches = state
            x = p["words"][words]
            q, k, v = (jnp.einsum("bnm,mhd->bnhd", x, p[n]) for n in "qkv")
            own, past = (c.at[:, :, at].set(new) for c, new in zip(caches, (k, v), strict=True))
            s = jnp.where(jnp.arange(4) <= at, jnp.einsum("bnhd,bnthd->bnht", q, own), -1e9)
            mixed = jnp.einsum("bnht,bnthd->bnhd", jax.nn.softmax(s), past)
            x = x + jnp.einsum("bnhd,hdm->bnm", mixed, p["o"])
            q = jnp.einsum("bnm,mhd->bnhd", x, p["cq"])
            w = jax.nn.softmax(jnp.einsum("bnhd,bshd->bnhs", q, keys))
            x = x + jnp.einsum("bnhs,bshd,hdm->bnm", w, values, p["o"])
            scores = x @ p["words"].T
            return (scores.argmax(-1).astype(jnp.int32), own, past), scores

        start = jnp.zeros((3, 2), jnp.int32) + jnp.arange(2)
        empty = jnp.zeros((3, 2, 4, 2, 3))
        return lax.scan(step, (start, empty, empty), jnp.arange(4))[1]

    def reference(note, p, encoded):
        k, v = (ref.project(encoded, p[n]) for n in ("ck", "cv"))
        words, seen, out = np.tile(np.arange(2), (3, 1)), [], []
        for step in range(4):
            x = p["words"][words]
            seen.append(x.reshape(6, 6))
            past = np.stack(seen, 1)
            q, own, kept = (
                ref.project(y, p[n]) for y, n in zip((past, past, past), "qkv", strict=True)
            )
            s = np.full((6, 2, 1, 4), -np.inf)
            s[..., : step + 1] = np.einsum("bhd,bhtd->bht", q[:, :, -1], own)[:, :, None]
            w = note(ref.softmax(s), step=step)
            mixed = ref.unproject(w[..., : step + 1] @ kept, p["o"])
            x = x + mixed.reshape(x.shape)
            mixed = ref.attend(
                note, ref.project(x, p["cq"]), k, v, kind="cross", scale=1, step=step
            )
            x = x + ref.unproject(mixed, p["o"])
            out.append(x @ p["words"].T)
            words = out[-1].argmax(-1)
        return np.stack(out)

    return Case(fn, (p, draw(3, 5, 6)), reference)
