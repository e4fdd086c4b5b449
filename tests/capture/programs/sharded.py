"""Programs over eight devices: heads, keys or examples are split, by shard_map or by sharding.

The builders make the mesh when they are called. Without eight devices, those by shard_map can be
traced but not run.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import AbstractMesh, AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from tests.capture.programs import reference as ref
from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)


def _mesh(shape=(8,), names=("model",), kind=AxisType.Auto):
    kinds = (kind,) * len(names)
    if jax.device_count() < 8:
        return AbstractMesh(shape, names, axis_types=kinds)
    return jax.make_mesh(shape, names, axis_types=kinds)


def _reference(note, x, p):
    q, k, v = (ref.project(x, p[n]) for n in "qkv")
    return ref.unproject(ref.attend(note, q, k, v), p["o"])


def _inputs(draw, heads=8, tokens=8):
    p = draw.weights("q k v", 8, heads, 4) | {"o": draw(heads, 4, 8, scale=0.2)}
    return draw(2, tokens, 8), p


def _attend(x, p):
    q, k, v = (jnp.einsum("btm,mhd->bhtd", x, p[n]) for n in "qkv")
    return jnp.einsum("bhtd,hdm->btm", jax.nn.softmax(q @ k.mT / 2) @ v, p["o"])


HEADS = {"q": P(None, "model"), "k": P(None, "model"), "v": P(None, "model"), "o": P("model")}


@program("shard_map over heads, outputs added by psum (tensor parallel).")
def heads_by_shard_map(draw: Draw) -> Case:
    mesh = _mesh()

    @partial(jax.shard_map, mesh=mesh, in_specs=(P(), HEADS), out_specs=P())
    def fn(x, p):
        return lax.psum(_attend(x, p), "model")

    return Case(fn, _inputs(draw), _reference)


@program("shard_map over examples (data parallel), two axes in the mesh.")
def examples_by_shard_map(draw: Draw) -> Case:
    mesh = _mesh((4, 2), ("data", "model"))

    @partial(jax.shard_map, mesh=mesh, in_specs=(P("data"), P()), out_specs=P("data"))
    def fn(x, p):
        return _attend(x, p)

    _, p = _inputs(draw, 2)
    return Case(fn, (draw(8, 5, 8), p), _reference)


@program("shard_map over keys: maxima and sums over devices normalize (context parallel).")
def keys_by_shard_map(draw: Draw) -> Case:
    mesh = _mesh()

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

    return Case(fn, _inputs(draw, 2, tokens=16), _reference)


@program("Ring attention: keys and values go round by ppermute, with a running normalizer.")
def ring(draw: Draw) -> Case:
    mesh = _mesh()
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

    return Case(fn, _inputs(draw, 2, tokens=16), _reference)


@program("No shard_map: parameters are sharded over heads, the compiler divides the work.")
def heads_by_sharding(draw: Draw) -> Case:
    mesh = _mesh()
    x, p = _inputs(draw)
    p = {name: jax.device_put(y, NamedSharding(mesh, HEADS[name])) for name, y in p.items()}
    return Case(_attend, (jax.device_put(x, NamedSharding(mesh, P())), p), _reference)


@program("A scan over layers inside shard_map over examples and heads.")
def scan_inside_shard_map(draw: Draw) -> Case:
    mesh = _mesh((2, 4), ("data", "model"))
    specs = {name: P(None, *spec) for name, spec in HEADS.items()}

    @partial(jax.shard_map, mesh=mesh, in_specs=(P("data"), specs), out_specs=P("data"))
    def fn(x, p):
        def layer(x, p):
            return x + lax.psum(_attend(x, p), "model"), None

        return lax.scan(layer, x, p)[0]

    def reference(note, x, p):
        for layer in range(2):
            q, k, v = (ref.project(x, p[n][layer]) for n in "qkv")
            x = x + ref.unproject(ref.attend(note, q, k, v, layer=layer), p["o"][layer])
        return x

    p = {n: draw(2, 8, 4, 4, scale=0.4) for n in "qkv"} | {"o": draw(2, 4, 4, 8, scale=0.2)}
    return Case(fn, (draw(4, 5, 8), p), reference)


@program("A causal ring that hands keys on before it uses them; each device knows whose they are.")
def causal_ring(draw: Draw) -> Case:
    mesh = _mesh()
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

    _, p = _inputs(draw, 2)
    return Case(fn, (draw(2, 16, 8), p), reference)


@program("Queries are divided, keys and values gathered from all devices (sequence parallel).")
def queries_by_shard_map(draw: Draw) -> Case:
    spec = P(None, "model")

    @partial(jax.shard_map, mesh=_mesh(), in_specs=(spec, P()), out_specs=spec)
    def fn(x, p):
        q, k, v = (jnp.einsum("btm,mhd->bhtd", x, p[n]) for n in "qkv")
        k, v = (lax.all_gather(each, "model", axis=2, tiled=True) for each in (k, v))
        return jnp.einsum("bhtd,hdm->btm", jax.nn.softmax(q @ k.mT / 2) @ v, p["o"])

    _, p = _inputs(draw, 3)
    return Case(fn, (draw(2, 16, 8), p), _reference)


@program("Tokens are divided outside of attention and heads inside, by two all-to-alls.")
def heads_by_all_to_all(draw: Draw) -> Case:
    spec = P(None, "model")

    @partial(jax.shard_map, mesh=_mesh(), in_specs=(spec, P()), out_specs=spec)
    def fn(x, p):
        q, k, v = (
            lax.all_to_all(jnp.einsum("btm,mhd->bhtd", x, p[n]), "model", 1, 2, tiled=True)
            for n in "qkv"
        )
        mixed = jax.nn.softmax(q @ k.mT / 2) @ v
        mixed = lax.all_to_all(mixed, "model", 2, 1, tiled=True)
        return jnp.einsum("bhtd,hdm->btm", mixed, p["o"])

    _, p = _inputs(draw, 16)
    return Case(fn, (draw(2, 24, 8), p), _reference)


@program("Examples are divided, and so are parameters, which each device gathers (FSDP).")
def gathered_parameters(draw: Draw) -> Case:
    _, p = _inputs(draw, 2)
    specs = {name: P("model") if name != "o" else P(None, None, "model") for name in p}

    @partial(jax.shard_map, mesh=_mesh(), in_specs=(P("model"), specs), out_specs=P("model"))
    def fn(x, p):
        whole = {
            n: lax.all_gather(w, "model", axis=0 if n != "o" else 2, tiled=True)
            for n, w in p.items()
        }
        return _attend(x, whole)

    return Case(fn, (draw(16, 5, 8), p), _reference)


@program("Examples over one axis of the mesh and heads over the other, two heads a device.")
def examples_and_heads(draw: Draw) -> Case:
    mesh = _mesh((4, 2), ("data", "model"))

    @partial(jax.shard_map, mesh=mesh, in_specs=(P("data"), HEADS), out_specs=P("data"))
    def fn(x, p):
        return lax.psum(_attend(x, p), "model")

    _, p = _inputs(draw, 4)
    return Case(fn, (draw(8, 5, 8), p), _reference)


@program("Each device attends within its own tokens, so blocks of a sequence stay apart.")
def local_by_shard_map(draw: Draw) -> Case:
    spec = P(None, "model")
    fn = jax.shard_map(_attend, mesh=_mesh(), in_specs=(spec, P()), out_specs=spec)

    def reference(note, x, p):
        parts = []
        for block in range(8):
            own = x[:, 3 * block : 3 * block + 3]
            q, k, v = (ref.project(own, p[n]) for n in "qkv")
            parts.append(ref.unproject(ref.attend(note, q, k, v, layer=block), p["o"]))
        return np.concatenate(parts, axis=1)

    _, p = _inputs(draw, 2)
    return Case(fn, (draw(2, 24, 8), p), reference)


@program("One example a device, and parameters that each device gathers.")
def one_example_each(draw: Draw) -> Case:
    _, p = _inputs(draw, 16)
    specs = {name: P(None, "model") if name != "o" else P("model") for name in p}

    @partial(jax.shard_map, mesh=_mesh(), in_specs=(P("model"), specs), out_specs=P("model"))
    def fn(x, p):
        whole = {
            n: lax.all_gather(w, "model", axis=1 if n != "o" else 0, tiled=True)
            for n, w in p.items()
        }
        return _attend(x, whole)

    return Case(fn, (draw(8, 5, 8), p), _reference)


@program("Columns of a picture are divided, so that queries of a device lie apart.")
def columns_by_shard_map(draw: Draw) -> Case:
    spec = P(None, None, "model")

    @partial(jax.shard_map, mesh=_mesh(), in_specs=(spec, P()), out_specs=spec)
    def fn(x, p):
        q, k, v = (jnp.einsum("brcm,mhd->brchd", x, p[n]) for n in "qkv")
        k, v = (lax.all_gather(each, "model", axis=2, tiled=True) for each in (k, v))
        w = jnp.exp(jnp.einsum("brchd,bijhd->bhrcij", q, k) / 2)
        w = w / w.sum((-2, -1), keepdims=True)
        return jnp.einsum("bhrcij,bijhd,hdm->brcm", w, v, p["o"])

    def reference(note, x, p):
        b, rows, _, m = x.shape
        k, v = (ref.project(x.reshape(b, -1, m), p[n]) for n in "kv")
        results = []
        for device in range(8):
            own = x[:, :, 2 * device : 2 * device + 2].reshape(b, -1, m)
            mixed = ref.attend(note, ref.project(own, p["q"]), k, v, layer=device)
            results.append(ref.unproject(mixed, p["o"]).reshape(b, rows, 2, m))
        return np.concatenate(results, axis=2)

    _, p = _inputs(draw, 3)
    return Case(fn, (draw(2, 3, 16, 8), p), reference)


@program("Each device looks into keys of its own, normalized on their own; results are added.")
def own_keys_each(draw: Draw) -> Case:
    keys = P(None, "model")

    @partial(jax.shard_map, mesh=_mesh(), in_specs=(P(), keys, P()), out_specs=P())
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

    x, p = _inputs(draw, 2)
    return Case(fn, (x, draw(2, 24, 8), p), reference)


@program("shard_map over keys, normalized after use: sums and results are added over devices.")
def keys_normalized_after(draw: Draw) -> Case:
    keys = P(None, None, "model")

    @partial(jax.shard_map, mesh=_mesh(), in_specs=(P(), keys, keys), out_specs=P())
    def attend(q, k, v):
        s = jnp.einsum("bhqd,bhkd->bhqk", q, k) / 2
        e = jnp.exp(s - lax.pmax(s.max(-1, keepdims=True), "model"))
        return lax.psum(e @ v, "model") / lax.psum(e.sum(-1, keepdims=True), "model")

    def fn(x, p):
        q, k, v = (jnp.einsum("btm,mhd->bhtd", x, p[n]) for n in "qkv")
        return jnp.einsum("bhtd,hdm->btm", attend(q, k, v), p["o"])

    return Case(fn, _inputs(draw, 2, tokens=16), _reference)


@program("Keys over devices, each with a softmax of its own, merged by their log-sum-exp.")
def keys_merged_by_logarithms(draw: Draw) -> Case:
    keys = P(None, None, "model")

    @partial(jax.shard_map, mesh=_mesh(), in_specs=(P(), keys, keys), out_specs=P())
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

    return Case(fn, _inputs(draw, 2, tokens=16), reference)


@program("Stages of a pipeline: each device has a layer of its own and hands on what it makes.")
def stages_of_a_pipeline(draw: Draw) -> Case:
    p = {name: draw(8, 8, 8, scale=0.3) for name in "qkv"}

    @partial(jax.shard_map, mesh=_mesh(), in_specs=(P("model"), P()), out_specs=P())
    def fn(p, x):
        own = {name: w[0] for name, w in p.items()}
        q, k, v = (x @ own[name] for name in "qkv")
        mixed = jax.nn.softmax(q @ k.mT / 2) @ v
        return lax.psum(lax.ppermute(mixed, "model", [(i, (i + 1) % 8) for i in range(8)]), "model")

    def reference(note, p, x):
        total = 0
        for stage in range(8):
            q, k, v = ((x @ p[name][stage])[:, None] for name in "qkv")
            total = total + ref.attend(note, q, k, v, scale=0.5, layer=stage)[:, 0]
        return total

    return Case(fn, (p, draw(2, 5, 8)), reference)


@program("Tensor parallel by columns of matrices: each device has the features of one head.")
def one_head_each(draw: Draw) -> Case:
    columns = P(None, "model")
    specs = {"q": columns, "k": columns, "v": columns, "o": P("model")}

    @partial(jax.shard_map, mesh=_mesh(), in_specs=(P(), specs), out_specs=P())
    def fn(x, p):
        q, k, v = ((x @ p[n]).reshape(2, 5, -1, 3) for n in "qkv")
        w = jax.nn.softmax(jnp.einsum("bqhd,bkhd->bhqk", q, k))
        out = jnp.einsum("bhqk,bkhd->bqhd", w, v).reshape(2, 5, -1) @ p["o"]
        return x + lax.psum(out, "model")

    def reference(note, x, p):
        q, k, v = (ref.split(x @ p[n], 8) for n in "qkv")
        return x + ref.merge(ref.attend(note, q, k, v, scale=1.0)) @ p["o"]

    p = draw.weights("q k v", 8, 24) | {"o": draw.weight(24, 8)}
    return Case(fn, (draw(2, 5, 8), p), reference)
