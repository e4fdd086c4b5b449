"""Rotary position embedding of Su et al. (2021)."""

import dataclasses

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from attnreport._errors import InvalidAttentionError


@dataclasses.dataclass(frozen=True)
class Rotary:
    r"""Turns pairs of features of queries and keys by angles that grow with the position.

    $$\begin{pmatrix} x'_{2i} \\ x'_{2i+1} \end{pmatrix} =
    \begin{pmatrix} \cos m\theta_i & -\sin m\theta_i \\ \sin m\theta_i & \cos m\theta_i
    \end{pmatrix} \begin{pmatrix} x_{2i} \\ x_{2i+1} \end{pmatrix}, \quad
    \theta_i = b^{-2i/d}$$

    for position $m$ and $d$ features. The product of a turned query and a turned key depends on
    the distance of their positions, not on the positions. There is nothing to learn.

    Attributes:
        base: The number $b$; larger ones turn more slowly.
        features: How many features are turned, the first ones of each head; all if left out.
        halves: Whether the features `i` and `i + features / 2` form a pair, as in GPT-NeoX and in
            checkpoints of Hugging Face, in place of neighbors, as in the paper.

    Source: Su et al. (2021), "RoFormer: Enhanced Transformer with Rotary Position Embedding",
    equations 14 and 15.
    """

    base: float = 10_000.0
    features: int | None = None
    halves: bool = False

    def __call__(
        self,
        inputs: Float[Array, "*batch time head feature"],
        positions: Int[Array, "*batch time"],
    ) -> Float[Array, "*batch time head feature"]:
        """Queries or keys, turned.

        Args:
            inputs: Queries or keys, one vector a head.
            positions: Position of each, for all examples or for each its own.

        Raises:
            InvalidAttentionError: The features cannot be paired.
        """
        features = inputs.shape[-1] if self.features is None else self.features
        if features % 2 or features > inputs.shape[-1]:
            raise InvalidAttentionError(
                f"{features} of {inputs.shape[-1]} features a head cannot be turned in pairs. "
                "Choose an even number of `features` that a head has."
            )
        rates = self.base ** (-jnp.arange(0, features, 2, dtype=jnp.float32) / features)
        angles = positions[..., None, None].astype(jnp.float32) * rates
        turned = self._turned(inputs[..., :features].astype(jnp.float32), angles)
        turned = turned.astype(inputs.dtype)
        if features == inputs.shape[-1]:
            return turned
        return jnp.concatenate([turned, inputs[..., features:]], axis=-1)

    def _turned(self, inputs: Array, angles: Array) -> Array:
        half = inputs.shape[-1] // 2
        sine, cosine = jnp.sin(angles), jnp.cos(angles)
        if self.halves:
            first, second = inputs[..., :half], inputs[..., half:]
        else:
            first, second = inputs[..., ::2], inputs[..., 1::2]
        both = (first * cosine - second * sine, first * sine + second * cosine)
        if self.halves:
            return jnp.concatenate(both, axis=-1)
        return jnp.stack(both, axis=-1).reshape(inputs.shape)
