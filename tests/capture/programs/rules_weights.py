"""What lies between the softmax and the values, in denominators and behind the values."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.extend.core.primitives import add_jaxvals_p
from jax.sharding import PartitionSpec as P

from tests.capture.programs import reference as ref
from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)


def _inputs(draw):
    return draw(2, 5, 8), draw.weights("q k v", 8, 2, 4)


def _heads(x, p):
    return tuple(jnp.einsum("btm,mhd->bhtd", x, p[n]) for n in "qkv")


def _ref_heads(x, p):
    return tuple(ref.project(x, p[n]) for n in "qkv")


def _attention(note, x, p):
    return ref.attend(note, *_ref_heads(x, p))


def _unchecked(fn):
    """A function of heads in `shard_map`, which does not look for what varies over devices."""
    mesh = jax.make_mesh((1,), ("m",))

    def of_model(x, p):
        shard = jax.shard_map(fn, mesh=mesh, in_specs=P(), out_specs=P(), check_vma=False)
        return shard(*_heads(x, p))

    return of_model


@program("Weights are turned round, padded, cut and summed along the heads and the queries.")
def parts_of_weights(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = _heads(x, p)
        w = jax.nn.softmax(q @ k.mT / 2)[:, jnp.array([1, 0])]
        w = jnp.pad(lax.rev(jnp.cumsum(w, 2), (2,)), ((0, 0), (0, 0), (1, 2), (0, 0)))
        w, _ = jnp.split(lax.dynamic_slice(w, (0, 0, 1, 0), (2, 2, 7, 5)), (5,), 2)
        return w @ v

    def reference(note, x, p):
        q, k, v = _ref_heads(x, p)
        w = note(ref.softmax(ref.logits_of(q, k)))[:, ::-1]
        return ref.mix(w.cumsum(2)[:, :, ::-1], v)

    return Case(fn, _inputs(draw), reference)


@program("Weights are negated, written into a buffer, and added to themselves.")
def written_weights(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = _heads(x, p)
        w = -jax.nn.softmax(q @ k.mT / 2)
        w = lax.dynamic_update_slice(jnp.zeros((2, 2, 5, 5)), w, (0, 0, 0, 0))
        return add_jaxvals_p.bind(w, w) @ v

    def reference(note, x, p):
        q, k, v = _ref_heads(x, p)
        return ref.mix(-2 * note(ref.softmax(ref.logits_of(q, k))), v)

    return Case(fn, _inputs(draw), reference)


@program("In shard_map without checks: weights are summed over devices.")
def summed_over_devices(draw: Draw) -> Case:
    @_unchecked
    def fn(q, k, v):
        return lax.psum(jax.nn.softmax(q @ k.mT / 2), "m") @ v

    return Case(fn, _inputs(draw), _attention)


@program("In shard_map: weights that vary over devices are summed over them.")
def summed_over_devices_checked(draw: Draw) -> Case:
    mesh = jax.make_mesh((1,), ("m",))

    def attend(q, k, v):
        w = lax.pcast(jax.nn.softmax(q @ k.mT / 2), "m", to="varying")
        return lax.psum(w, "m") @ v

    def fn(x, p):
        return jax.shard_map(attend, mesh=mesh, in_specs=P(), out_specs=P())(*_heads(x, p))

    return Case(fn, _inputs(draw), _attention)


@program("In shard_map without checks: the sum of a row over devices divides.")
def divided_over_devices(draw: Draw) -> Case:
    @_unchecked
    def fn(q, k, v):
        e = jnp.exp(q @ k.mT / 2)
        return (e / lax.psum(e.sum(-1, keepdims=True), "m")) @ v

    return Case(fn, _inputs(draw), _attention)


@program("In shard_map without checks: sums over devices are divided after the values.")
def divided_over_devices_later(draw: Draw) -> Case:
    @_unchecked
    def fn(q, k, v):
        e = jnp.exp(q @ k.mT / 2)
        return lax.psum(e @ v, "m") / lax.psum(e.sum(-1, keepdims=True), "m")

    return Case(fn, _inputs(draw), _attention)


def _kept_from_zero(total):
    total = add_jaxvals_p.bind(jnp.abs(total), jnp.zeros_like(total))
    return lax.clamp(1e-30, jnp.minimum(jnp.maximum(total, 1e-30), 1e30), 1e30)


@program("The sum of a row is kept from zero and infinity in many ways before it divides.")
def bounded_denominator(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = _heads(x, p)
        e = jnp.exp(q @ k.mT / 2)
        return (e / _kept_from_zero(e.sum(-1, keepdims=True))) @ v

    return Case(fn, _inputs(draw), _attention)


@program("The same, where the result is divided instead of the weights.")
def bounded_denominator_later(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = _heads(x, p)
        e = jnp.exp(q @ k.mT / 2)
        total = e.sum(-1, keepdims=True)
        total = jnp.where(total > 0, total, 1.0) * 1.0
        out = add_jaxvals_p.bind(e @ v, jnp.zeros_like(v))
        return out / _kept_from_zero(total)

    return Case(fn, _inputs(draw), _attention)


def _there_and_back(x):
    """The same numbers, by way of a buffer, logarithms, differences and inverses."""
    x = jnp.maximum(jnp.where(x == 0, 1e-30, x), 1e-30)
    x = add_jaxvals_p.bind(jnp.exp(jnp.log(x)) - 0.0, jnp.zeros_like(x))
    x = lax.dynamic_update_slice(jnp.zeros((3, *x.shape[1:])), x, (0, 0, 0, 0))[:2]
    return 1 / lax.integer_pow(x, -1)


@program("Running sums of blocks of keys go through many operations before they divide.")
def blocks_with_detours(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = _heads(x, p)
        blocks = tuple(jnp.moveaxis(z.reshape(2, 2, 3, 2, 4), 2, 0) for z in (k, v))

        def step(carry, block):
            total, out = carry
            e = jnp.exp(q @ block[0].mT / 2)
            return (total + e.sum(-1, keepdims=True), out + e @ block[1]), None

        first = jnp.zeros((2, 2, 6, 1)), jnp.zeros((2, 2, 6, 4))
        (total, out), _ = lax.scan(step, first, blocks)
        return out / _there_and_back(total)

    return Case(fn, (draw(2, 6, 8), draw.weights("q k v", 8, 2, 4)), _attention)


@program("Models side by side, whose results go through many operations before heads meet.")
def models_with_detours(draw: Draw) -> Case:
    def model(x, p):
        q, k, v = _heads(x, p)
        out = jnp.moveaxis(jax.nn.softmax(q @ k.mT / 2) @ v, 1, 2)
        out = add_jaxvals_p.bind((out + 0.5 - 0.25) * 2.0 / 4.0, jnp.zeros_like(out))
        out = jnp.where(out > 3.0, 3.0, jnp.concatenate([out, out], 1)[:, :5])
        return jnp.einsum("bthd,hdm->btm", out, p["o"])

    def fn(x, p):
        return jax.vmap(model, (None, 0))(x, p)

    def one(x, p):
        q, k, v = _ref_heads(x, p)
        return q, k, v

    def reference(note, x, p):
        parts = [one(x, {n: p[n][m] for n in "qkv"}) for m in range(2)]
        w = note(np.concatenate([ref.softmax(ref.logits_of(q, k)) for q, k, _ in parts]))
        out = ref.mix(w, np.concatenate([v for *_, v in parts]))
        out = np.minimum((out + 0.25) / 2, 3.0).reshape(2, 2, 2, 5, 4)
        return np.einsum("nbhtd,nhdm->nbtm", out, p["o"])

    p = {n: np.stack([draw.weight(8, 2, 4) for _ in range(2)]) for n in "qkv"}
    return Case(fn, (draw(2, 5, 8), {**p, "o": draw(2, 2, 4, 8)}), reference)
