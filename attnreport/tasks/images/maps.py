"""The attention of a network on some pictures, as maps that say what their positions are."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from attnreport.capture.capture import capture_attention
from attnreport.models.vision import ConvolutionalNetwork, VisionTransformer
from attnreport.recording import (
    AttentionMap,
    Axis,
    ChannelAxis,
    Check,
    Checks,
    GridAxis,
    ItemAxis,
    Picture,
)
from attnreport.tasks.images.looking import (
    ROLLOUT,
    Network,
    Places,
    activations,
    as_inputs,
    attention_number,
    has_attention,
    is_channel_gate,
    layer_name,
    places_of,
)
from attnreport.tasks.images.pictures import Pictures
from attnreport.tasks.images.truth import coverage

CHANNELS = "gates over channels"
GATES = "gates over places"
PLACES = "non-local attention"
MEAN_ROW = "mean of all rows"
PATCHES = "self-attention of patches"
FROM_CLASS = "rollout from the class token"
ACTIVATIONS = "activations before attention"
AFTER = "activations after attention"
WITHOUT = "activations (no attention)"
CLASS = "[class]"
# What boxes bound; a folder of pictures has none.
_REFERENCE = "the digit’s box, drawn to whole cells; shares in the box are of the true box"

_SQUARES = "Computed from the activations of the network; no attention."
# What is computed says of what.
_ORIGINS = {
    MEAN_ROW: "Computed from the captured rows of the non-local block.",
    FROM_CLASS: "Computed from the captured attention of all layers, as shares over the patches.",
    ACTIVATIONS: _SQUARES,
    AFTER: _SQUARES,
    WITHOUT: _SQUARES,
}

_WHOLE = ItemAxis(("the picture",))
_CLASS = ItemAxis((CLASS,))

Cells = Float[np.ndarray, "row column"]


def picture_maps(model: Network, pictures: Pictures) -> list[tuple[AttentionMap, ...]]:
    """The maps of each picture, those over places before those over channels.

    What the network looks at comes from capture. Beside it stands what is computed from it: the
    rollout of a Vision Transformer, and the mean of all rows of a non-local block. Last come the
    activations of a convolutional network, as shares of their sum; they are no attention. The
    reference of each map with a single row over places are the cells in the box of what a picture
    shows.
    """
    parts = [_captured(model, pictures)] if has_attention(model) else []
    if isinstance(model, ConvolutionalNetwork):
        parts.append(_responses(model, pictures))
    found = [sum(each, start=()) for each in zip(*parts, strict=True)]
    return [_with_reference(maps, pictures, row) for row, maps in enumerate(found)]


def of_layer(group: str, number: int) -> str:
    """A group of its own for a layer: layers of a convolutional network differ in shape."""
    return f"{group}, {layer_name(number)}"


def _captured(model: Network, pictures: Pictures) -> list[tuple[AttentionMap, ...]]:
    captured = [each.maps for each in capture_attention(model, as_inputs(pictures.pixels)).examples]
    weights = {
        maps[0].name: np.stack([each.array() for each in maps])
        for maps in zip(*captured, strict=True)
    }
    places = places_of(model, weights)
    found = []
    for row, (maps, pixels) in enumerate(zip(captured, pictures.pixels, strict=True)):
        own = {name: each[row] for name, each in places.items()}
        picture = Picture(pixels)
        if isinstance(model, VisionTransformer):
            found.append(_of_transformer(maps, own[ROLLOUT], picture))
        else:
            found.append(_of_convolutions(maps, own, picture))
    return found


def _of_transformer(
    maps: Sequence[AttentionMap], rolled: Cells, picture: Picture
) -> tuple[AttentionMap, ...]:
    grid = GridAxis(*rolled.shape, picture=picture)
    tokens = dataclasses.replace(grid, leading=(CLASS,))
    layers = [
        dataclasses.replace(each, query=tokens, key=tokens, group=PATCHES, layer=number)
        for number, each in enumerate(maps)
    ]
    # Without what the class token keeps of itself.
    shares = rolled / rolled.sum()
    return (_one_row(ROLLOUT, FROM_CLASS, shares, _CLASS, grid), *layers)


def _of_convolutions(
    maps: Sequence[AttentionMap], places: Mapping[str, Cells], picture: Picture
) -> tuple[AttentionMap, ...]:
    over_channels, over_places, summed = [], [], []
    for each in maps:
        number = attention_number(each.name)
        if is_channel_gate(each.name, each.weights):
            over_channels.append(_placed(each, _WHOLE, ChannelAxis(len(each.key)), CHANNELS))
            continue
        row = places[layer_name(number)]
        grid = GridAxis(*row.shape, picture=picture)
        if each.kind == "gate":
            over_places.append(_placed(each, _WHOLE, grid, GATES))
        else:
            over_places.append(_placed(each, grid, grid, PLACES))
            mean = f"{over_places[-1].name}, mean of all rows"
            group = of_layer(MEAN_ROW, number)
            summed.append(_one_row(mean, group, row, _WHOLE, grid, number))
    return (*summed, *over_places, *over_channels)


def _placed(attention: AttentionMap, query: Axis, key: Axis, group: str) -> AttentionMap:
    # A gate is called after what computes its logits, which may be a part of it.
    name = attention.name.removesuffix(".convolution")
    number = attention_number(name)
    return dataclasses.replace(
        attention, name=name, layer=number, query=query, key=key, group=of_layer(group, number)
    )


def _responses(model: ConvolutionalNetwork, pictures: Pictures) -> list[tuple[AttentionMap, ...]]:
    """What each stage responds to, as shares of the sum over the picture."""
    before, after = activations(model, pictures.pixels)
    if not has_attention(model):
        # The last stage first, because it is the one that is measured.
        found = _shares(WITHOUT, "stages.{}", before, pictures, first=0)
        return [maps[::-1] for maps in found]
    # There is no attention after the first stage.
    parts = (
        _shares(ACTIVATIONS, "stages.{}", before[1:], pictures, first=1),
        _shares(AFTER, "attentions.{}, output", after[1:], pictures, first=1),
    )
    return [sum(each, start=()) for each in zip(*parts, strict=True)]


def _shares(
    group: str, name: str, stages: Sequence[Places], pictures: Pictures, *, first: int
) -> list[tuple[AttentionMap, ...]]:
    """A map of each stage for each picture; the stages are numbered from `first`."""
    found = []
    for row, pixels in enumerate(pictures.pixels):
        picture = Picture(pixels)
        maps = []
        for number, energies in enumerate(stages, start=first):
            energy = energies[row].astype(np.float64)
            shares = energy / max(energy.sum(), np.finfo(np.float64).tiny)
            grid = GridAxis(*shares.shape, picture=picture)
            own = of_layer(group, number)
            each = _one_row(name.format(number), own, shares, _WHOLE, grid, number)
            maps.append(dataclasses.replace(each, kind="activation"))
        found.append(tuple(maps))
    return found


def _one_row(
    name: str, group: str, row: Cells, query: Axis, key: Axis, layer: int = 0
) -> AttentionMap:
    """A map with a single row, computed and not captured, which its only check says."""
    weights = row.reshape(1, 1, -1).astype(np.float32)
    sums = bool(np.isclose(weights.sum(), 1, atol=1e-3))
    return AttentionMap(
        name,
        weights,
        query,
        key,
        kind="pooling",
        group=group,
        layer=layer,
        normalized=sums,
        checks=Checks(others=(Check("form", detail=_ORIGINS[group.partition(",")[0]]),)),
    )


def _with_reference(
    maps: Sequence[AttentionMap], pictures: Pictures, row: int
) -> tuple[AttentionMap, ...]:
    if pictures.boxes is None:
        return tuple(maps)
    box = pictures.boxes[row : row + 1]
    found = []
    for each in maps:
        reference = None
        if isinstance(each.key, GridAxis) and len(each.query) == 1:
            inside = cells_in_box(box, (each.key.height, each.key.width), pictures.size)
            reference = inside.reshape(1, -1) if inside.any() else None
        name = "" if reference is None else _REFERENCE
        found.append(dataclasses.replace(each, reference=reference, reference_name=name))
    return tuple(found)


def cells_in_box(
    box: Int[np.ndarray, "1 4"], grid: tuple[int, int], size: tuple[int, int]
) -> Bool[np.ndarray, "1 row column"]:
    """A box as a rectangle of whole cells: of rows and columns that lie at least half in it."""
    (top, left, bottom, right), (height, width) = box[0], size
    across, along = np.array([[top, 0, bottom, width]]), np.array([[0, left, height, right]])
    return (coverage(across, grid, size) >= 0.5) & (coverage(along, grid, size) >= 0.5)
