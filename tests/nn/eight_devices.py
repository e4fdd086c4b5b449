"""Every attention module over a mesh, on eight devices; run as a module of its own."""

import functools

import jax
import numpy as np
from flax import nnx
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from tests.compiling import optimize
from tests.devices import report
from tests.nn.family import FAMILY, Member

MESH = jax.make_mesh((4, 2), ("data", "model"), axis_types=(AxisType.Auto,) * 2)
BATCH = 8


def over_devices(leaf):
    """A parameter, its last axis in two parts if it has an even number of them."""
    parts = leaf.ndim and leaf.shape[-1] % 2 == 0
    axes = (*(None,) * (leaf.ndim - 1), "model") if parts else ()
    return jax.device_put(leaf, NamedSharding(MESH, P(*axes)))


def check(member: Member) -> None:
    inputs, options = member.inputs(BATCH), member.options(BATCH)
    graph, parameters, rest = nnx.split(member.module(), nnx.Param, ...)

    @jax.jit
    def call(parameters, inputs, options):
        module = nnx.merge(graph, parameters, rest)
        return module(*inputs, **options, return_weights=True)

    expected = call(parameters, inputs, options)
    split = jax.device_put((inputs, options), NamedSharding(MESH, P("data")))
    found = call(jax.tree.map(over_devices, parameters), *split)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert len(one.sharding.device_set) == 8
        assert one.sharding.shard_shape(one.shape)[0] == one.shape[0] // 4
        np.testing.assert_allclose(one, other, atol=1e-5)


if __name__ == "__main__":
    optimize(much=False)
    report({name: functools.partial(check, member) for name, member in FAMILY.items()})
