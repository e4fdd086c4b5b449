"""`with_attention` on a mesh, on eight devices; run as a module of its own."""

import jax
import numpy as np
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from attnreport import with_attention
from tests.capture.attending import ROUNDING, attend, encode, numbers, projections, references
from tests.devices import report

LAYERS, X = [projections(0), projections(1)], numbers(8, 5, 8)
MESH = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
BATCH = NamedSharding(MESH, P("data"))


def check_inputs_that_are_sharded():
    """The batch lies on eight devices, and so do the weights."""
    x = jax.device_put(X, BATCH)
    _, attention = jax.jit(with_attention(encode))(LAYERS, x)
    for captured, expected in zip(attention.values(), references(LAYERS, X), strict=True):
        assert captured.weights.sharding.shard_shape(captured.weights.shape)[0] == 1
        assert abs(np.asarray(captured.weights) - expected).max() <= ROUNDING


def check_inside_of_shard_map():
    """Each device captures its own example."""

    def own(x):
        _, attention = with_attention(encode)(LAYERS, x)
        return [captured.weights for captured in attention.values()]

    found = jax.jit(jax.shard_map(own, mesh=MESH, in_specs=P("data"), out_specs=P("data")))(X)
    for weights, expected in zip(found, references(LAYERS, X), strict=True):
        assert abs(np.asarray(weights) - expected).max() <= ROUNDING


def check_around_shard_map():
    """A function that shards by itself: its weights are put together, and stay where they are."""
    layer = LAYERS[0]
    mapped = jax.shard_map(
        lambda x: attend(layer, x), mesh=MESH, in_specs=P("data"), out_specs=P("data")
    )
    output, attention = jax.jit(with_attention(mapped))(X)
    ((captured),) = attention.values()
    assert captured.axes == ("batch", "head", "query", "key")
    assert abs(np.asarray(captured.weights) - references([layer], X)[0]).max() <= ROUNDING
    assert captured.weights.sharding.shard_shape(captured.weights.shape)[0] == 1
    assert np.array_equal(output, jax.jit(mapped)(X))


if __name__ == "__main__":
    report({name: check for name, check in globals().items() if name.startswith("check_")})
