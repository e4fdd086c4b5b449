"""Where a trained network looks: for each picture, one number for each place."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from jaxtyping import Array, Float, Int, UInt8

from attnreport.analysis.combining.rollout import rollout
from attnreport.capture.transformation import with_attention
from attnreport.models.vision import ConvolutionalNetwork, VisionTransformer

Network = ConvolutionalNetwork | VisionTransformer
Pixels = UInt8[np.ndarray, "picture row column channel"]
Places = Float[np.ndarray, "picture row column"]
Weights = Float[np.ndarray, "picture head query key"]

# Pictures that run at once; the last batch is filled up, so that one shape is compiled.
BATCH = 200

ROLLOUT = "rollout"
HEADS = "single heads"


def as_inputs(pixels: UInt8[np.ndarray | Array, "*picture"]) -> Float[Array, "*picture"]:
    """What a network sees of pixels: numbers from 0 to 1."""
    return jnp.asarray(pixels, jnp.float32) / 255


def chosen_classes(model: Network, pixels: Pixels) -> Int[np.ndarray, " picture"]:
    """The class that a network chooses for each picture."""
    found = [np.asarray(_choose(model, batch)) for batch in _batches(pixels)]
    return np.concatenate(found)[: len(pixels)].astype(np.int32)


def places_looked_at(model: Network, pixels: Pixels) -> dict[str, Places]:
    """Attention over the places of each picture, for each attention that has places.

    * The gate over places of CBAM, as it is.
    * Of a non-local block, the mean of all its rows: the network takes the mean over all places in
      the end, so none of those that look counts for more than another.
    * Of a Vision Transformer the rollout from the class token, by which it classifies, under the
      name `ROLLOUT`, and under `HEADS` the mean of that row over single heads of all layers, which
      is what a head picked at random has on average.

    Networks without attention, and those that gate channels only, look at no place.
    """
    if not has_attention(model):
        return {}
    parts = []
    for batch in _batches(pixels):
        _, attention = _captured(model, as_inputs(batch))
        weights = {name: np.asarray(each.weights) for name, each in attention.items()}
        parts.append(places_of(model, weights))
    return {
        name: np.concatenate([part[name] for part in parts])[: len(pixels)] for name in parts[0]
    }


def places_of(model: Network, attention: Mapping[str, Weights]) -> dict[str, Places]:
    """Attention over places from the weights of each attention; see `places_looked_at`."""
    if isinstance(model, VisionTransformer):
        layers, prefix = list(attention.values()), model.patches.prefix
        heads = np.mean([each[:, :, 0, prefix:].mean(axis=1) for each in layers], axis=0)
        rows = {ROLLOUT: rollout(layers)[:, 0, prefix:], HEADS: heads}
        return {name: row.reshape(-1, *model.patches.grid) for name, row in rows.items()}
    return {
        layer_name(attention_number(name)): _square(weights[:, 0].mean(axis=1))
        for name, weights in attention.items()
        if not is_channel_gate(name, weights)
    }


def layer_name(number: int) -> str:
    """What the attention after a stage of the convolutional network is called."""
    return f"layer {number}"


def attention_number(name: str) -> int:
    """Place of an attention in the list of those of the convolutional network, from its path."""
    return int(name.split(".")[1])


def is_channel_gate(name: str, weights: Any) -> bool:
    """Whether an attention of the convolutional network is a gate over channels."""
    return weights.shape[-2] == 1 and ".spatial" not in name


class Activations(NamedTuple):
    """How strongly a network responds to each place, before and after each of its attentions."""

    before: tuple[Places, ...]
    after: tuple[Places, ...]


def activations(model: ConvolutionalNetwork, pixels: Pixels) -> Activations:
    r"""How strongly a convolutional network responds to each place, stage by stage.

    $$e_p = \sum_c x_{pc}^2$$

    over the channels $c$ of what a stage puts out, and of what the attention after it makes of
    that. It is no attention; it is there in any network, so that networks can be compared, and it
    tells what a gate lets through.

    Source: Zagoruyko and Komodakis (2017), "Paying More Attention to Attention", section 3.1.
    """
    parts = [_energies(model, batch) for batch in _batches(pixels)]
    before, after = (
        tuple(
            np.concatenate([np.asarray(each) for each in stage])[: len(pixels)]
            for stage in zip(*side, strict=True)
        )
        for side in zip(*parts, strict=True)
    )
    return Activations(before, after)


def has_attention(model: Network) -> bool:
    """Whether there is any attention in a network, over places or over channels."""
    if isinstance(model, VisionTransformer):
        return True
    return any(nnx.state(attention, nnx.Param) for attention in model.attentions)


@jax.jit
@with_attention
def _captured(model: Network, images: Array) -> Array:
    return model(images)


@nnx.jit
def _choose(model: Network, pixels: Pixels | Array) -> Array:
    return model(as_inputs(pixels)).argmax(axis=-1)


@nnx.jit
def _energies(
    model: ConvolutionalNetwork, pixels: Pixels | Array
) -> tuple[list[Array], list[Array]]:
    features, before, after = as_inputs(pixels), [], []
    for stage, attention in zip(model.stages, model.attentions, strict=True):
        features = stage(features)
        before.append((features**2).sum(axis=-1))
        features = attention(features)
        after.append((features**2).sum(axis=-1))
    return before, after


def _batches(pixels: Pixels) -> Iterator[Pixels]:
    for start in range(0, len(pixels), BATCH):
        part = pixels[start : start + BATCH]
        yield np.concatenate([part, np.repeat(part[:1], BATCH - len(part), axis=0)])


def _square(rows: Float[np.ndarray, "picture place"]) -> Places:
    side = round(rows.shape[1] ** 0.5)
    return rows.reshape(-1, side, side)
