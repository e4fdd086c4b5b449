"""Recordings of classifiers of pictures, with gates and with attention among patches."""

import numpy as np

from attnreport.recording import (
    AttentionMap,
    ChannelAxis,
    Confusion,
    Curve,
    Example,
    GridAxis,
    ItemAxis,
    Metric,
    Picture,
    Recording,
    Source,
    Training,
)

CLASSES = ("bar", "cross", "ring")
SIDE = 32
GRID = 8
LEADING = ("class", "register")
CHANNELS = 12
# Every fifth example is taken for the next class.
MISTAKE = 5


def picture_recording(
    examples: int = 10, *, color: bool = False, classes: tuple[str, ...] = CLASSES
) -> Recording:
    """Shapes on clutter. The right examples look at the shape, the wrong ones at the far corner."""
    generator = np.random.default_rng(3)
    counts = np.array([[40, 6, 0], [3, 51, 2], [0, 1, 47]])
    return Recording(
        tuple(_example(number, generator, color, classes) for number in range(examples)),
        source=Source(model="shapes", framework="NumPy", data="Shapes drawn for this test."),
        metrics=(
            Metric("accuracy", counts.trace() / counts.sum(), "On 150 shapes.", percent=True),
        ),
        confusion=Confusion(classes, counts),
        training=Training(
            (
                Curve("training loss", (0, 100, 200, 300), (1.1, 0.6, 0.3, 0.1)),
                Curve("validation loss", (0, 100, 200, 300), (1.1, 0.7, 0.5, 0.6)),
                Curve("validation accuracy", (0, 100, 200, 300), (0.3, 0.8, float("nan"), 0.9)),
            ),
            chosen=200,
        ),
    )


def corner_of(number: int) -> tuple[int, int]:
    """Row and column of the shape of an example, in cells."""
    return 1 + number % 4, 2 + number % 3


def is_mistake(number: int) -> bool:
    """Whether the example is classified wrong."""
    return number % MISTAKE == MISTAKE - 1


def _example(
    number: int, generator: np.random.Generator, color: bool, classes: tuple[str, ...]
) -> Example:
    row, column = corner_of(number)
    kind = number % len(classes)
    pixels = generator.integers(0, 90, (SIDE, SIDE, 3 if color else 1), dtype=np.uint8)
    shape = pixels[4 * row : 4 * row + 12, 4 * column : 4 * column + 12]
    _draw(kind, shape)
    picture = Picture(pixels)
    grid = GridAxis(GRID, GRID, picture=picture)
    inside = np.zeros((GRID, GRID), dtype=bool)
    inside[row : row + 3, column : column + 3] = True
    looked_at = np.roll(inside, (4, 4), (0, 1)) if is_mistake(number) else inside
    channels = 0.2 + 0.1 * generator.random(CHANNELS)
    channels[kind * 4 : kind * 4 + 4] += 0.5
    one = ItemAxis(("picture",))
    patches = GridAxis(GRID, GRID, LEADING, picture)
    given = (kind + 1) % len(classes) if is_mistake(number) else kind
    maps = (
        AttentionMap(
            "block.channel_gate",
            channels.astype(np.float32)[np.newaxis, np.newaxis],
            one,
            ChannelAxis(CHANNELS),
            kind="gate",
            group="channel gate",
            normalized=False,
        ),
        AttentionMap(
            "block.spatial_gate",
            (0.4 + 0.3 * looked_at).astype(np.float32).reshape(1, 1, -1),
            one,
            grid,
            kind="gate",
            group="spatial gate",
            normalized=False,
            reference=inside.reshape(1, -1),
            reference_name="the shape",
        ),
        *(
            AttentionMap(
                f"encoder.{layer}.attention",
                _patch_weights(looked_at, generator),
                patches,
                patches,
                group="patches",
            )
            for layer in range(2)
        ),
    )
    return Example(
        name=f"test {number}",
        maps=maps,
        output=classes[given],
        target=classes[kind],
        scores={"confidence": 0.5 + 0.01 * number},
        picture=picture,
    )


def _draw(kind: int, shape: np.ndarray) -> None:
    """A bar, a cross or a ring in the given pixels."""
    if kind == 0:
        shape[4:8] = 255
    elif kind == 1:
        shape[5:7] = shape[:, 5:7] = 255
    else:
        shape[2:10, 2:10] = 255
        shape[4:8, 4:8] = 0


def _patch_weights(looked_at: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Two heads: one that looks at some cells, and one that looks at neighbors."""
    cells = GRID * GRID
    rows, columns = np.divmod(np.arange(cells), GRID)
    near = np.hypot(rows[:, np.newaxis] - rows, columns[:, np.newaxis] - columns)
    logits = generator.normal(size=(2, cells + 2, cells + 2)) * 0.4
    logits[0, :, 2:] += 3.0 * looked_at.ravel()
    logits[1, 2:, 2:] -= near
    weights = np.exp(logits)
    return (weights / weights.sum(axis=-1, keepdims=True)).astype(np.float32)
