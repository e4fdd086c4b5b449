"""Programs over eight devices: heads, keys or examples are split, by shard_map or by sharding.

Each needs `jax.device_count() == 8`; the builders make the mesh when they are called.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from tests.capture.programs import reference as ref
from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)


def _mesh(shape=(8,), names=("model",), kind=AxisType.Auto):
    return jax.make_mesh(shape, names, axis_types=(kind,) * len(names))


def _reference(note, x, p):
    q, k, v = (ref.project(x, p[n]) for n in "qkv")
    return ref.unproject(ref.attend(note, q, k, v), p["o"])


def _inputs(draw, heads=8):
    p = draw.weights("q k v", 8, heads, 4) | {"o": draw(heads, 4, 8, scale=0.2)}
    return draw(2, 8, 8), p


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

    return Case(fn, _inputs(draw, 2), _reference)


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

    def reference(note, x, p):
        q, k, v = (ref.project(x, p[n]) for n in "qkv")
        reason = "pieces of a ring may be said instead"
        return ref.unproject(ref.attend(note, q, k, v, optional=reason), p["o"])

    return Case(fn, _inputs(draw, 2), reference)


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
