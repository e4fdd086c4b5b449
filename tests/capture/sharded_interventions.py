"""Gradients for weights and heads that are cut, over eight devices; run as a module."""

import jax
import jax.numpy as jnp
import numpy as np

from attnreport.capture import ablate_heads, attention_gradients, with_scaled_heads
from tests.capture.programs import SHARDED
from tests.devices import report

CHECKED = (
    "sharded.heads_by_shard_map",
    "sharded.examples_by_shard_map",
    "sharded_keys.causal_ring",
    "sharded.heads_by_all_to_all",
    "sharded.scan_inside_shard_map",
    "sharded_keys.keys_normalized_after",
)


def scalar(output):
    return (output**2).sum() + output.sum()


def check(name: str) -> None:
    """The slope along the scale of a head is the sum of its weights times their gradients.

    A head is cut on all devices at once, however they divide examples, queries and keys.
    """
    program = SHARDED[name]()
    _, attention, gradients = attention_gradients(program.fn, scalar)(*program.args)
    ((key, captured),) = attention.items()
    inner = tuple(at for at, axis in enumerate(captured.axes) if axis in ("batch", "query", "key"))
    of_heads = np.asarray(captured.weights * gradients[key], np.float64).sum(inner)
    run = with_scaled_heads(program.fn)(*program.args)
    slope = jax.jit(jax.grad(lambda scale: scalar(run({key: scale}))))(jnp.ones(of_heads.shape))
    np.testing.assert_allclose(of_heads, slope, atol=1e-5 * abs(np.asarray(slope)).max())
    ablation = ablate_heads(program.fn)(*program.args)
    assert len(ablation.heads) == of_heads.size
    none = jax.jit(run)({key: jnp.zeros(of_heads.shape)})
    if len(of_heads.shape) == 1:
        # One layer is linear in its heads: what each of them adds is all there is.
        added = (ablation.output - ablation.without).sum(0) + none
        np.testing.assert_allclose(added, ablation.output, atol=1e-5)


if __name__ == "__main__":
    report({name: lambda name=name: check(name) for name in CHECKED})
