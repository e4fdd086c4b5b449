"""Records where a network looks that was trained to tell what is in a picture."""

import datetime
import importlib.metadata
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from attnreport.recording import Confusion, Example, Picture, Recording, Source
from attnreport.tasks.demos import quick_notes
from attnreport.tasks.images.data import CanvasSizes, CifarFolder
from attnreport.tasks.images.digits import ORIGIN
from attnreport.tasks.images.looking import Network, chosen_classes
from attnreport.tasks.images.maps import picture_maps
from attnreport.tasks.images.measures import explanations, measures, shares_of_examples
from attnreport.tasks.images.pictures import Pictures
from attnreport.tasks.images.plan import ConvolutionalSizes, ImagePlan, quick_plan, usual_plan
from attnreport.tasks.images.task import Findings, ImageTask, image_recipe
from attnreport.tasks.shown import shown_note
from attnreport.tasks.trained import TrainedModel, trained_model

_NAMES = {
    "none": "no attention",
    "se": "squeeze and excitation (Hu, Shen and Sun, 2018)",
    "eca": "efficient channel attention (Wang et al., 2020)",
    "cbam": "CBAM, gates over channels and places (Woo et al., 2018)",
    "non-local": "non-local blocks (Wang et al., 2018)",
}


def record_images(
    *,
    seed: int = 0,
    fresh: bool = False,
    progress: bool = True,
    quick: bool = False,
    model: str = "cnn",
    attention: str = "non-local",
    data: Path | None = None,
    plan: ImagePlan | None = None,
) -> Recording:
    """A recording of a network on test pictures, which it has not seen in training.

    Without attention, and with attention over channels only, there is nothing to show over places
    but what the network responds to; the maps and notes say that this is no attention.

    Args:
        seed: Of the training.
        fresh: Whether to train again although the trained network is in the cache.
        progress: Whether to show on standard error how training goes.
        quick: Whether few pictures and steps will do.
        model: One of `attnreport.tasks.images.plan.MODELS`.
        attention: What stands between the stages of the convolutional network: one of
            `attnreport.models.IMAGE_ATTENTIONS`.
        data: A folder with CIFAR-10 to learn from in place of digits among clutter.
        plan: How to train, in place of what the other arguments say.

    Raises:
        MissingDependencyError: scikit-learn, with which the scanned digits come, is missing.
        DataError: The folder does not hold CIFAR-10.
    """
    if plan is None:
        plan = usual_plan(model, attention, seed, CifarFolder.of(data) if data else None)
        plan = quick_plan(plan) if quick else plan
    trained = trained_model(image_recipe(plan), fresh=fresh, progress=progress)
    found, pictures = Findings.of(trained.facts), ImageTask(plan).data
    shown, labels = pictures.test.some(list(found.shown)), pictures.labels
    return Recording(
        _examples(trained.model, shown, labels, found.shown),
        _source(trained, plan, found, quick_notes(quick=quick)),
        measures(plan, found),
        confusion=Confusion(labels, found.counts),
        training=trained.training(),
    )


def _examples(
    model: Network, shown: Pictures, labels: Sequence[str], numbers: Sequence[int]
) -> tuple[Example, ...]:
    chosen = chosen_classes(model, shown.pixels)
    maps = picture_maps(model, shown)
    scores = shares_of_examples(model, shown)
    return tuple(
        Example(
            f"test {number}",
            maps[row],
            output=labels[int(chosen[row])],
            target=labels[int(shown.classes[row])],
            scores=scores[row],
            picture=Picture(shown.pixels[row]),
        )
        for row, number in enumerate(numbers)
    )


def _source(
    trained: TrainedModel[Network], plan: ImagePlan, found: Findings, notes: Sequence[str]
) -> Source:
    packages = ("jax", "flax", "optax")
    return Source(
        model=_model_name(plan),
        framework="Flax NNX",
        versions={package: importlib.metadata.version(package) for package in packages},
        step=trained.history[trained.best - 1].step if trained.best else None,
        data=_data(plan),
        created=datetime.date.today().isoformat(),
        notes=(*notes, *_notes(trained, plan, found)),
    )


def _model_name(plan: ImagePlan) -> str:
    if isinstance(plan.sizes, ConvolutionalSizes):
        return f"Convolutional network with {_NAMES[plan.sizes.attention]}"
    return "Vision Transformer (Dosovitskiy et al., 2021)"


def _data(plan: ImagePlan) -> str:
    if isinstance(plan.data, CifarFolder):
        return "Test pictures of CIFAR-10 (Krizhevsky, 2009), from a folder of the user's."
    return (
        f"Test canvases that attnreport makes: one scanned digit at a random place among pieces of "
        f"other digits and strokes, on 32 by 32 pixels. The scans are {ORIGIN}; those of the test "
        "took no part in training, neither whole nor in pieces."
    )


def _notes(trained: TrainedModel[Network], plan: ImagePlan, found: Findings) -> Iterator[str]:
    made = "new canvases" if isinstance(plan.data, CanvasSizes) else "pictures"
    yield (
        f"Trained from scratch in {trained.seconds:.0f} s: {trained.epochs:.3g} epochs of "
        f"{plan.data.train:,} {made}, {trained.parameters:,} parameters, seed "
        f"{plan.schedule.seed}."
    )
    yield from trained.notes()
    wrong = int(found.counts.sum() - np.trace(found.counts))
    yield shown_note("test pictures", int(found.counts.sum()), wrong, len(found.shown))
    yield from explanations(plan)
