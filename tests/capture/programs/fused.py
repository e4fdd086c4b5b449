"""Small attention kernels in Pallas that programs and tests share, run by its interpreter."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import pallas as pl


def attend(q, k, v, scale=0.5, change=lambda scores: scores):
    """One head: `[query feature]`, `[key feature]` and `[key feature]`."""
    return jax.nn.softmax(change(q @ k.T * scale)) @ v


def over_heads(
    body: Callable[..., Any],
    q: Any,
    k: Any,
    v: Any,
    *more: Any,
    heads: int = 1,
    each: Sequence[tuple[int, int]] = (),
    apart: bool = False,
    name: str = "fused",
) -> Any:
    """Runs a kernel for each entry of batch and heads; keys may have fewer heads than queries.

    Args:
        body: From blocks of the operands to the block of the result.
        q: Queries, `[batch head query feature]` or, with heads after tokens, as `heads` says.
        k: Keys in the same order.
        v: Values in the same order.
        more: Other operands.
        heads: The axis of the heads.
        each: For each other operand its axes that go with batch and head; -1 for none.
        apart: Whether heads that share keys do not stand next to each other.
        name: What the kernel is called.
    """

    def kernel(*refs):
        *inputs, out_ref = refs
        out_ref[...] = body(*(ref[...] for ref in inputs)).astype(out_ref.dtype)

    few = k.shape[heads]

    def shared(head):
        return head % few if apart else head // (q.shape[heads] // few)

    others = [
        block(array.shape, batch, head) for array, (batch, head) in zip(more, each, strict=True)
    ]
    return pl.pallas_call(
        kernel,
        grid=(q.shape[0], q.shape[heads]),
        in_specs=[
            block(q.shape, 0, heads),
            block(k.shape, 0, heads, shared),
            block(v.shape, 0, heads, shared),
            *others,
        ],
        out_specs=block((*q.shape[:-1], v.shape[-1]), 0, heads),
        out_shape=jax.ShapeDtypeStruct((*q.shape[:-1], v.shape[-1]), q.dtype),
        interpret=True,
        name=name,
    )(q, k, v, *more)


def block(
    shape: Sequence[int], batch: int, head: int, entry: Callable[[Any], Any] = lambda head: head
) -> pl.BlockSpec:
    """The whole of every axis but those of batch and head, of which `entry` chooses one."""
    sizes = tuple(None if axis in (batch, head) else size for axis, size in enumerate(shape))

    def index(b, h):
        at = {batch: b, head: entry(h)}
        return tuple(at.get(axis, 0) for axis in range(len(shape)))

    return pl.BlockSpec(sizes, index)


def causal(scores):
    return jnp.where(jnp.tri(*scores.shape, dtype=bool), scores, -1e30)


def cap(scores, limit=2.0):
    return jnp.tanh(scores / limit) * limit
