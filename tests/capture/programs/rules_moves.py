"""Queries, scores and weights that are moved, converted or marked on their way."""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental.layout import Layout, with_layout_constraint
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from tests.capture.programs import reference as ref
from tests.capture.programs.program import Case, Draw, Registry

program = Registry(__name__)


def _inputs(draw, length=5):
    return draw(2, length, 8), draw.weights("q k v", 8, 2, 4)


def _heads(x, p):
    return tuple(jnp.einsum("btm,mhd->bhtd", x, p[n]) for n in "qkv")


def _reference(note, x, p):
    return ref.attend(note, *(ref.project(x, p[n]) for n in "qkv"))


def _mesh(kind=AxisType.Auto):
    return jax.make_mesh((1,), ("model",), axis_types=(kind,))


@program("Weights are copied, put on the device, rounded to float32 and given a layout.")
def copied_weights(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = _heads(x, p)
        w = jnp.copy(jax.nn.softmax(q @ k.mT / 2))
        w = jax.device_put(w, jax.devices()[0])
        w = lax.reduce_precision(w, exponent_bits=8, mantissa_bits=23)
        return with_layout_constraint(w, Layout(major_to_minor=(0, 1, 2, 3))) @ v

    return Case(fn, _inputs(draw), _reference)


@program("A barrier keeps weights and values together, all axes of which are of one size.")
def behind_a_barrier(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = _heads(x, p)
        w, v = lax.optimization_barrier((jax.nn.softmax(q @ k.mT / 2), v))
        return w @ v

    return Case(fn, _inputs(draw, 4), _reference)


@program("Weights have a sharding that the compiler has to keep.")
def sharding_constraint(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = _heads(x, p)
        w = jax.nn.softmax(q @ k.mT / 2)
        return lax.with_sharding_constraint(w, NamedSharding(_mesh(), P(None, "model"))) @ v

    return Case(fn, _inputs(draw), _reference)


@program("Weights are sharded anew along a mesh whose axes are part of the types.")
def resharded(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = _heads(x, p)
        w = jax.nn.softmax(q @ k.mT / 2)
        return jax.sharding.reshard(w, NamedSharding(_mesh(AxisType.Explicit), P())) @ v

    return Case(fn, _inputs(draw), _reference)


@program("In shard_map: weights that are the same on all devices meet values that are not.")
def varied_over_devices(draw: Draw) -> Case:
    @partial(
        jax.shard_map,
        mesh=_mesh(),
        in_specs=(P(), P(), P(None, "model")),
        out_specs=P(None, "model"),
    )
    def attend(q, k, v):
        return jax.nn.softmax(q @ k.mT / 2) @ v

    def fn(x, p):
        return attend(*_heads(x, p))

    def reference(note, x, p):
        return ref.attend(note, *(ref.project(x, p[n]) for n in "qkv"))

    return Case(fn, _inputs(draw), reference)


@program("In shard_map: the sum of a row over devices divides.")
def divided_by_sum_over_devices(draw: Draw) -> Case:
    @partial(
        jax.shard_map,
        mesh=_mesh(),
        in_specs=(P(), P(None, None, "model"), P(None, None, "model")),
        out_specs=P(),
    )
    def attend(q, k, v):
        e = jnp.exp(
            q @ k.mT / 2
            - lax.stop_gradient(lax.pmax((q @ k.mT / 2).max(-1, keepdims=True), "model"))
        )
        total = lax.psum(e.sum(-1, keepdims=True), "model")
        return lax.psum((e / total) @ v, "model")

    def fn(x, p):
        return attend(*_heads(x, p))

    def reference(note, x, p):
        return ref.attend(note, *(ref.project(x, p[n]) for n in "qkv"))

    return Case(fn, _inputs(draw), reference)
