"""Pictures that went into a model, as pixels."""

import dataclasses
import functools
import hashlib
from typing import Any

import numpy as np
from jaxtyping import UInt8

from attnreport._errors import InvalidAttentionError


@dataclasses.dataclass(frozen=True, eq=False)
class Picture:
    """A picture, compared by its content.

    Attributes:
        pixels: Its pixels from the upper left corner, row by row, each with one channel (gray)
            or three (red, green, blue) from 0 to 255. They are copied and cannot be changed.
    """

    pixels: UInt8[np.ndarray, "row column channel"]

    def __post_init__(self) -> None:
        object.__setattr__(self, "pixels", _checked(self.pixels))

    def __repr__(self) -> str:
        """Its size, without the pixels."""
        color = "gray" if self.channels == 1 else "RGB"
        return f"Picture({self.height} × {self.width}, {color})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Picture):
            return NotImplemented
        return np.array_equal(self.pixels, other.pixels)

    def __hash__(self) -> int:
        return hash((self.pixels.shape, self._digest))

    @property
    def height(self) -> int:
        """Number of rows of pixels."""
        return self.pixels.shape[0]

    @property
    def width(self) -> int:
        """Number of columns of pixels."""
        return self.pixels.shape[1]

    @property
    def channels(self) -> int:
        """1 if it is gray, 3 if it has colors."""
        return self.pixels.shape[2]

    @functools.cached_property
    def _digest(self) -> bytes:
        return hashlib.blake2b(self.pixels.tobytes(), digest_size=16).digest()


def require_picture(picture: object, place: str) -> None:
    """Raises unless there is no picture or it is a `Picture`.

    Raises:
        InvalidAttentionError: It is something else, such as an array of pixels.
    """
    if picture is not None and not isinstance(picture, Picture):
        raise InvalidAttentionError(
            f"The picture of {place} is of type {type(picture).__name__}. Give "
            "`Picture(pixels)`, or None."
        )


def _checked(pixels: Any) -> UInt8[np.ndarray, "row column channel"]:
    """The pixels in memory of their own that cannot be written to."""
    found = np.asarray(pixels)
    if found.dtype != np.uint8:
        raise InvalidAttentionError(
            f"The pixels of a picture are of type {found.dtype}. Give whole numbers from 0 to 255 "
            "as uint8; fractions of 1 become them by `np.round(255 * pixels).astype(np.uint8)`."
        )
    if found.ndim != 3 or found.shape[2] not in (1, 3) or 0 in found.shape:
        raise InvalidAttentionError(
            f"The pixels of a picture have shape {found.shape}. Give them as [row, column, "
            "channel] with at least one pixel, and 1 channel (gray, `pixels[..., None]`) or 3 "
            "(red, green, blue)."
        )
    found = np.array(found, order="C")
    found.flags.writeable = False
    return found
