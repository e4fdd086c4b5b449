"""Keys over eight devices: they go round, or each device has its own, or sums are joined."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import PartitionSpec as P

from tests.capture.programs import reference as ref
from tests.capture.programs.mesh import attended, inputs_of, mesh_of
from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)


@program("shard_map over keys: maxima and sums over devices normalize (context parallel).")
def keys_by_shard_map(draw: Draw) -> Case:
    mesh = mesh_of()

    @partial(
        jax.shard_map,
        mesh=mesh,
        in_specs=(P(), P(None, None, "model"), P(None, None, "model")),
        out_specs=P(),
    )
    def attend(q, k, v):
        s = jnp.einsum("bhqd,bhkd->bhqk", q, k) / 2
        top = lax.pmax(s.max(-1, keepdims=True), "model")
        e = jnp.exp(s - top)
        total = lax.psum(e.sum(-1, keepdims=True), "model")
        return lax.psum((e / total) @ v, "model")

    def fn(x, p):
        q, k, v = (jnp.einsum("btm,mhd->bhtd", x, p[n]) for n in "qkv")
        return jnp.einsum("bhtd,hdm->btm", attend(q, k, v), p["o"])

    return Case(fn, inputs_of(draw, 2, tokens=16), attended)


@program("Ring attention: keys and values go round by ppermute, with a running normalizer.")
def ring(draw: Draw) -> Case:
    mesh = mesh_of()
    spec = P(None, None, "model")

    @partial(jax.shard_map, mesh=mesh, in_specs=(spec, spec, spec), out_specs=spec, check_vma=False)
    def attend(q, k, v):
        def step(_, state):
            k, v, top, total, out = state
            s = jnp.einsum("bhqd,bhkd->bhqk", q, k) / 2
            new = jnp.maximum(top, s.max(-1, keepdims=True))
            e, old = jnp.exp(s - new), jnp.exp(top - new)
            out, total = out * old + e @ v, total * old + e.sum(-1, keepdims=True)
            k, v = (lax.ppermute(y, "model", [(i, (i + 1) % 8) for i in range(8)]) for y in (k, v))
            return k, v, new, total, out

        edge = jnp.full((*q.shape[:3], 1), -jnp.inf), jnp.zeros((*q.shape[:3], 1))
        *_, total, out = lax.fori_loop(0, 8, step, (k, v, *edge, jnp.zeros_like(q)))
        return out / total

    def fn(x, p):
        q, k, v = (jnp.einsum("btm,mhd->bhtd", x, p[n]) for n in "qkv")
        return jnp.einsum("bhtd,hdm->btm", attend(q, k, v), p["o"])

    return Case(fn, inputs_of(draw, 2, tokens=16), attended)


@program("A causal ring that hands keys on before it uses them; each device knows whose they are.")
def causal_ring(draw: Draw) -> Case:
    mesh = mesh_of()
    spec = P(None, None, "model")
    around = [(i, (i - 1) % 8) for i in range(8)]

    @partial(jax.shard_map, mesh=mesh, in_specs=(spec, spec, spec), out_specs=spec, check_vma=False)
    def attend(q, k, v):
        me = lax.axis_index("model")
        own = jnp.arange(2)

        def step(state, turn):
            (k, v), top, total, out = state
            k, v = lax.ppermute((k, v), "model", around)
            whose = (me + turn + 1) % 8
            s = jnp.einsum("bhqd,bhkd->bhqk", q, k) / 2
            seen = (2 * me + own)[:, None] >= (2 * whose + own)[None]
            s = jnp.where(seen, s, -1e30)
            new = jnp.maximum(top, s.max(-1, keepdims=True))
            e, old = jnp.exp(s - new) * seen, jnp.exp(top - new)
            out, total = out * old + e @ v, total * old + e.sum(-1, keepdims=True)
            return ((k, v), new, total, out), None

        start = jnp.full((*q.shape[:3], 1), -1e30), jnp.zeros((*q.shape[:3], 1))
        (_, _, total, out), _ = lax.scan(step, ((k, v), *start, jnp.zeros_like(q)), jnp.arange(8))
        return out / total

    def fn(x, p):
        x = jnp.tanh(x)
        q, k, v = (jnp.einsum("btm,mhd->bhtd", x, p[n]) for n in "qkv")
        return jnp.einsum("bhtd,hdm->btm", attend(q, k, v), p["o"])

    def reference(note, x, p):
        x = np.tanh(x)
        q, k, v = (ref.project(x, p[n]) for n in "qkv")
        return ref.unproject(ref.attend(note, q, k, v, mask=ref.causal(16)), p["o"])

    _, p = inputs_of(draw, 2)
    return Case(fn, (draw(2, 16, 8), p), reference)


@program("Each device looks into keys of its own, normalized on their own; results are added.")
def own_keys_each(draw: Draw) -> Case:
    keys = P(None, "model")

    @partial(jax.shard_map, mesh=mesh_of(), in_specs=(P(), keys, P()), out_specs=P())
    def fn(x, y, p):
        q, k, v = (
            jnp.einsum("btm,mhd->bhtd", e, p[n]) for e, n in zip((x, y, y), "qkv", strict=True)
        )
        mixed = jnp.einsum("bhtd,hdm->btm", jax.nn.softmax(q @ k.mT / 2) @ v, p["o"])
        return lax.psum(mixed, "model")

    def reference(note, x, y, p):
        total = 0
        for device in range(8):
            own = y[:, 3 * device : 3 * device + 3]
            q, k, v = (ref.project(e, p[n]) for e, n in zip((x, own, own), "qkv", strict=True))
            mixed = ref.attend(note, q, k, v, kind="cross", layer=device)
            total = total + ref.unproject(mixed, p["o"])
        return total

    x, p = inputs_of(draw, 2)
    return Case(fn, (x, draw(2, 24, 8), p), reference)


@program("shard_map over keys, normalized after use: sums and results are added over devices.")
def keys_normalized_after(draw: Draw) -> Case:
    keys = P(None, None, "model")

    @partial(jax.shard_map, mesh=mesh_of(), in_specs=(P(), keys, keys), out_specs=P())
    def attend(q, k, v):
        s = jnp.einsum("bhqd,bhkd->bhqk", q, k) / 2
        e = jnp.exp(s - lax.pmax(s.max(-1, keepdims=True), "model"))
        return lax.psum(e @ v, "model") / lax.psum(e.sum(-1, keepdims=True), "model")

    def fn(x, p):
        q, k, v = (jnp.einsum("btm,mhd->bhtd", x, p[n]) for n in "qkv")
        return jnp.einsum("bhtd,hdm->btm", attend(q, k, v), p["o"])

    return Case(fn, inputs_of(draw, 2, tokens=16), attended)


@program("Keys over devices, each with a softmax of its own, merged by their log-sum-exp.")
def keys_merged_by_logarithms(draw: Draw) -> Case:
    keys = P(None, None, "model")

    @partial(jax.shard_map, mesh=mesh_of(), in_specs=(P(), keys, keys), out_specs=P())
    def attend(q, k, v):
        s = jnp.einsum("bhqd,bhkd->bhqk", q, k) / 2
        own = jax.nn.logsumexp(s, axis=-1, keepdims=True)
        top = lax.pmax(own, "model")
        all_keys = jnp.log(lax.psum(jnp.exp(own - top), "model")) + top
        return lax.psum(jnp.exp(own - all_keys) * (jax.nn.softmax(s) @ v), "model")

    def fn(x, p):
        q, k, v = (jnp.einsum("btm,mhd->bhtd", x, p[n]) for n in "qkv")
        return jnp.einsum("bhtd,hdm->btm", attend(q, k, v), p["o"])

    def reference(note, x, p):
        q, k, v = (ref.project(x, p[n]) for n in "qkv")
        w, mixed = ref.softmax(ref.logits_of(q, k)), 0
        for device in range(8):
            own = slice(2 * device, 2 * device + 2)
            mixed = mixed + note(w[..., own], layer=device) @ v[:, :, own]
        return ref.unproject(mixed, p["o"])

    return Case(fn, inputs_of(draw, 2, tokens=16), reference)
