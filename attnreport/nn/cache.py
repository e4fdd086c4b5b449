"""Keys and values of the steps so far, so that a decoder computes each of them once.

The cache is a value that goes in and comes out, not variables of the module. A variable that is
changed inside `jax.lax.scan` belongs to another trace than its module, which is an error; under
`jax.vmap` it would need rules for which of its axes are mapped; and beam search has to reorder it.
A value is the carry of a scan, is mapped with a length for each example, is donated to `jax.jit`,
and is reordered by `jax.tree.map`, all without Flax knowing of it.
"""

import dataclasses

import jax
import jax.numpy as jnp
from flax.typing import Dtype
from jax.core import Tracer
from jaxtyping import Array, Bool, Float, Int

from attnreport._errors import InvalidAttentionError


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class KeyValueCache:
    """Keys and values of a decoder's self-attention, with room for steps to come.

    Attributes:
        keys: Keys, after the rotation by their positions; zeros where nothing was written.
        values: Values.
        length: How many steps were written.
    """

    keys: Float[Array, "batch capacity kv_head feature"]
    values: Float[Array, "batch capacity kv_head feature"]
    length: Int[Array, ""]

    @classmethod
    def empty(
        cls, batch: int, capacity: int, num_kv_heads: int, features: int, *, dtype: Dtype
    ) -> "KeyValueCache":
        """A cache in which nothing was written.

        Args:
            batch: Number of examples.
            capacity: Most steps that can be written.
            num_kv_heads: Number of heads of keys and values.
            features: Features of each head.
            dtype: Number format of keys and values.
        """
        zeros = jnp.zeros((batch, capacity, num_kv_heads, features), dtype)
        return cls(zeros, zeros, jnp.zeros((), jnp.int32))

    @property
    def positions(self) -> Int[Array, " capacity"]:
        """The position of each key."""
        return jnp.arange(self.keys.shape[1], dtype=jnp.int32)

    def next_positions(self, steps: int) -> Int[Array, " steps"]:
        """The positions of the steps that are written next.

        Args:
            steps: How many.
        """
        return self.length + jnp.arange(steps, dtype=jnp.int32)

    def visible(self, steps: int) -> Bool[Array, "steps capacity"]:
        """A causal mask for the steps that are written next: each sees itself and all before.

        Args:
            steps: How many.
        """
        return self.positions <= self.next_positions(steps)[:, None]

    def extended(
        self,
        keys: Float[Array, "batch step kv_head feature"],
        values: Float[Array, "batch step kv_head feature"],
    ) -> "KeyValueCache":
        """The cache with further steps.

        A compiled program cannot raise, so there, steps for which there is no room become NaN:
        every output from then on is NaN, and not silently wrong.

        Args:
            keys: Keys of the steps.
            values: Values of the steps.

        Raises:
            InvalidAttentionError: There is no room for them.
        """
        steps, capacity = keys.shape[1], self.keys.shape[1]
        length = self.length + steps
        known = not isinstance(length, Tracer)
        if steps > capacity or (known and length > capacity):
            raise InvalidAttentionError(
                f"{steps} steps do not fit into a cache of {capacity} after those that are in it. "
                "Make the empty cache with a larger `capacity`."
            )

        def written(old: Array, new: Array) -> Array:
            new = jnp.where(length <= capacity, new.astype(old.dtype), jnp.nan)
            return jax.lax.dynamic_update_slice_in_dim(old, new, self.length, axis=1)

        return KeyValueCache(written(self.keys, keys), written(self.values, values), length)
