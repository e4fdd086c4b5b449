"""Programs over eight devices: heads, queries or examples are split, by shard_map or by sharding.

The builders make the mesh when they are called. Without eight devices, those by shard_map can be
traced but not run.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from tests.capture.programs import reference as ref
from tests.capture.programs.mesh import attend, attended, inputs_of, mesh_of
from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)


HEADS = {"q": P(None, "model"), "k": P(None, "model"), "v": P(None, "model"), "o": P("model")}


@program("shard_map over heads, outputs added by psum (tensor parallel).")
def heads_by_shard_map(draw: Draw) -> Case:
    mesh = mesh_of()

    @partial(jax.shard_map, mesh=mesh, in_specs=(P(), HEADS), out_specs=P())
    def fn(x, p):
        return lax.psum(attend(x, p), "model")

    return Case(fn, inputs_of(draw), attended)


@program("shard_map over examples (data parallel), two axes in the mesh.")
def examples_by_shard_map(draw: Draw) -> Case:
    mesh = mesh_of((4, 2), ("data", "model"))

    @partial(jax.shard_map, mesh=mesh, in_specs=(P("data"), P()), out_specs=P("data"))
    def fn(x, p):
        return attend(x, p)

    _, p = inputs_of(draw, 2)
    return Case(fn, (draw(8, 5, 8), p), attended)


@program("No shard_map: parameters are sharded over heads, the compiler divides the work.")
def heads_by_sharding(draw: Draw) -> Case:
    mesh = mesh_of()
    x, p = inputs_of(draw)
    p = {name: jax.device_put(y, NamedSharding(mesh, HEADS[name])) for name, y in p.items()}
    return Case(attend, (jax.device_put(x, NamedSharding(mesh, P())), p), attended)


@program("A scan over layers inside shard_map over examples and heads.")
def scan_inside_shard_map(draw: Draw) -> Case:
    mesh = mesh_of((2, 4), ("data", "model"))
    specs = {name: P(None, *spec) for name, spec in HEADS.items()}

    @partial(jax.shard_map, mesh=mesh, in_specs=(P("data"), specs), out_specs=P("data"))
    def fn(x, p):
        def layer(x, p):
            return x + lax.psum(attend(x, p), "model"), None

        return lax.scan(layer, x, p)[0]

    def reference(note, x, p):
        for layer in range(2):
            q, k, v = (ref.project(x, p[n][layer]) for n in "qkv")
            x = x + ref.unproject(ref.attend(note, q, k, v, layer=layer), p["o"][layer])
        return x

    p = {n: draw(2, 8, 4, 4, scale=0.4) for n in "qkv"} | {"o": draw(2, 4, 4, 8, scale=0.2)}
    return Case(fn, (draw(4, 5, 8), p), reference)


@program("Queries are divided, keys and values gathered from all devices (sequence parallel).")
def queries_by_shard_map(draw: Draw) -> Case:
    spec = P(None, "model")

    @partial(jax.shard_map, mesh=mesh_of(), in_specs=(spec, P()), out_specs=spec)
    def fn(x, p):
        q, k, v = (jnp.einsum("btm,mhd->bhtd", x, p[n]) for n in "qkv")
        k, v = (lax.all_gather(each, "model", axis=2, tiled=True) for each in (k, v))
        return jnp.einsum("bhtd,hdm->btm", jax.nn.softmax(q @ k.mT / 2) @ v, p["o"])

    _, p = inputs_of(draw, 3)
    return Case(fn, (draw(2, 16, 8), p), attended)


@program("Tokens are divided outside of attention and heads inside, by two all-to-alls.")
def heads_by_all_to_all(draw: Draw) -> Case:
    spec = P(None, "model")

    @partial(jax.shard_map, mesh=mesh_of(), in_specs=(spec, P()), out_specs=spec)
    def fn(x, p):
        q, k, v = (
            lax.all_to_all(jnp.einsum("btm,mhd->bhtd", x, p[n]), "model", 1, 2, tiled=True)
            for n in "qkv"
        )
        mixed = jax.nn.softmax(q @ k.mT / 2) @ v
        mixed = lax.all_to_all(mixed, "model", 2, 1, tiled=True)
        return jnp.einsum("bhtd,hdm->btm", mixed, p["o"])

    _, p = inputs_of(draw, 16)
    return Case(fn, (draw(2, 24, 8), p), attended)


@program("Examples are divided, and so are parameters, which each device gathers (FSDP).")
def gathered_parameters(draw: Draw) -> Case:
    _, p = inputs_of(draw, 2)
    specs = {name: P("model") if name != "o" else P(None, None, "model") for name in p}

    @partial(jax.shard_map, mesh=mesh_of(), in_specs=(P("model"), specs), out_specs=P("model"))
    def fn(x, p):
        whole = {
            n: lax.all_gather(w, "model", axis=0 if n != "o" else 2, tiled=True)
            for n, w in p.items()
        }
        return attend(x, whole)

    return Case(fn, (draw(16, 5, 8), p), attended)


@program("Examples over one axis of the mesh and heads over the other, two heads a device.")
def examples_and_heads(draw: Draw) -> Case:
    mesh = mesh_of((4, 2), ("data", "model"))

    @partial(jax.shard_map, mesh=mesh, in_specs=(P("data"), HEADS), out_specs=P("data"))
    def fn(x, p):
        return lax.psum(attend(x, p), "model")

    _, p = inputs_of(draw, 4)
    return Case(fn, (draw(8, 5, 8), p), attended)


@program("Each device attends within its own tokens, so blocks of a sequence stay apart.")
def local_by_shard_map(draw: Draw) -> Case:
    spec = P(None, "model")
    fn = jax.shard_map(attend, mesh=mesh_of(), in_specs=(spec, P()), out_specs=spec)

    def reference(note, x, p):
        parts = []
        for block in range(8):
            own = x[:, 3 * block : 3 * block + 3]
            q, k, v = (ref.project(own, p[n]) for n in "qkv")
            parts.append(ref.unproject(ref.attend(note, q, k, v, layer=block), p["o"]))
        return np.concatenate(parts, axis=1)

    _, p = inputs_of(draw, 2)
    return Case(fn, (draw(2, 24, 8), p), reference)


@program("One example a device, and parameters that each device gathers.")
def one_example_each(draw: Draw) -> Case:
    _, p = inputs_of(draw, 16)
    specs = {name: P(None, "model") if name != "o" else P("model") for name in p}

    @partial(jax.shard_map, mesh=mesh_of(), in_specs=(P("model"), specs), out_specs=P("model"))
    def fn(x, p):
        whole = {
            n: lax.all_gather(w, "model", axis=1 if n != "o" else 0, tiled=True)
            for n, w in p.items()
        }
        return attend(x, whole)

    return Case(fn, (draw(8, 5, 8), p), attended)


@program("Columns of a picture are divided, so that queries of a device lie apart.")
def columns_by_shard_map(draw: Draw) -> Case:
    spec = P(None, None, "model")

    @partial(jax.shard_map, mesh=mesh_of(), in_specs=(spec, P()), out_specs=spec)
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

    _, p = inputs_of(draw, 3)
    return Case(fn, (draw(2, 3, 16, 8), p), reference)


@program("Stages of a pipeline: each device has a layer of its own and hands on what it makes.")
def stages_of_a_pipeline(draw: Draw) -> Case:
    p = {name: draw(8, 8, 8, scale=0.3) for name in "qkv"}

    @partial(jax.shard_map, mesh=mesh_of(), in_specs=(P("model"), P()), out_specs=P())
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

    @partial(jax.shard_map, mesh=mesh_of(), in_specs=(P(), specs), out_specs=P())
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


def _exchanged(there, back):
    """Tokens divided outside of attention and heads inside, which are put in another order first.

    Where devices do not have heads that lie side by side, each device has a map.
    """
    spec = P(None, "model")

    @partial(jax.shard_map, mesh=mesh_of(), in_specs=(spec, P()), out_specs=spec)
    def fn(x, p):
        q, k, v = (there(jnp.einsum("btm,mhd->bhtd", x, p[n])) for n in "qkv")
        mixed = back(jax.nn.softmax(q @ k.mT / 2) @ v)
        return jnp.einsum("bhtd,hdm->btm", mixed, p["o"])

    return fn


def _every_eighth(note, x, p):
    q, k, v = (ref.project(x, p[n]) for n in "qkv")
    mixed = np.zeros_like(q)
    for device in range(8):
        own = np.s_[:, device::8]
        mixed[own] = ref.attend(note, q[own], k[own], v[own], shard=device)
    return ref.unproject(mixed, p["o"])


def _turned(x, outer):
    """Heads in groups, the groups' places first."""
    apart = x.reshape(2, outer, 16 // outer, *x.shape[2:])
    return apart.swapaxes(1, 2).reshape(x.shape)


@program("Each device gets every eighth head: they are put in that order before an all-to-all.")
def every_eighth_head(draw: Draw) -> Case:
    fn = _exchanged(
        lambda y: lax.all_to_all(_turned(y, 2), "model", 1, 2, tiled=True),
        lambda y: _turned(lax.all_to_all(y, "model", 2, 1, tiled=True), 8),
    )
    _, p = inputs_of(draw, 16)
    return Case(fn, (draw(2, 24, 8), p), _every_eighth)


@program("The same by slices with a stride.")
def heads_by_strides(draw: Draw) -> Case:
    def every(y, count):
        return jnp.concatenate([y[:, i::count] for i in range(count)], 1)

    fn = _exchanged(
        lambda y: lax.all_to_all(every(y, 8), "model", 1, 2, tiled=True),
        lambda y: every(lax.all_to_all(y, "model", 2, 1, tiled=True), 2),
    )
    _, p = inputs_of(draw, 16)
    return Case(fn, (draw(2, 24, 8), p), _every_eighth)


@program("The same by an all-to-all that puts what came from the devices along a new axis.")
def heads_to_blocks_of_devices(draw: Draw) -> Case:
    def there(y):
        return lax.all_to_all(y.reshape(2, 2, 8, 3, 4), "model", 2, 2).reshape(2, 2, 24, 4)

    def back(y):
        return lax.all_to_all(y.reshape(2, 2, 8, 3, 4), "model", 2, 2).reshape(2, 16, 3, 4)

    _, p = inputs_of(draw, 16)
    return Case(_exchanged(there, back), (draw(2, 24, 8), p), _every_eighth)


@program("Each device has one example, whose windows are its batch.")
def windows_of_one_example(draw: Draw) -> Case:
    spec = P("model")

    @partial(jax.shard_map, mesh=mesh_of(), in_specs=(spec, P()), out_specs=spec)
    def fn(x, p):
        return attend(x.reshape(-1, 3, 8), p).reshape(x.shape)

    def reference(note, x, p):
        return attended(note, x.reshape(32, 3, 8), p).reshape(x.shape)

    _, p = inputs_of(draw, 2)
    return Case(fn, (draw(8, 12, 8), p), reference)
