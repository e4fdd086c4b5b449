"""What only some of the versions of JAX and Flax have that attnreport works with."""

import inspect

import jax
import pytest
from flax import nnx

# Where a place in an output is told, arrays are stacked by an operation, and kernels are lean.
AFTER_0_10_0 = jax.__version_info__ > (0, 10, 0)

with_causal_flag = pytest.mark.skipif(
    "is_causal" not in inspect.signature(nnx.MultiHeadAttention.__call__).parameters,
    reason="this Flax has no `is_causal`",
)
