"""Labelled pictures, with where what they show is."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int, UInt8


class Pictures(NamedTuple):
    """Pictures, the number of the class of each, and where what it shows is, if that is known.

    Boxes are top, left, bottom and right in pixels, the ends not included.
    """

    pixels: UInt8[np.ndarray, "picture row column channel"]
    classes: Int[np.ndarray, " picture"]
    boxes: Int[np.ndarray, "picture 4"] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of a picture in pixels."""
        return self.pixels.shape[1], self.pixels.shape[2]

    def some(self, rows: np.ndarray | list[int] | slice) -> "Pictures":
        """Some of the pictures."""
        boxes = None if self.boxes is None else self.boxes[rows]
        return Pictures(self.pixels[rows], self.classes[rows], boxes)
