"""The task of telling what is in a picture, for the one training loop there is."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
import optax
from flax import nnx
from jaxtyping import Array, Float, Int, Key

from attnreport.models.vision import ConvolutionalNetwork, VisionTransformer
from attnreport.tasks.images.data import PictureData
from attnreport.tasks.images.looking import (
    Network,
    activations,
    as_inputs,
    chosen_classes,
    places_looked_at,
)
from attnreport.tasks.images.pictures import Pictures
from attnreport.tasks.images.plan import ConvolutionalSizes, ImagePlan
from attnreport.tasks.images.truth import area_share, share_in_box
from attnreport.tasks.shown import shown_examples
from attnreport.tasks.trained import Recipe
from attnreport.tasks.training import Losses, Schedule, new_model

# The code that only this task depends on.
SOURCES = (
    "analysis/combining/rollout.py",
    "models/transformer_layers.py",
    "models/vision.py",
    "tasks/images/canvases.py",
    "tasks/images/cifar.py",
    "tasks/images/data.py",
    "tasks/images/digits.py",
    "tasks/images/looking.py",
    "tasks/images/pictures.py",
    "tasks/images/plan.py",
    "tasks/images/task.py",
    "tasks/images/truth.py",
    "tasks/shown.py",
)


@dataclasses.dataclass(frozen=True)
class BoxShares:
    """Mean share of what lies in the box of what a picture shows, over all test pictures.

    Attributes:
        area: Of the picture: the share of attention that looks everywhere alike.
        ink: Of the brightness of the picture: the share of attention that looks at what is bright.
        attention: Of each attention over places.
        untrained: The same of the network before training, whose heads look at random.
        before: Of the activations that each stage of the convolutional network puts out.
        after: Of the same after the attention after each stage, or equal where there is none.
    """

    area: float
    ink: float
    attention: Mapping[str, float]
    untrained: Mapping[str, float]
    before: tuple[float, ...] = ()
    after: tuple[float, ...] = ()


@dataclasses.dataclass(frozen=True)
class Findings:
    """What was measured about a trained network on the test pictures.

    Attributes:
        accuracy: Share of pictures whose class it chose.
        counts: How often each class was taken for each.
        shown: Numbers of the pictures that a report shows.
        shares: Where it looked; None where nobody knows where it should have.
    """

    accuracy: float
    counts: Int[np.ndarray, "target output"]
    shown: tuple[int, ...]
    shares: BoxShares | None

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> "Findings":
        """The findings that `ImageTask.facts` put down."""
        shares = facts["shares"]
        if shares is not None:
            sides = {side: tuple(shares[side]) for side in ("before", "after")}
            shares = BoxShares(**{**shares, **sides})
        counts = np.array(facts["counts"], dtype=np.int64)
        return cls(facts["accuracy"], counts, tuple(facts["shown"]), shares)


class ImageTask:
    """Learns to tell what is in the pictures of a plan."""

    scored = "pictures right"

    def __init__(self, plan: ImagePlan) -> None:
        self.plan = plan

    @property
    def schedule(self) -> Schedule:
        """How long and how fast to learn."""
        return self.plan.schedule

    @functools.cached_property
    def data(self) -> PictureData:
        """The pictures."""
        return self.plan.data.data(self.schedule.seed)

    def new_model(self, rngs: nnx.Rngs) -> Network:
        """A network before any training."""
        sizes, channels, classes = self.plan.sizes, self.data.channels, len(self.data.labels)
        if isinstance(sizes, ConvolutionalSizes):
            return ConvolutionalNetwork(channels, classes, **dataclasses.asdict(sizes), rngs=rngs)
        patch = (sizes.patch, sizes.patch)
        return VisionTransformer(
            (32, 32), patch, channels, classes, sizes.layers, stem=sizes.stem, rngs=rngs
        )

    def batches(self, epoch: int) -> list[Pictures]:
        """The batches of an epoch, in an order of its own.

        Pictures that do not fill a batch wait for another epoch, in which others are left over.
        """
        pictures, size = self.data.training(epoch), self.plan.batch
        order = np.random.default_rng([self.schedule.seed, epoch]).permutation(
            len(pictures.classes)
        )
        whole = len(order) // size * size
        return [
            pictures.some(rows)._replace(boxes=None)
            for rows in np.split(order[:whole], whole // size)
        ]

    def loss(self, model: Network, batch: Pictures, key: Key[Array, ""]) -> Losses:
        """Mean cross-entropy of the classes in nats, and share of them that are right."""
        logits = model(as_inputs(batch.pixels))
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, batch.classes)
        return Losses(losses.mean(), (logits.argmax(axis=-1) == batch.classes).mean())

    def score(self, model: Network) -> float:
        """Share of validation pictures whose class is chosen."""
        pictures = self.data.validation
        return float((chosen_classes(model, pictures.pixels) == pictures.classes).mean())

    def facts(self, model: Network) -> dict[str, Any]:
        """Measured on the test pictures; see `Findings`."""
        pictures, classes = self.data.test, len(self.data.labels)
        chosen = chosen_classes(model, pictures.pixels)
        counts = np.zeros((classes, classes), dtype=np.int64)
        np.add.at(counts, (pictures.classes, chosen), 1)
        shares = None
        if pictures.boxes is not None:
            first = new_model(self, self.schedule.seed)
            first.eval()
            shares = dataclasses.asdict(box_shares(model, first, pictures, pictures.boxes))
        return {
            "accuracy": float((chosen == pictures.classes).mean()),
            "counts": counts.tolist(),
            "shown": shown_examples(pictures.classes, chosen),
            "shares": shares,
        }


def image_recipe(plan: ImagePlan) -> Recipe[Network]:
    """How to come by the network of a plan."""
    return Recipe("images", plan, SOURCES, lambda facts: ImageTask(plan))


def box_shares(
    model: Network, untrained: Network, pictures: Pictures, boxes: Int[np.ndarray, "picture 4"]
) -> BoxShares:
    """Where a network looks, and where it would without having learned it.

    Args:
        model: The trained network.
        untrained: The same before training.
        pictures: Pictures to look at.
        boxes: Where what they show is.
    """

    def mean_share(attention: Float[np.ndarray, "picture row column"]) -> float:
        return float(share_in_box(attention, boxes, pictures.size).mean())

    def looked(network: Network) -> dict[str, float]:
        found = places_looked_at(network, pictures.pixels)
        return {name: mean_share(places) for name, places in found.items()}

    responded = {}
    if isinstance(model, ConvolutionalNetwork):
        found = activations(model, pictures.pixels)._asdict()
        responded = {side: tuple(map(mean_share, each)) for side, each in found.items()}
    return BoxShares(
        area=float(area_share(boxes, pictures.size).mean()),
        ink=mean_share(pictures.pixels.mean(axis=-1)),
        attention=looked(model),
        untrained=looked(untrained),
        **responded,
    )
