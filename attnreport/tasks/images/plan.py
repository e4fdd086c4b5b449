"""What a training of a network over images depends on."""

import dataclasses

from attnreport.models.transformer_layers import TransformerSizes
from attnreport.tasks.images.data import CanvasSizes, CifarFolder
from attnreport.tasks.training import Schedule

MODELS = ("cnn", "vit")


@dataclasses.dataclass(frozen=True)
class ConvolutionalSizes:
    """Sizes of the convolutional network.

    Attributes:
        attention: What stands between its stages: one of `attnreport.models.IMAGE_ATTENTIONS`.
        features: Channels after the first stage.
        stages: How many stages there are; each halves height and width.
    """

    attention: str = "cbam"
    features: int = 16
    stages: int = 3


@dataclasses.dataclass(frozen=True)
class PatchSizes:
    """Sizes of the Vision Transformer.

    Attributes:
        layers: Sizes of its stack of layers.
        patch: Height and width of a patch in pixels.
        stem: Channels after each convolution that makes features of patches, one convolution for
            each time that it halves the patch; without any there is a plain projection.
    """

    layers: TransformerSizes = dataclasses.field(
        default_factory=lambda: TransformerSizes(features=64, heads=4, layers=2, feed_forward=128)
    )
    patch: int = 4
    stem: tuple[int, ...] = (32, 64)


@dataclasses.dataclass(frozen=True)
class ImagePlan:
    """Everything that a training of a network over images depends on, besides code and machine.

    Attributes:
        data: What to learn from.
        schedule: How long and how fast; its seed is that of the canvases and of their order, too.
        sizes: Which network, and how large.
        batch: Pictures in a batch.
    """

    data: CanvasSizes | CifarFolder = dataclasses.field(default_factory=CanvasSizes)
    schedule: Schedule = dataclasses.field(default_factory=Schedule)
    sizes: ConvolutionalSizes | PatchSizes = dataclasses.field(default_factory=ConvolutionalSizes)
    batch: int = 64


def usual_plan(
    model: str, attention: str, seed: int, folder: CifarFolder | None = None
) -> ImagePlan:
    """How the demo trains a network.

    Args:
        model: One of `MODELS`.
        attention: Which attention the convolutional network has.
        seed: Of canvases and training.
        folder: CIFAR-10, to learn from in place of digits among clutter.
    """
    if model == "vit":
        # With a plain projection in place of the stem it reads half of the digits after 12 epochs.
        schedule = Schedule(seed, epochs=7, rounds=1, patience=4, learning_rate=3e-3)
        sizes = PatchSizes()
    else:
        # Gates over gates let little through at first: at twice the rate, not every CBAM learns.
        rate = 3e-3 if attention == "cbam" else 6e-3
        schedule = Schedule(seed, epochs=7, rounds=1, patience=4, learning_rate=rate)
        sizes = ConvolutionalSizes(attention)
    return ImagePlan(folder or CanvasSizes(epochs=schedule.epochs), schedule, sizes)


def quick_plan(plan: ImagePlan) -> ImagePlan:
    """A plan with the same network that is over in seconds: few pictures, seen a few times."""
    if isinstance(plan.data, CanvasSizes):
        data = CanvasSizes(train=640, validation=200, test=200)
    else:
        data = dataclasses.replace(plan.data, train=640, test=200)
    return dataclasses.replace(
        plan, data=data, schedule=dataclasses.replace(plan.schedule, epochs=2, hurried=True)
    )
