"""Every attention module, made small, for the tests of what all of them have in common.

To add a module, add a line to `FAMILY`.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from attnreport.nn import (
    CBAM,
    SCORES,
    AdditiveAttention,
    Alibi,
    Attention,
    AttentionPooling,
    ChannelAttention,
    ClassTokenPooling,
    EfficientChannelAttention,
    GlobalLocalAttention,
    HierarchicalPooling,
    LatentPooling,
    MultiHeadAttention,
    NonLocalBlock,
    PatchEmbedding,
    PredictedWindow,
    RelativeBias,
    Rotary,
    SelfAttentivePooling,
    SpatialAttention,
    SqueezeExcitation,
    WindowAttention,
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
            queries and all keys of the last input if left out. Nothing if it takes none.
        own: How many keys it puts in front of those of its input, which no mask hides.
        normalized: Whether the weights of a query sum to one.
        captured: Whether `capture_attention` finds the weights that it returns.
        kind: What a recording says it is.
    """

    make: Callable[..., nnx.Module]
    shapes: tuple[Any, ...]
    mask: tuple[int, ...] | Literal["none"] | None = None
    own: int = 0
    normalized: bool = True
    captured: bool = True
    kind: str = "self"

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

    def options(self, batch: int = 3) -> dict[str, jax.Array]:
        """A mask that hides all of the first example and the last key of the second, if any."""
        if self.mask == "none":
            return {}
        floats = [shape for shape in self.shapes if isinstance(shape, tuple)]
        shape = (1, 1, floats[-1][0]) if self.mask is None else self.mask
        mask = np.ones((batch, *shape), bool)
        mask[0] = mask[1, ..., -1] = False
        return {"mask": jnp.asarray(mask)}


TWO, ONE, DOCUMENT, IMAGE = ((3, 6), (5, 6)), ((5, 6),), ((4, 5, 6),), ((4, 6, 8),)
FIRST = np.arange(5) == 0
HALVES = Rotary(halves=True)


def scored(name: str, **window: Any) -> Callable[..., Attention]:
    def make(*, rngs: nnx.Rngs, dtype: Any) -> Attention:
        score = make_score(name, 6, 6, 4, rngs=rngs, dtype=dtype)
        chosen = PredictedWindow(6, 4, rngs=rngs, dtype=dtype, **window) if window else None
        return Attention(score, window=chosen)

    return make


def scattered(**options: Any) -> GlobalLocalAttention:
    return GlobalLocalAttention(2, 6, before=1, after=1, **options)


def words_and_sentences(**options: Any) -> HierarchicalPooling:
    return HierarchicalPooling(6, 4, 3, **options)


def three_latents(**options: Any) -> LatentPooling:
    return LatentPooling(2, 6, latents=3, latent_features=8, **options)


def heads(*, rngs: nnx.Rngs, dtype: Any, relative: bool = False, **options: Any) -> Any:
    bias = {"position_bias": RelativeBias(4, rngs=rngs)} if relative else {}
    return MultiHeadAttention(4, 16, dtype=dtype, rngs=rngs, **bias, **options)


def of_heads(*, inputs: int = 1, **options: Any) -> Member:
    return Member(
        functools.partial(heads, **options),
        ((5, 16), (7, 16))[:inputs],
        normalized="sink" not in options,
        kind="self" if inputs == 1 else "cross",
    )


def gate(make: Callable[..., nnx.Module]) -> Member:
    return Member(make, IMAGE, mask="none", normalized=False, kind="gate")


def windows(**options: Any) -> Member:
    make = functools.partial(WindowAttention, 2, 8, (2, 3), **options)
    return Member(make, IMAGE, mask=(4, 6))


class PatchAttention(nnx.Module):
    """The first layer of a Vision Transformer."""

    def __init__(self, *, rngs: nnx.Rngs, dtype: Any):
        self.patches = PatchEmbedding((4, 6), (2, 2), 8, 8, registers=2, dtype=dtype, rngs=rngs)
        self.attention = MultiHeadAttention(2, 8, dtype=dtype, rngs=rngs)

    def __call__(self, images: jax.Array, *, return_weights: bool = False) -> Any:
        output, weights = self.attention(self.patches(images), return_weights=True)
        return (output, weights) if return_weights else output


LOCAL_P = scored("general", reach=2)

# A line each, so that two authors do not meet on one.
# fmt: off
FAMILY = {
    "additive": Member(lambda **o: AdditiveAttention(6, 6, 4, **o), TWO, kind="cross"),
    **{f"{name} score": Member(scored(name), TWO, kind="cross") for name in SCORES},
    "local-p": Member(LOCAL_P, TWO, kind="cross", normalized=False, captured=False),
    "local-p, normalized": Member(scored("general", reach=2, normalized=True), TWO, kind="cross"),
    "multi-head": Member(lambda **o: MultiHeadAttention(2, 6, **o), TWO, kind="cross"),
    "multi-head self": Member(lambda **o: MultiHeadAttention(2, 6, **o), ONE),
    "global and local": Member(scattered, ((5, 6), FIRST)),
    "pooling": Member(lambda **o: AttentionPooling(6, 4, **o), ONE, kind="pooling"),
    "self-attentive": Member(lambda **o: SelfAttentivePooling(6, 4, 3, **o), ONE, kind="pooling"),
    "hierarchical": Member(words_and_sentences, DOCUMENT, mask=(4, 5), kind="pooling"),
    "class token": Member(lambda **o: ClassTokenPooling(2, 6, **o), ONE, own=1, kind="pooling"),
    # Every option of heads is on in one of these.
    "multi-query, cross": of_heads(inputs=2, num_kv_heads=1),
    "relative bias": of_heads(relative=True),
    "as in Gemma": of_heads(num_kv_heads=2, rotary=HALVES, cap=50.0, normalize_qk="rms"),
    "as in gpt-oss": of_heads(num_kv_heads=2, rotary=Rotary(), sink=True, position_bias=Alibi(4)),
    "squeeze and excitation": gate(lambda **o: SqueezeExcitation(8, reduction=2, **o)),
    "efficient channel attention": gate(lambda **o: EfficientChannelAttention(8, **o)),
    "CBAM over channels": gate(lambda **o: ChannelAttention(8, reduction=2, **o)),
    "CBAM over places": gate(SpatialAttention),
    "CBAM": gate(lambda **o: CBAM(8, reduction=2, **o)),
    "non-local": Member(lambda **o: NonLocalBlock(8, **o), IMAGE, mask=(4, 6)),
    "patches": Member(PatchAttention, IMAGE, mask="none"),
    "windows": windows(),
    "shifted windows": windows(shift=(1, 1)),
    "latents": Member(three_latents, ONE, kind="pooling"),
}
# fmt: on
