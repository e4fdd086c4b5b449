"""Segments of keys with a softmax each, merged by the logarithms of their sums of exponentials."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, PartitionSpec

from tests.capture.programs import reference as ref
from tests.capture.programs.program import Case, Draw, Registry
from tests.capture.programs.two_heads import heads, inputs, plain

program = Registry(__name__)


def _attend(q, k, v):
    """The result of a segment, and the logarithm of the sum of its exponentials."""
    logits = q @ k.mT / 2
    return jax.nn.softmax(logits) @ v, jax.nn.logsumexp(logits, axis=-1, keepdims=True)


def _attend_late(q, k, v):
    """The same, divided by the sum after the product."""
    logits = q @ k.mT / 2
    top = logits.max(-1, keepdims=True)
    exponentials = jnp.exp(logits - top)
    total = exponentials.sum(-1, keepdims=True)
    return exponentials @ v / total, top + jnp.log(total)


def _two(attend, merge):
    """The past and the tokens themselves, each attended to alone."""

    def fn(x, old, p):
        q, k, v = heads(x, p)
        past = attend(q, *(jnp.einsum("btm,mhd->bhtd", old, p[n]) for n in "kv"))
        return merge(*past, *attend(q, k, v))

    return fn


def _joint(note, x, old, p):
    q = ref.project(x, p["q"])
    k, v = (np.concatenate([ref.project(old, p[n]), ref.project(x, p[n])], 2) for n in "kv")
    return ref.attend(note, q, k, v)


def _old_and_new(draw: Draw):
    return draw(2, 2, 8), draw(2, 4, 8), draw.weights("q k v", 8, 2, 4)


def _by_logaddexp(first, lse, second, other):
    both = jnp.logaddexp(lse, other)
    return jnp.exp(lse - both) * first + jnp.exp(other - both) * second


@program("Each result times the exponential of its log-sum-exp less that of both.")
def shares_by_logaddexp(draw: Draw) -> Case:
    return Case(_two(_attend, _by_logaddexp), _old_and_new(draw), _joint)


@program("The same where each segment is divided by its sum after the product.")
def shares_after_a_late_division(draw: Draw) -> Case:
    return Case(_two(_attend_late, _by_logaddexp), _old_and_new(draw), _joint)


@program("The share of the first is a sigmoid of the difference, that of the second the rest.")
def shares_by_sigmoid(draw: Draw) -> Case:
    def merge(first, lse, second, other):
        share = jax.nn.sigmoid(lse - other)
        return share * first + (1 - share) * second

    return Case(_two(_attend, merge), _old_and_new(draw), _joint)


@program("Shares are a softmax over the two log-sum-exps side by side, cut apart again.")
def shares_cut_apart(draw: Draw) -> Case:
    def merge(first, lse, second, other):
        shares = jax.nn.softmax(jnp.concatenate([lse, other], axis=-1))
        return shares[..., :1] * first + shares[..., 1:] * second

    return Case(_two(_attend, merge), _old_and_new(draw), _joint)


@program("Flash decoding: keys split along an axis of their own, merged by a sum over it.")
def split_keys(draw: Draw) -> Case:
    def fn(x, p):
        q, k, v = heads(x, p)
        parts = [jnp.moveaxis(y.reshape(2, 2, 3, 2, 4), 2, 0) for y in (k, v)]
        results, lse = jax.vmap(_attend, (None, 0, 0))(q, *parts)
        return (jnp.exp(lse - jax.nn.logsumexp(lse, axis=0)) * results).sum(0)

    return Case(fn, inputs(draw, 6), plain)


def _scanned(merge, empty):
    """Merges one block of keys after the other into what the loop carries."""

    def fn(x, p):
        q, k, v = heads(x, p)
        blocks = tuple(jnp.moveaxis(y.reshape(2, 2, 3, 2, 4), 2, 0) for y in (k, v))

        def step(carry, block):
            return merge(*carry, *_attend(q, *block)), None

        first = jnp.zeros(q.shape), jnp.full((*q.shape[:3], 1), empty)
        return lax.scan(step, first, blocks)[0][0]

    return fn


@program("A loop over blocks that carries the result and the logarithm of its sum.")
def blocks_by_logaddexp(draw: Draw) -> Case:
    def merge(result, lse, block, other):
        return _by_logaddexp(result, lse, block, other), jnp.logaddexp(lse, other)

    return Case(_scanned(merge, -np.inf), inputs(draw, 6), plain)


@program("A loop that moves the result towards each block by a sigmoid share (ring attention).")
def blocks_by_sigmoid(draw: Draw) -> Case:
    def merge(result, lse, block, other):
        share = jax.nn.sigmoid(other - lse)
        return result - share * (result - block), jnp.logaddexp(lse, other)

    return Case(_scanned(merge, -1e30), inputs(draw, 6), plain)


@program("Ring attention of one device: a loop hands keys and values on to itself.")
def ring_of_one(draw: Draw) -> Case:
    def step(carry, _):
        result, lse, q, k, v = carry
        block, other = _attend(q, k, v)
        k, v = (lax.ppermute(each, "ring", [(0, 0)]) for each in (k, v))
        return (_by_logaddexp(result, lse, block, other), jnp.logaddexp(lse, other), q, k, v), None

    def attend(x, p):
        q, k, v = heads(x, p)
        first = jnp.zeros(q.shape), jnp.full((*q.shape[:3], 1), -jnp.inf), q, k, v
        return lax.scan(step, first, length=1)[0][0]

    def fn(x, p):
        mesh = Mesh(np.array(jax.devices()[:1]), ("ring",))
        specs = PartitionSpec(None, "ring"), PartitionSpec()
        out = PartitionSpec(None, None, "ring")
        ring = jax.shard_map(attend, mesh=mesh, in_specs=specs, out_specs=out, check_vma=False)
        return ring(x, p)

    def reference(note, x, p):
        q, k, v = (ref.project(x, p[n]) for n in "qkv")
        # Only their names tell the tokens from the matrices, of which either may come first.
        w = note(ref.softmax(ref.logits_of(q, k)), also_kinds=("cross",))
        return ref.mix(w, v)

    return Case(fn, inputs(draw), reference)
