"""Attention inside windows of an image, which may be shifted (Swin; Liu et al. 2021)."""

from typing import Literal, TypeVar, overload

import jax.numpy as jnp
import numpy as np
from flax import nnx
from flax.typing import Dtype
from jaxtyping import Array, Bool, Float, Int

from attnreport._errors import InvalidAttentionError
from attnreport.nn.masks import combine_masks
from attnreport.nn.multihead import MultiHeadAttention

Features = Float[Array, "batch height width channel"]
Real = Bool[Array, "batch height width"]
Weights = Float[Array, "parts head token token"]
Size = tuple[int, int]
Images = TypeVar("Images", Array, np.ndarray)


class WindowBias(nnx.Module):
    r"""A learned bias for each head and offset inside a window, $b^h_{qk} = B_{h, q - k}$.

    Offsets have two dimensions, rows and columns. Positions count the places of a window row by
    row. Biases begin small and random, as in the authors' code.

    Attributes:
        table: The biases $B$, `[row offset, column offset, head]`.

    Source: Liu et al. (2021), "Swin Transformer: Hierarchical Vision Transformer using Shifted
    Windows", equation 4.
    """

    def __init__(self, num_heads: int, window: Size, *, rngs: nnx.Rngs) -> None:
        self.window = window
        shape = (2 * window[0] - 1, 2 * window[1] - 1, num_heads)
        self.table = nnx.Param(nnx.initializers.truncated_normal(0.02)(rngs.params(), shape))

    def __call__(
        self, query_positions: Int[Array, " query"], key_positions: Int[Array, " key"]
    ) -> Float[Array, "head query key"]:
        """The bias of each head, query and key.

        Args:
            query_positions: Places of the queries in their window.
            key_positions: Places of the keys in their window.
        """
        height, width = self.window
        query, key = query_positions[:, None], key_positions[None, :]
        rows = query // width - key // width + height - 1
        columns = query % width - key % width + width - 1
        return jnp.moveaxis(self.table[...][rows, columns], -1, 0)


