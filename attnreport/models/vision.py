"""Networks over images: a Vision Transformer, and a small CNN with an attention of one's choice."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import jax
from flax import nnx
from flax.typing import Dtype
from jaxtyping import Array, Float

from attnreport._errors import UnknownNameError
from attnreport.models.transformer_layers import TransformerSizes, TransformerStack
from attnreport.nn.cbam import CBAM
from attnreport.nn.efficient_channel import EfficientChannelAttention
from attnreport.nn.non_local import NonLocalBlock
from attnreport.nn.patches import PatchEmbedding
from attnreport.nn.squeeze_excitation import SqueezeExcitation

Images = Float[Array, "batch height width channel"]
Logits = Float[Array, "batch class"]

IMAGE_ATTENTIONS = ("none", "se", "eca", "cbam", "non-local")


class VisionTransformer(nnx.Module):
    """Classifies an image that is cut into patches, by what a class token learns of them.

    With a stem it learns faster, but a token is then about a little more than its
    patch; see `attnreport.nn.ConvolutionalStem`.

    Attributes:
        patches: What makes tokens of patches, and adds the class token and registers.
        encoder: The stack in which tokens look at each other.
        classes: Scores of the classes, from the class token.

    Source: Dosovitskiy et al. (2021), "An Image is Worth 16x16 Words: Transformers for Image
    Recognition at Scale", section 3.1.
    """

    def __init__(
        self,
        image_size: tuple[int, int],
        patch_size: tuple[int, int],
        channels: int,
        classes: int,
        sizes: TransformerSizes,
        *,
        registers: int = 0,
        stem: Sequence[int] = (),
        dtype: Dtype | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        """Makes the parameters.

        Args:
            image_size: Height and width of the images.
            patch_size: Height and width of a patch.
            channels: Channels of the images.
            classes: How many classes there are.
            sizes: Sizes of the stack.
            registers: How many registers there are.
            stem: Channels after each convolution of a stem in place of the projection of
                patches; see `attnreport.nn.PatchEmbedding`.
            dtype: Number format to compute in.
            rngs: Random numbers for the parameters.

        Raises:
            InvalidAttentionError: The images cannot be cut into such patches.
        """
        features = sizes.features
        self.patches = PatchEmbedding(
            image_size,
            patch_size,
            channels,
            features,
            registers=registers,
            stem=stem,
            dtype=dtype,
            rngs=rngs,
        )
        self.encoder = TransformerStack(sizes, dtype=dtype, rngs=rngs)
        self.classes = nnx.Linear(features, classes, dtype=dtype, rngs=rngs)

    def __call__(self, images: Images) -> Logits:
        """Scores of the classes."""
        return self.classes(self.encoder(self.patches(images))[:, 0])


class ConvolutionalNetwork(nnx.Module):
    """Classifies an image with convolutions; between them stands an attention, or none.

    Each stage halves height and width and doubles the channels; attention follows every stage
    but the first. The mean over all places scores the classes.

    Attributes:
        stages: Convolutions, each with its normalization.
        attentions: What follows each stage; None where nothing does.
        classes: Scores of the classes.
    """

    def __init__(
        self,
        channels: int,
        classes: int,
        *,
        attention: str = "none",
        features: int = 16,
        stages: int = 3,
        dtype: Dtype | None = None,
        rngs: nnx.Rngs,
    ) -> None:
        """Makes the parameters.

        Args:
            channels: Channels of the images.
            classes: How many classes there are.
            attention: One of `IMAGE_ATTENTIONS`.
            features: Channels after the first stage.
            stages: How many stages there are.
            dtype: Number format to compute in.
            rngs: Random numbers for the parameters.

        Raises:
            UnknownNameError: There is no such attention.
        """
        widths = [channels, *(features * 2**number for number in range(stages))]
        pairs = itertools.pairwise(widths)
        self.stages = nnx.List([_Stage(*pair, dtype=dtype, rngs=rngs) for pair in pairs])
        self.attentions = nnx.List(
            [
                _attention(attention if number else "none", width, dtype=dtype, rngs=rngs)
                for number, width in enumerate(widths[1:])
            ]
        )
        self.classes = nnx.Linear(widths[-1], classes, dtype=dtype, rngs=rngs)

    def __call__(self, images: Images) -> Logits:
        """Scores of the classes."""
        features = images
        for stage, attention in zip(self.stages, self.attentions, strict=True):
            features = attention(stage(features))
        return self.classes(features.mean(axis=(1, 2)))


class _Stage(nnx.Module):
    """Two convolutions, the second of which halves height and width."""

    def __init__(
        self, channels: int, features: int, *, dtype: Dtype | None, rngs: nnx.Rngs
    ) -> None:
        size = (3, 3)
        self.first = nnx.Conv(channels, features, size, dtype=dtype, rngs=rngs)
        self.second = nnx.Conv(features, features, size, strides=(2, 2), dtype=dtype, rngs=rngs)
        # Groups of channels, because a batch of a report's examples is no batch of training.
        self.norms = nnx.List(
            [nnx.GroupNorm(features, num_groups=4, dtype=dtype, rngs=rngs) for _ in range(2)]
        )

    def __call__(self, images: Images) -> Images:
        features = jax.nn.relu(self.norms[0](self.first(images)))
        return jax.nn.relu(self.norms[1](self.second(features)))


class _Nothing(nnx.Module):
    """What stands where there is no attention."""

    def __call__(self, inputs: Images) -> Images:
        return inputs


def _attention(name: str, features: int, **options: Any) -> Any:
    makers: dict[str, Callable[[], nnx.Module]] = {
        "none": _Nothing,
        "se": lambda: SqueezeExcitation(features, reduction=4, **options),
        "eca": lambda: EfficientChannelAttention(features, **options),
        "cbam": lambda: CBAM(features, reduction=4, **options),
        "non-local": lambda: NonLocalBlock(features, **options),
    }
    if name not in makers:
        raise UnknownNameError(
            f"There is no attention {name!r} for images. Choose one of {', '.join(makers)}."
        )
    return makers[name]()
