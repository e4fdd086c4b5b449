"""Every attention module, made small, for the tests of what all of them have in common.

To add a module, add a line to `FAMILY`.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from attnreport.nn import (
    SCORES,
    AdditiveAttention,
    Attention,
    AttentionPooling,
    ClassTokenPooling,
    GlobalLocalAttention,
    HierarchicalPooling,
    LatentPooling,
    MultiHeadAttention,
    PredictedWindow,
    SelfAttentivePooling,
    make_score,
)


def drawn(make: Callable[..., Any], **options: Any) -> Any:
    """A module with parameters of which none is zero or one, as they often begin.

    Args:
        make: Makes the module; called with `rngs` and the options.
        options: What else it is called with.
    """
    numbers = np.random.default_rng(0)

    def filled(variable: nnx.Variable) -> nnx.Variable:
        value = variable.get_value()
        if isinstance(variable, nnx.RngKey):
            return variable.replace(jax.random.key(0))
        if isinstance(variable, nnx.Param):
            return variable.replace(
                jnp.asarray(numbers.normal(scale=0.5, size=value.shape), value.dtype)
            )
        return variable.replace(jnp.zeros(value.shape, value.dtype))

    # To draw what a module begins with would be compiled for every shape.
    graph, state = nnx.split(nnx.eval_shape(lambda: make(rngs=nnx.Rngs(0), **options)))
    state = jax.tree.map(filled, state, is_leaf=lambda leaf: isinstance(leaf, nnx.Variable))
    module = nnx.merge(graph, state)
    module.eval()
    return module


@dataclasses.dataclass(frozen=True)
class Member:
    """One module, and what it is called with.

    Attributes:
        make: Makes it; called with `rngs` and `dtype`.
        shapes: Shapes of its inputs, without the batch. An array in place of a shape is given as it
            is, to each example.
        mask: Shape of its mask without the batch, which hides keys in its last axis; all
            queries and all keys of the last input if left out.
        own: How many keys it puts in front of those of its input, which no mask hides.
        normalized: Whether the weights of a query sum to one.
        captured: Whether `capture_attention` finds the weights that it returns.
    """

    make: Callable[..., nnx.Module]
    shapes: tuple[Any, ...]
    mask: tuple[int, ...] | None = None
    own: int = 0
    normalized: bool = True
    captured: bool = True

    def module(self, dtype: Any = None) -> Callable[..., Any]:
        return drawn(self.make, dtype=dtype)

    def inputs(self, batch: int = 3, dtype: Any = jnp.float32) -> tuple[jax.Array, ...]:
        numbers = np.random.default_rng(1)
        return tuple(
            jnp.asarray(numbers.normal(size=(batch, *shape)), dtype)
            if isinstance(shape, tuple)
            else jnp.asarray(np.broadcast_to(shape, (batch, *shape.shape)))
            for shape in self.shapes
        )

    def masks(self, batch: int = 3) -> jax.Array:
        """Hides all of the first example and the last key of the second."""
        floats = [shape for shape in self.shapes if isinstance(shape, tuple)]
        shape = (1, 1, floats[-1][0]) if self.mask is None else self.mask
        mask = np.ones((batch, *shape), bool)
        mask[0] = mask[1, ..., -1] = False
        return jnp.asarray(mask)


TWO, ONE, DOCUMENT = ((3, 6), (5, 6)), ((5, 6),), ((4, 5, 6),)
FIRST = np.arange(5) == 0


def scored(name: str, **window: Any) -> Callable[..., Attention]:
    def make(*, rngs: nnx.Rngs, dtype: Any) -> Attention:
        score = make_score(name, 6, 6, 4, rngs=rngs, dtype=dtype)
        chosen = PredictedWindow(6, 4, rngs=rngs, dtype=dtype, **window) if window else None
        return Attention(score, window=chosen)

    return make


def scattered(**options: Any) -> GlobalLocalAttention:
    return GlobalLocalAttention(2, 6, before=1, after=1, **options)


# A line each, so that two authors do not meet on one.
# fmt: off
FAMILY = {
    "additive": Member(lambda **o: AdditiveAttention(6, 6, 4, **o), TWO),
    **{f"{name} score": Member(scored(name), TWO) for name in SCORES},
    "local-p": Member(scored("general", reach=2), TWO, normalized=False, captured=False),
    "local-p, normalized": Member(scored("general", reach=2, normalized=True), TWO),
    "multi-head": Member(lambda **o: MultiHeadAttention(2, 6, **o), TWO),
    "multi-head self": Member(lambda **o: MultiHeadAttention(2, 6, **o), ONE),
    "global and local": Member(scattered, ((5, 6), FIRST)),
    "pooling": Member(lambda **o: AttentionPooling(6, 4, **o), ONE),
    "self-attentive": Member(lambda **o: SelfAttentivePooling(6, 4, 3, **o), ONE),
    "hierarchical": Member(lambda **o: HierarchicalPooling(6, 4, 3, **o), DOCUMENT, mask=(4, 5)),
    "class token": Member(lambda **o: ClassTokenPooling(2, 6, **o), ONE, own=1),
    "latents": Member(lambda **o: LatentPooling(2, 6, latents=3, latent_features=8, **o), ONE),
}
# fmt: on
