"""Patches of an image as tokens, with a class token and registers (Vision Transformer)."""

import jax.numpy as jnp
from flax import nnx
from flax.typing import Dtype
from jaxtyping import Array, Float

from attnreport._errors import InvalidAttentionError

_SPREAD = 0.02


class PatchEmbedding(nnx.Module):
    r"""Tokens of an image: a class token, registers, and one token a patch, row by row.

    $$z = [x_\text{class} + e_0; r_1; \dots; r_R; x_1 E + e_1; \dots; x_N E + e_N]$$

    with a projection $E$ of flattened patches $x_n$ and one learned position $e$ for each.
    Registers have no position. They are room for what belongs to no patch; without them, models
    keep it in patches of plain background, which then draw attention for no reason in the image.

    Attributes:
        projection: The projection $E$ with its bias, as a convolution whose stride is the patch.
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
            dtype: Number format to compute in.
            rngs: Random numbers for the parameters.

        Raises:
            InvalidAttentionError: The images cannot be cut into whole patches.
        """
        if any(size % patch for size, patch in zip(image_size, patch_size, strict=True)):
            raise InvalidAttentionError(
                f"Images of {image_size[0]}x{image_size[1]} cannot be cut into patches of "
                f"{patch_size[0]}x{patch_size[1]}. Choose a patch that divides the image."
            )
        self.grid = (image_size[0] // patch_size[0], image_size[1] // patch_size[1])
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
