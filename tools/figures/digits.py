"""Small classifiers of scanned digits with an attention of one's choice, and where they look."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from flax import nnx

from attnreport import Recording
from attnreport.nn import (
    Attention,
    ClassTokenPooling,
    CosineScore,
    LatentPooling,
    WindowAttention,
)
from attnreport.recording import (
    AttentionMap,
    ChannelAxis,
    Example,
    GridAxis,
    ItemAxis,
    Picture,
    Source,
)
from attnreport.tasks.images.digits import Scans, divided, scanned_digits
from attnreport.tasks.training import Schedule
from figures.training import Labeling, trained

FEATURES, SIDE = 32, 8
Looking = Callable[[jax.Array], tuple[jax.Array, jax.Array]]


class DigitReader(nnx.Module):
    """A convolution, positions, an attention, and scores of the ten digits."""

    def __init__(self, attention: nnx.Module, pooled: int, rngs: nnx.Rngs) -> None:
        self.convolution = nnx.Conv(1, FEATURES, (3, 3), rngs=rngs)
        start = nnx.initializers.normal(0.02)
        self.positions = nnx.Param(start(rngs.params(), (SIDE, SIDE, FEATURES)))
        self.attention = attention
        self.classes = nnx.Linear(pooled, 10, rngs=rngs)

    def __call__(self, pixels: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The scores, and the weights."""
        features = jax.nn.relu(self.convolution(pixels[..., None])) + self.positions[...]
        looked, weights = self.attention(features)
        return self.classes(looked.reshape(len(pixels), -1)), weights


class ByClassToken(nnx.Module):
    """What a class token finds."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.pooling = ClassTokenPooling(2, FEATURES, rngs=rngs)

    def __call__(self, features: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The pooled features, and the weights."""
        places = features.reshape(len(features), -1, FEATURES)
        return self.pooling(places, return_weights=True)


class ByLatents(nnx.Module):
    """What four latents find, laid end to end."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.pooling = LatentPooling(1, FEATURES, latents=4, latent_features=FEATURES, rngs=rngs)

    def __call__(self, features: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The latents, and the weights."""
        places = features.reshape(len(features), -1, FEATURES)
        return self.pooling(places, return_weights=True)


class ByCosine(nnx.Module):
    """Places look at places by the cosine of what two projections make of them."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.query = nnx.Linear(FEATURES, FEATURES, rngs=rngs)
        self.key = nnx.Linear(FEATURES, FEATURES, rngs=rngs)
        self.attention = Attention(CosineScore())

    def __call__(self, features: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The mean of what all places found, and the weights."""
        places = features.reshape(len(features), -1, FEATURES)
        query, key = self.query(places), self.key(places)
        found, weights = self.attention(query, key, places, return_weights=True)
        return jax.nn.relu(found).mean(axis=1), weights


class ByWindows(nnx.Module):
    """Places look at places of their window; the windows are shifted."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.windows = WindowAttention(1, FEATURES, (4, 4), shift=(2, 2), rngs=rngs)

    def __call__(self, features: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The mean of all places, and the weights from place to place."""
        found, weights = self.windows(features, return_weights=True)
        return jax.nn.relu(features + found).mean(axis=(1, 2)), weights


class ByChannelGate(nnx.Module):
    """Channels scaled by a gate."""

    def __init__(self, gate: nnx.Module) -> None:
        self.gate = gate

    def __call__(self, features: jax.Array) -> tuple[jax.Array, jax.Array]:
        """The means of the scaled channels, and the gate."""
        scaled, weights = self.gate(features, return_weights=True)
        return scaled.mean(axis=(1, 2)), weights


def reader_of_digits(
    looking: Callable[[nnx.Rngs], nnx.Module], pooled: int, *, epochs: int = 30
) -> tuple[DigitReader, float, Scans]:
    """A trained classifier, its share of right test digits, and these digits."""
    training, _, test = divided(scanned_digits())
    task = Labeling(
        lambda rngs: DigitReader(looking(rngs), pooled, rngs),
        tuple(training),
        tuple(test),
        Schedule(epochs=epochs, rounds=1, patience=epochs),
    )
    return *trained(task), test


def record_gates(looking: Callable[[nnx.Rngs], nnx.Module], *, count: int = 64) -> Recording:
    """The gates of the channels in some test digits."""
    model, score, test = reader_of_digits(looking, FEATURES)
    scores, weights = model(test.pixels[:count])
    examples = [
        Example(
            f"digit {number}",
            (
                AttentionMap(
                    "gate",
                    np.asarray(gate),
                    ItemAxis(("picture",)),
                    ChannelAxis(FEATURES),
                    kind="gate",
                    normalized=False,
                ),
            ),
            output=str(int(output)),
            target=str(target),
        )
        for number, (gate, output, target) in enumerate(
            zip(weights, scores.argmax(axis=-1), test.digits, strict=False)
        )
    ]
    source = Source(model="Small classifier of digits", data=f"{score:.0%} of test digits right.")
    return Recording(tuple(examples), source)


def record_digits(
    looking: Callable[[nnx.Rngs], nnx.Module],
    pooled: int,
    maps: Callable[[Any, GridAxis, np.ndarray], Sequence[AttentionMap]],
    *,
    number: int = 13,
    epochs: int = 30,
) -> Recording:
    """Where a classifier looks in a test digit.

    Args:
        looking: Makes its attention.
        pooled: How many features the attention gives.
        maps: The maps of an example, from the trained attention, the places and the weights.
        number: Which of the test digits; 13 is a 3.
        epochs: How long it learns.
    """
    model, score, test = reader_of_digits(looking, pooled, epochs=epochs)
    pixels = test.pixels[number]
    _, weights = model(pixels[None])
    ink = Picture((255 - np.rint(pixels[..., None] * 255)).astype(np.uint8))
    places = GridAxis(SIDE, SIDE, picture=ink)
    example = Example(
        f"digit {test.digits[number]}",
        tuple(maps(model.attention, places, np.asarray(weights))),
        picture=ink,
    )
    source = Source(model="Small classifier of digits", data=f"{score:.0%} of test digits right.")
    return Recording((example,), source)


def pooled_by(items: Sequence[str], *leading: str) -> Callable[..., Sequence[AttentionMap]]:
    """Maps of an attention whose queries have names, over leading tokens and the places."""

    def maps(_: Any, places: GridAxis, weights: np.ndarray) -> Sequence[AttentionMap]:
        keys = GridAxis(SIDE, SIDE, leading, places.picture)
        query = ItemAxis(tuple(items))
        return [AttentionMap("attention", weights[0], query, keys, kind="pooling")]

    return maps


def place_to_place(_: Any, places: GridAxis, weights: np.ndarray) -> Sequence[AttentionMap]:
    """The map of an attention of all places to all places."""
    return [AttentionMap("attention", weights[0], places, places)]


def window_by_window(
    attention: ByWindows, places: GridAxis, weights: np.ndarray
) -> Sequence[AttentionMap]:
    """The maps of all windows as one map, in which places of other windows are masked."""
    numbers = attention.windows.places(SIDE, SIDE)
    whole = np.zeros((1, SIDE * SIDE, SIDE * SIDE), np.float32)
    for tokens, of_window in zip(numbers, weights, strict=True):
        whole[0][np.ix_(tokens, tokens)] = of_window[0]
    return [AttentionMap("attention", whole, places, places, mask=whole[0] > 0)]
