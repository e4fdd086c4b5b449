"""The weights of a fused kernel, taken from the kernel itself.

Attention is linear in its values: with unit vectors in their place, its result is the weights of as
many keys as values have features. Run once for each such group of keys, a kernel gives all its
weights as it uses them, whatever its scale, masks, biases or blocks are. That it is linear, and was
read right, shows in its own result, which has to be these weights times its own values.
"""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from attnreport.capture.kernels.readings import Axes, Reading
from attnreport.capture.roles.roles import Layout


@dataclasses.dataclass(frozen=True)
class Measurement:
    """How the weights of a kernel are measured.

    Attributes:
        run: The kernel as a function of its values.
        values: Its own values.
        result: Its own result.
        reading: What the axes of values and result are.
        layout: How to bring the other axes of the result, which are neither queries nor features,
            into the order batch, head.
    """

    run: Callable[[jax.Array], jax.Array]
    values: jax.Array
    result: jax.Array
    reading: Reading
    layout: Layout

    def weights(self) -> tuple[jax.Array, jax.Array]:
        """The weights, `[batch, head, query, key]`, and how far the kernel's result is from them.

        Takes the memory of one array of weights, and of the operands and results of one run.

        Returns:
            The weights, and the largest difference of weights times values from the result,
            relative to the largest number of the result. The weights are NaN where it is too much.
        """
        keys, features = self._counts
        if keys <= features:
            weights = self._of_group(0)[..., :keys]
        else:

            def add(group: Any, weights: jax.Array) -> jax.Array:
                # The last group begins early enough to be as long as the others.
                first = jnp.minimum(group * features, keys - features)
                more = self._of_group(first)
                return lax.dynamic_update_slice_in_dim(weights, more, first, 3)

            # Every entry is written over; it varies over devices as the result does.
            own = self._rows(self.result)
            start = jnp.broadcast_to(own[..., :1], (*own.shape[:3], keys))
            weights = lax.fori_loop(0, -(-keys // features), add, start)
        sums = weights.sum(-1, keepdims=True)
        # Weights were rounded on their way out, as if they were a result, so a row may miss one.
        weights = jnp.where(jnp.abs(sums - 1) <= _ROUNDED, weights / sums, weights)
        error = self._error(weights, self.values, self.result)
        return jnp.where(error <= tolerance(self.result.dtype), weights, jnp.nan), error

    def trial(self) -> jax.Array:
        """The same difference for a single group of keys, the others without any value."""
        keys, features = self._counts
        place = self.reading.value_axes.tokens or 0
        seen = lax.broadcasted_iota(jnp.int32, self.values.shape, place) < features
        few = jnp.where(seen, self.values, jnp.zeros_like(self.values))
        weights = self._of_group(0)[..., : min(keys, features)]
        first = lax.slice_in_dim(few, 0, min(keys, features), axis=place)
        return self._error(weights, first, self.run(few))

    @property
    def _counts(self) -> tuple[int, int]:
        """How many keys there are, and how many features the values have."""
        axes, shape = self.reading.value_axes, self.values.shape
        return shape[axes.tokens or 0], shape[axes.features]

    def _of_group(self, first: Any) -> jax.Array:
        """The weights of as many keys as values have features, from the given one on."""
        axes, values = self.reading.value_axes, self.values
        key = lax.broadcasted_iota(jnp.int32, values.shape, axes.tokens or 0)
        feature = lax.broadcasted_iota(jnp.int32, values.shape, axes.features)
        units = jnp.where(key == first + feature, jnp.ones_like(values), jnp.zeros_like(values))
        return self._rows(self.run(units))

    def _rows(self, result: jax.Array) -> jax.Array:
        """A result as `[batch, head, query, feature]`, in float32."""
        return self._arranged(_ordered(result, self.reading.output_axes))

    def _error(self, weights: jax.Array, values: jax.Array, result: jax.Array) -> jax.Array:
        """The largest difference of weights times values from a result, relative to that."""
        own = self._rows(result)
        highest = lax.Precision.HIGHEST
        differences = [
            jnp.abs(jnp.einsum("bhqk,bhkd->bhqd", weights, each, precision=highest) - own).max()
            for each in map(self._arranged, _spread(values, self.reading))
        ]
        largest = jnp.maximum(jnp.abs(own).max(), jnp.finfo(jnp.float32).tiny)
        return jnp.stack(differences).min() / largest

    def _arranged(self, array: jax.Array) -> jax.Array:
        """What is ordered as `[batch, head, token, feature]`, in float32."""
        sizes, order, last = self.layout.sizes, self.layout.order, array.shape[-2:]
        apart = jnp.reshape(array, (*sizes, *last))
        apart = jnp.transpose(apart, (*order, len(order), len(order) + 1))
        return jnp.reshape(apart, (*self.layout.shape[:2], *last)).astype(jnp.float32)


def tolerance(dtype: Any) -> float:
    """How far weights times values may miss the result of a kernel, relative to its largest number.

    Accelerators may multiply float32 in the bits of bfloat16, so weights and values are rounded.
    """
    return 1e-2 if jnp.dtype(dtype).itemsize < 4 else 2**-8


def _ordered(array: jax.Array, axes: Axes) -> jax.Array:
    """An operand or result as `[others, token, feature]`."""
    if axes.tokens is None:
        return jnp.expand_dims(jnp.transpose(array, (*axes.others, axes.features)), -2)
    return jnp.transpose(array, (*axes.others, axes.tokens, axes.features))


def _spread(values: jax.Array, reading: Reading) -> Iterator[jax.Array]:
    """Ordered values, repeated along what the result has more of.

    Heads that share keys stand next to each other, or as far apart as there are heads of keys.
    """
    together = _ordered(values, reading.value_axes)
    for place, partner in enumerate(reading.partners):
        if partner is None:
            together = jnp.expand_dims(together, place)
    apart, several = together, False
    for place, count in enumerate(reading.ratios):
        if count > 1:
            several |= together.shape[place] > 1
            together = jnp.repeat(together, count, place)
            apart = jnp.concatenate([apart] * count, place)
    yield together
    if several:
        yield apart


_ROUNDED = 2**-7
