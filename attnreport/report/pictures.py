"""Packs the pictures that went into a model for the page, each once."""

import math
import zlib
from typing import Any

import numpy as np
from jaxtyping import UInt8

from attnreport.recording import Example, GridAxis, Picture
from attnreport.report.blocks import Block
from attnreport.report.packing import as_text, deflate

# Longest side of a picture in the page, in pixels; no view shows one larger.
_LONGEST_SIDE = 320


class PictureBook:
    """The pictures of a report, numbered in the order in which they were first asked for."""

    def __init__(self) -> None:
        self._numbers: dict[Picture, int] = {}

    def number(self, picture: Picture | None) -> int | None:
        """The picture's number; None where there is no picture."""
        if picture is None:
            return None
        return self._numbers.setdefault(picture, len(self._numbers))

    def entries(self) -> list[dict[str, Any]]:
        """Width, height and channels of each picture as it stands in the page."""
        shapes = (shrunk(picture.pixels).shape for picture in self._numbers)
        return [{"width": w, "height": h, "channels": c} for h, w, c in shapes]

    def blocks(self) -> list[Block]:
        """The pictures, as blocks `picture0`, `picture1` and so on."""
        return [
            Block(f"picture{number}", pack_picture(shrunk(picture.pixels)))
            for picture, number in self._numbers.items()
        ]


def picture_of(example: Example) -> Picture | None:
    """The picture that went in, or else the first that a map was computed from."""
    if example.picture is not None:
        return example.picture
    axes = (axis for attention in example.maps for axis in (attention.key, attention.query))
    pictures = (axis.picture for axis in axes if isinstance(axis, GridAxis))
    return next((picture for picture in pictures if picture is not None), None)


def pack_picture(pixels: UInt8[np.ndarray, "row column channel"]) -> str:
    """One block of text: channel by channel, each pixel as its difference from the one before it.

    The difference is modulo 256. Neighbors are alike, so that it is mostly small and compresses.
    """
    planes = np.ascontiguousarray(pixels.transpose(2, 0, 1)).ravel()
    differences = np.diff(planes, prepend=np.uint8(0))
    return as_text(deflate(differences.tobytes(), strategy=zlib.Z_DEFAULT_STRATEGY))


def shrunk(
    pixels: UInt8[np.ndarray, "row column channel"],
) -> UInt8[np.ndarray, "height width channel"]:
    """The picture with sides of at most 320 pixels; each is the mean of those it stands for."""
    factor = math.ceil(max(pixels.shape[:2]) / _LONGEST_SIDE)
    if factor == 1:
        return pixels
    rows, columns = (np.arange(0, size, factor) for size in pixels.shape[:2])
    sums = np.add.reduceat(np.add.reduceat(pixels, rows, 0, np.int64), columns, 1)
    ones = np.ones(pixels.shape[:2], np.int64)
    counts = np.add.reduceat(np.add.reduceat(ones, rows, 0), columns, 1)
    return np.rint(sums / counts[..., np.newaxis]).astype(np.uint8)
