"""Patches of an image as tokens, with a class token and registers (Vision Transformer)."""

import itertools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
from flax import nnx
from flax.typing import Dtype
from jaxtyping import Array, Float

from attnreport._errors import InvalidAttentionError

_SPREAD = 0.02


class ConvolutionalStem(nnx.Module):
    r"""Features of patches by a few convolutions, each of which halves height and width.

    $$h \leftarrow \operatorname{ReLU}(\operatorname{norm}(h * K_i)), \quad z = h E$$

    with kernels $K_1, \dots, K_n$ of 3 by 3 places and a stride of 2, so that there is one place
    for each patch of $2^n$ by $2^n$ pixels. A Vision Transformer learns faster with it, and
    minds less how it is trained. What it makes of a patch depends on a little more than the patch:
    on $2^{n-1} - 1$ pixels above and left of it, $2^{n-1}$ below and right of it, and no others.

    The paper normalizes by batches. Here each place is normalized by itself, over its channels, so
    that features of a patch depend neither on other images nor on distant parts of their own.

    Attributes:
        convolutions: The kernels, without a bias: the normalization after each has one.
        norms: The normalization after each kernel.
        projection: The projection $E$ with its bias.

    Source: Xiao et al. (2021), "Early Convolutions Help Transformers See Better", section 4.
    """

    def __init__(
        self,
        channels: Sequence[int],
        in_features: int,
        features: int,
        *,
        dtype: Dtype | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        """Makes the parameters.

        Args:
            channels: Channels after each convolution.
            in_features: Channels of the images.
            features: Features of a patch.
            dtype: Number format to compute in.
            rngs: Random numbers for the parameters.
        """
        widths = [in_features, *channels]
        self.convolutions = nnx.List(
            [
                nnx.Conv(
                    width,
                    next_width,
                    (3, 3),
                    strides=2,
                    # Only the last reaches down and not up, which keeps a patch in the middle.
                    padding=((1, 0),) * 2 if number < len(channels) else ((0, 1),) * 2,
                    use_bias=False,
                    dtype=dtype,
                    rngs=rngs,
                )
                for number, (width, next_width) in enumerate(itertools.pairwise(widths), start=1)
            ]
        )
        self.norms = nnx.List([nnx.LayerNorm(width, dtype=dtype, rngs=rngs) for width in channels])
        self.projection = nnx.Linear(widths[-1], features, dtype=dtype, rngs=rngs)

    def __call__(
        self, images: Float[Array, "batch height width channel"]
    ) -> Float[Array, "batch row column features"]:
        """The features of each patch of each image."""
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            images = jax.nn.relu(norm(convolution(images)))
        return self.projection(images)


class PatchEmbedding(nnx.Module):
    r"""Tokens of an image: a class token, registers, and one token a patch, row by row.

    $$z = [x_\text{class} + e_0; r_1; \dots; r_R; x_1 E + e_1; \dots; x_N E + e_N]$$

    with a projection $E$ of flattened patches $x_n$ and one learned position $e$ for each.
    Registers have no position. They are room for what belongs to no patch; without them, models
    keep it in patches of plain background, which then draw attention for no reason in the image.

    Attributes:
        projection: The projection $E$ with its bias, as a convolution whose stride is the patch;
            or the convolutional stem that stands in its place.
        positions: The positions $e$, that of the class token first.
        class_token: The class token, or None.
        registers: The registers, or None.
        grid: Rows and columns of patches.

    Source: Dosovitskiy et al. (2021), "An Image is Worth 16x16 Words: Transformers for Image
    Recognition at Scale", equation 1; registers Darcet et al. (2024), "Vision Transformers Need
    Registers", section 2.2.
    """

    def __init__(
        self,
        image_size: tuple[int, int],
        patch_size: tuple[int, int],
        in_features: int,
        features: int,
        *,
        class_token: bool = True,
        registers: int = 0,
        stem: Sequence[int] = (),
        dtype: Dtype | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        """Makes the parameters.

        Args:
            image_size: Height and width of the images.
            patch_size: Height and width of a patch.
            in_features: Channels of the images.
            features: Features of a token.
            class_token: Whether there is a class token.
            registers: How many registers there are.
            stem: Channels after each convolution of a `ConvolutionalStem` in place of $E$; none
                is the plain projection of the paper.
            dtype: Number format to compute in.
            rngs: Random numbers for the parameters.

        Raises:
            InvalidAttentionError: The images cannot be cut into whole patches, or the stem has
                another number of convolutions than halve such a patch to one place.
        """
        if any(size % patch for size, patch in zip(image_size, patch_size, strict=True)):
            raise InvalidAttentionError(
                f"Images of {image_size[0]}x{image_size[1]} cannot be cut into patches of "
                f"{patch_size[0]}x{patch_size[1]}. Choose a patch that divides the image."
            )
        self.grid = (image_size[0] // patch_size[0], image_size[1] // patch_size[1])
        if stem:
            _check_stem(stem, patch_size)
            self.projection = ConvolutionalStem(stem, in_features, features, dtype=dtype, rngs=rngs)
        else:
            self.projection = nnx.Conv(
                in_features,
                features,
                patch_size,
                strides=patch_size,
                padding="VALID",
                dtype=dtype,
                rngs=rngs,
            )
        tokens = self.grid[0] * self.grid[1] + class_token

        def learned(count: int) -> nnx.Param:
            return nnx.Param(nnx.initializers.normal(_SPREAD)(rngs.params(), (count, features)))

        self.positions = learned(tokens)
        self.class_token = learned(1) if class_token else None
        self.registers = learned(registers) if registers else None

    @property
    def prefix(self) -> int:
        """How many tokens come before those of the patches: class token and registers."""
        tokens = (self.class_token, self.registers)
        return sum(token.shape[0] for token in tokens if token is not None)

    def __call__(
        self, images: Float[Array, "batch height width channel"]
    ) -> Float[Array, "batch token features"]:
        """The tokens of each image.

        Args:
            images: Images of the size that was given.

        Raises:
            InvalidAttentionError: The images have another size.
        """
        patches = self.projection(images)
        if patches.shape[1:3] != self.grid:
            raise InvalidAttentionError(
                f"Images of {images.shape[1]}x{images.shape[2]} give {patches.shape[1]}x"
                f"{patches.shape[2]} patches, but there are positions for {self.grid[0]}x"
                f"{self.grid[1]}. Resize the images, or make the module with their size."
            )
        batch, features = patches.shape[0], patches.shape[-1]
        positions = self.positions[...].astype(patches.dtype)

        def repeated(tokens: Array) -> Array:
            return jnp.broadcast_to(tokens.astype(patches.dtype), (batch, *tokens.shape))

        parts = []
        if self.class_token is not None:
            parts.append(repeated(self.class_token[...]) + positions[:1])
            positions = positions[1:]
        if self.registers is not None:
            parts.append(repeated(self.registers[...]))
        parts.append(patches.reshape(batch, -1, features) + positions)
        return jnp.concatenate(parts, axis=1)


def _check_stem(stem: Sequence[int], patch_size: tuple[int, int]) -> None:
    side = 2 ** len(stem)
    if tuple(patch_size) != (side, side):
        raise InvalidAttentionError(
            f"A stem of {len(stem)} convolutions, each of which halves height and width, makes "
            f"patches of {side}x{side}, but patches are to be {patch_size[0]}x{patch_size[1]}. "
            "Give as many convolutions as halve a patch to 1x1."
        )
