"""The numbers of a report on a network over images, and what they mean."""

from collections.abc import Iterator

from attnreport.models.vision import ConvolutionalNetwork
from attnreport.recording import Metric
from attnreport.tasks.images.data import CifarFolder
from attnreport.tasks.images.looking import (
    HEADS,
    ROLLOUT,
    Network,
    activations,
    has_attention,
    layer_name,
    places_looked_at,
)
from attnreport.tasks.images.pictures import Pictures
from attnreport.tasks.images.plan import ConvolutionalSizes, ImagePlan
from attnreport.tasks.images.task import BoxShares, Findings
from attnreport.tasks.images.truth import share_in_box

_WHAT = {
    ROLLOUT: "rollout",
    HEADS: "attention of single heads",
}


def measures(plan: ImagePlan, found: Findings) -> tuple[Metric, ...]:
    """Accuracy, and where the network looked, beside what one gets without looking."""
    pictures = f"{found.counts.sum():,} test pictures"
    accuracy = Metric(
        "pictures right",
        found.accuracy,
        f"Share of {pictures} whose class it chose; guessing gets {1 / len(found.counts):.0%}.",
        percent=True,
    )
    if found.shares is None:
        return (accuracy,)
    return (accuracy, *_box_measures(found.shares, pictures))


def _box_measures(shares: BoxShares, pictures: str) -> Iterator[Metric]:
    def metric(name: str, value: float, detail: str) -> Metric:
        return Metric(name, value, detail, percent=True)

    for name, share in shares.attention.items():
        yield metric(
            f"{_called(name)} in the digit’s box",
            share,
            f"Mean share of it over {pictures} that lies in the box around the digit. Looking "
            f"everywhere alike gives {shares.area:.1%}, looking at whatever is bright "
            f"{shares.ink:.1%}, and the network before training {shares.untrained[name]:.1%}.",
        )
    yield from _activation_measures(shares, pictures)
    yield metric(
        "brightness in the digit’s box",
        shares.ink,
        "The same of the brightness of the pictures: attention to whatever is bright.",
    )
    yield metric(
        "area of the digit’s box",
        shares.area,
        "Share of the picture that it fills: attention that looks everywhere alike.",
    )


def _activation_measures(shares: BoxShares, pictures: str) -> Iterator[Metric]:
    if not shares.before:
        return
    evenly = f"Activations that are the same everywhere give {shares.area:.1%}."
    if shares.before == shares.after:
        yield Metric(
            f"activations of {layer_name(len(shares.before) - 1)} in the digit’s box",
            shares.before[-1],
            f"Mean share over {pictures} of the squared activations of the last stage: what a "
            f"network responds to without any attention. {evenly}",
            percent=True,
        )
        return
    for number, (before, after) in enumerate(zip(shares.before, shares.after, strict=True)):
        # There is no attention after the first stage.
        if number:
            yield Metric(
                f"activations after {layer_name(number)} in the digit’s box",
                after,
                f"Mean share over {pictures} of the squared activations that the attention puts "
                f"out; of those that go into it {before:.1%}. {evenly}",
                percent=True,
            )


def shares_of_examples(model: Network, pictures: Pictures) -> list[dict[str, float]]:
    """For each picture, the shares in its box; none where nobody knows the boxes."""
    boxes = pictures.boxes
    if boxes is None:
        return [{} for _ in pictures.classes]
    places = {
        f"{_called(name)} in box": each
        for name, each in places_looked_at(model, pictures.pixels).items()
        if name != HEADS
    }
    if isinstance(model, ConvolutionalNetwork):
        last = layer_name(len(model.stages) - 1)
        where = f"after {last}" if has_attention(model) else f"of {last}"
        places[f"activations {where} in box"] = activations(model, pictures.pixels).after[-1]
    shares = {name: share_in_box(each, boxes, pictures.size) for name, each in places.items()}
    return [
        {name: float(each[row]) for name, each in shares.items()}
        for row in range(len(pictures.classes))
    ]


def explanations(plan: ImagePlan) -> Iterator[str]:
    """What a reader must know about the maps."""
    if not isinstance(plan.sizes, ConvolutionalSizes):
        yield (
            "Rollout multiplies the attention of all layers, half of each for what its residual "
            "connection carries past it (Abnar and Zuidema, 2020). It is computed from the "
            "captured weights; only the row of the class token decides on the class."
        )
        if plan.sizes.stem:
            yield _stem(plan.sizes.patch)
    else:
        yield from _explained[plan.sizes.attention]
        yield (
            "Activations are no attention: they are the squares of what a stage puts out, summed "
            "over channels, as shares of their sum over the picture (Zagoruyko and Komodakis, "
            "2017)."
        )
    if not isinstance(plan.data, CifarFolder):
        yield (
            "What is dashed in a map is the box around the digit, drawn to whole cells: the rows "
            "and columns that lie at least half in it. Shares are of the true box, in parts of "
            "cells."
        )


def _stem(patch: int) -> str:
    seen = 2 * patch - 1
    return (
        f"What the layers know of a patch of {patch} by {patch} pixels comes from convolutions "
        f"over {seen} by {seen} pixels around it (Xiao et al., 2021): attention to a patch may be "
        "meant for what stands just beside it."
    )


_GATE = (
    "A gate scales what it lies on. Over plain paper, where there is nothing to scale, it can be "
    "open without letting anything through: compare the activations before and after it."
)
_CHANNELS = (
    "This attention weighs channels and not places, so it does not tell where the network looks; "
    "what there is over places are activations."
)
_explained = {
    "none": (
        "This network has no attention, so the report shows only its activations: what it responds "
        "to, as a baseline for networks with attention.",
    ),
    "se": (_CHANNELS,),
    "eca": (_CHANNELS,),
    "cbam": (_GATE,),
    "non-local": (
        "The network takes the mean over all places in the end, so what a non-local block "
        "looks at is the mean of all its rows.",
    ),
}


def _called(name: str) -> str:
    return _WHAT.get(name, f"attention of {name}")