class WindowAttention(nnx.Module):
    r"""Multi-head attention of the places of an image to those in the same window.

    Windows lie side by side. With a shift their grid begins that many places lower and farther to
    the right, and what is left over at the borders shares windows under a mask, by which only
    places that were neighbors see each other. An axis on which there is one window is not shifted.

    Weights are `[batch * windows, head, token, token]`: the windows of the first example row by
    row, then those of the next. `places` tells what each token of each window is.

    Attributes:
        attention: The attention inside each window, with a `WindowBias` as its `position_bias`.
        window: Height and width of a window.
        shift: How far windows are shifted down and to the right.

    Source: Liu et al. (2021), "Swin Transformer: Hierarchical Vision Transformer using Shifted
    Windows", section 3.2.
    """

    def __init__(
        self,
        num_heads: int,
        features: int,
        window: Size,
        *,
        shift: Size = (0, 0),
        dropout_rate: float = 0.0,
        dtype: Dtype | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        """Makes the parameters.

        Args:
            num_heads: Number of heads.
            features: Channels of the image.
            window: Height and width of a window.
            shift: How far windows are shifted; half a window in every second layer of Swin.
            dropout_rate: Share of the weights that training drops.
            dtype: Number format to compute in.
            rngs: Random numbers for parameters and dropout.

        Raises:
            InvalidAttentionError: The shift is not less than a window.
        """
        if any(not 0 <= by < size for by, size in zip(shift, window, strict=True)):
            raise InvalidAttentionError(
                f"A shift of {shift} leaves windows of {window}. Choose a shift of at least 0 and "
                "less than the window on each axis."
            )
        self.window = window
        self.shift = shift
        self.attention = MultiHeadAttention(
            num_heads,
            features,
            position_bias=WindowBias(num_heads, window, rngs=rngs),
            dropout_rate=dropout_rate,
            dtype=dtype,
            rngs=rngs,
        )

    def places(self, height: int, width: int) -> Int[np.ndarray, "windows token"]:
        """The place of the image, counted row by row, that each token of each window is.

        Args:
            height: Rows of the image.
            width: Columns of the image.

        Raises:
            InvalidAttentionError: The image cannot be cut into whole windows.
        """
        self._require_whole(height, width)
        numbers = np.arange(height * width).reshape(1, height, width, 1)
        shifted = np.roll(numbers, self._back(height, width), (1, 2))
        return _cut(shifted, self.window)[..., 0]

    @overload
    def __call__(self, inputs: Features, *, mask: Real | None = ...) -> Features: ...
    @overload
    def __call__(
        self, inputs: Features, *, mask: Real | None = ..., return_weights: Literal[True]
    ) -> tuple[Features, Weights]: ...
    def __call__(
        self, inputs: Features, *, mask: Real | None = None, return_weights: bool = False
    ) -> Features | tuple[Features, Weights]:
        """What each place gathered from its window.

        Args:
            inputs: A map of features.
            mask: True where a place is real, False where it is padding that no place may look at.
            return_weights: Whether to return the weights too, before dropout, in float32.

        Returns:
            The map, or `(map, weights)`.

        Raises:
            InvalidAttentionError: The map cannot be cut into whole windows.
        """
        height, width = inputs.shape[1:3]
        self._require_whole(height, width)
        back = self._back(height, width)
        shifted = jnp.roll(inputs, back, (1, 2)) if any(back) else inputs
        seen = combine_masks(self._neighbors(inputs.shape), self._real(mask, back))
        tokens = _cut(shifted, self.window)
        mixed, weights = self.attention(tokens, mask=seen, return_weights=True)
        output = _joined(mixed, self.window, inputs.shape)
        output = jnp.roll(output, (-back[0], -back[1]), (1, 2)) if any(back) else output
        return (output, weights) if return_weights else output

    def _require_whole(self, height: int, width: int) -> None:
        if height % self.window[0] or width % self.window[1]:
            raise InvalidAttentionError(
                f"A map of {height}x{width} cannot be cut into windows of {self.window[0]}x"
                f"{self.window[1]}. Pad it, and say in `mask` which places are real."
            )

    def _back(self, height: int, width: int) -> Size:
        """By how much the image is rolled so that windows begin at its first place."""
        one_row, one_column = height == self.window[0], width == self.window[1]
        return (0 if one_row else -self.shift[0], 0 if one_column else -self.shift[1])

    def _neighbors(self, shape: tuple[int, ...]) -> Bool[Array, "parts 1 token token"] | None:
        """Which tokens of a window lay side by side before the image was rolled."""
        batch, height, width, _ = shape
        back = self._back(height, width)
        if not any(back):
            return None
        wrapped = [np.arange(n) >= n + by for n, by in zip((height, width), back, strict=True)]
        regions = 2 * wrapped[0][:, None].astype(int) + wrapped[1]
        regions = _cut(regions[None, ..., None], self.window)[..., 0]
        same = regions[:, None, :, None] == regions[:, None, None, :]
        return jnp.asarray(np.tile(same, (batch, 1, 1, 1)))

    def _real(self, mask: Real | None, back: Size) -> Bool[Array, "parts 1 1 token"] | None:
        if mask is None:
            return None
        shifted = jnp.roll(mask, back, (1, 2))[..., None]
        return _cut(shifted, self.window)[:, None, None, :, 0]


def _cut(image: Images, window: Size) -> Images:
    """`[batch, height, width, channel]` as `[batch * windows, token, channel]`."""
    batch, height, width, features = image.shape
    rows, columns = height // window[0], width // window[1]
    parts = image.reshape(batch, rows, window[0], columns, window[1], features)
    return parts.swapaxes(2, 3).reshape(-1, window[0] * window[1], features)


def _joined(parts: Array, window: Size, shape: tuple[int, ...]) -> Array:
    """The inverse of `_cut`, for an image of a shape."""
    batch, height, width = shape[:3]
    rows, columns = height // window[0], width // window[1]
    image = parts.reshape(batch, rows, columns, window[0], window[1], -1)
    return image.swapaxes(2, 3).reshape(batch, height, width, -1)
