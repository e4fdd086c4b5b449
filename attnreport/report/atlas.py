"""The picture of all heads: one thumbnail per head, in one indexed PNG.

A picture without scripts, and for the page the same bytes as data: it inflates the pixels itself
and colors them for the mode it is in.
"""

import dataclasses
import struct
import zlib
from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float, UInt8

from attnreport.report.packing import as_text, square_root_steps
from attnreport.report.palette import LIGHT, LIGHT_CHANGE, palette_bytes

_THUMBNAIL = 48
# The step of no change; steps are as far from it as the root of the change, on either side.
_NO_CHANGE = 128
_STEPS_OF_CHANGE = 127


@dataclasses.dataclass(frozen=True)
class Atlas:
    """Thumbnails of a stack of layers.

    Attributes:
        png: The picture, layers downwards and heads across.
        width: Its width in pixels.
        height: Its height in pixels.
    """

    png: bytes
    width: int
    height: int

    @property
    def text(self) -> str:
        """The picture in base64."""
        return as_text(self.png)


def thumbnail(
    weights: Float[np.ndarray, "query key"], *, largest: float = 1.0
) -> UInt8[np.ndarray, "height width"]:
    """The head as at most 48 x 48 square-root steps up to the `largest` weight of its stack.

    Each pixel is the strongest cell under it.
    """
    return square_root_steps(_pooled(_pooled(weights, 0), 1), 255, largest=largest)


def change_thumbnail(
    change: Float[np.ndarray, "query key"], *, largest: float = 1.0
) -> UInt8[np.ndarray, "height width"]:
    """A difference of two heads as at most 48 x 48 steps, 128 where nothing changed.

    Each pixel is the cell under it that changed most.
    """
    more, less = (_pooled(_pooled(np.maximum(each, 0), 0), 1) for each in (change, -change))
    steps = square_root_steps(np.maximum(more, less), _STEPS_OF_CHANGE, largest=largest)
    return np.where(more >= less, _NO_CHANGE + steps, _NO_CHANGE - steps).astype(np.uint8)


def build_atlas(
    layers: Sequence[Sequence[UInt8[np.ndarray, "height width"]]], *, changes: bool = False
) -> Atlas:
    """One picture of the thumbnails of each layer's heads; a layer may have fewer than others.

    Args:
        layers: The thumbnails, layer by layer.
        changes: Whether they are those of `change_thumbnail`.
    """
    height, width = layers[0][0].shape
    columns = max(len(heads) for heads in layers)
    nothing = _NO_CHANGE if changes else 0
    pixels = np.full((len(layers) * height, columns * width), nothing, dtype=np.uint8)
    for row, heads in enumerate(layers):
        for column, pixel in enumerate(heads):
            pixels[row * height : (row + 1) * height, column * width : (column + 1) * width] = pixel
    ramp = LIGHT_CHANGE if changes else LIGHT
    return Atlas(_png(pixels, ramp), pixels.shape[1], pixels.shape[0])


def _pooled(
    weights: Float[np.ndarray, "query key"], axis: int
) -> Float[np.ndarray, "height width"]:
    size = weights.shape[axis]
    if size <= _THUMBNAIL:
        return weights
    starts = np.linspace(0, size, _THUMBNAIL, endpoint=False).astype(int)
    return np.maximum.reduceat(weights, starts, axis=axis)


def _png(pixels: UInt8[np.ndarray, "height width"], ramp: tuple[str, ...]) -> bytes:
    """An indexed PNG without row filters (W3C PNG specification, third edition)."""
    height, width = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    rows = np.concatenate([np.zeros((height, 1), dtype=np.uint8), pixels], axis=1).tobytes()
    chunks: Iterable[tuple[bytes, bytes]] = (
        (b"IHDR", header),
        (b"PLTE", palette_bytes(ramp)),
        (b"IDAT", zlib.compress(rows, 9)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
