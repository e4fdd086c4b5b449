"""Canvases with one whole digit each, at a known place among pieces of other digits and strokes."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from attnreport.tasks.images.digits import Scans
from attnreport.tasks.images.pictures import Pictures

SIDE = 32
# Sides of a digit in pixels: it fills between a seventh and a quarter of the canvas.
SIZES = range(12, 17)
FRAGMENTS, STROKES = 6, 3
_FRAGMENT = 6
# Ink that is fainter than this does not count for the box.
_FAINT = 0.15
_TRIES = 50

Pixels = Float[np.ndarray, "row column"]
Random = np.random.Generator


class Box(NamedTuple):
    """A rectangle of pixels, the ends not included."""

    top: int
    left: int
    bottom: int
    right: int

    def meets(self, other: "Box") -> bool:
        """Whether both have a pixel in common."""
        rows = self.top < other.bottom and other.top < self.bottom
        return rows and self.left < other.right and other.left < self.right


def make_canvases(
    scans: Scans, count: int, seed: int | list[int], *, least_clutter: float = 1.0
) -> Pictures:
    """Canvases of a seed, white on black, each with one digit, all digits equally often.

    A digit stands at a random place in a random size, with pieces of other digits and strokes
    everywhere but in its box. They are as bright and as thick as it is, so that only what they
    are tells it from them. The idea is that of the cluttered digits of Mnih et al. (2014),
    "Recurrent Models of Visual Attention", section 4.1.

    Args:
        scans: Digits to put on them, and to break into pieces.
        count: How many canvases to make.
        seed: The same seed makes the same canvases.
        least_clutter: Smallest share of all the clutter that a canvas may have. Learning begins
            with 0: a network that has never met a digit alone takes long to find out what it is
            that all the pictures of a class have in common.
    """
    random = np.random.default_rng(seed)
    enlarged = {size: enlarge(scans.pixels, size) for size in SIZES}
    digits = random.permutation(np.arange(count) % 10).astype(np.int32)
    choices = {digit: np.flatnonzero(scans.digits == digit) for digit in range(10)}
    canvases = np.zeros((count, SIDE, SIDE), dtype=np.float32)
    boxes = np.zeros((count, 4), dtype=np.int32)
    for canvas, box, digit in zip(canvases, boxes, digits, strict=True):
        scan = enlarged[random.choice(SIZES)][random.choice(choices[int(digit)])]
        box[:] = _place_digit(canvas, scan, random)
        share = random.uniform(least_clutter, 1)
        _place_clutter(canvas, enlarged, Box(*box.tolist()), share, random)
    pixels = np.rint(canvases * 255).astype(np.uint8)[..., np.newaxis]
    return Pictures(pixels, digits, boxes)


def enlarge(
    pixels: Float[np.ndarray, "scan row column"], size: int
) -> Float[np.ndarray, "scan size size"]:
    """Pictures in another size, with linear steps between the middles of their pixels."""
    side = pixels.shape[-1]
    places = np.clip((np.arange(size) + 0.5) * side / size - 0.5, 0, side - 1)
    shares = np.maximum(0, 1 - np.abs(places[:, np.newaxis] - np.arange(side)))
    return np.einsum("ir,src,jc->sij", shares, pixels, shares).astype(np.float32)


def _place_digit(canvas: Pixels, scan: Pixels, random: Random) -> Box:
    """Puts a digit on a canvas; the box of its ink."""
    rows, columns = (np.flatnonzero(scan.max(axis=axis) > _FAINT) for axis in (1, 0))
    ink = scan[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    box = _anywhere(ink.shape[0], ink.shape[1], random)
    canvas[box.top : box.bottom, box.left : box.right] = ink
    return box


def _place_clutter(
    canvas: Pixels, enlarged: dict[int, np.ndarray], digit: Box, share: float, random: Random
) -> None:
    """Puts a share of the clutter on a canvas, around the box of its digit."""
    for _ in range(round(share * FRAGMENTS)):
        scans = enlarged[random.choice(SIZES)]
        _add(canvas, _fragment(scans[random.integers(len(scans))], random), digit, random)
    for _ in range(round(share * STROKES)):
        _add(canvas, _stroke(random), digit, random)


def _fragment(scan: Pixels, random: Random) -> Pixels:
    """A piece of a digit, not from its border, where there may be nothing."""
    last = len(scan) - _FRAGMENT
    row, column = random.integers(1, last, size=2)
    return scan[row : row + _FRAGMENT, column : column + _FRAGMENT]


def _stroke(random: Random) -> Pixels:
    """A straight stroke as thick as those of digits, in a square around it."""
    half = random.uniform(3, 5)
    angle = random.uniform(0, np.pi)
    direction = half * np.array([np.sin(angle), np.cos(angle)])
    middle = np.ceil(half)
    steps = np.arange(2 * middle + 1) - middle
    places = np.stack(np.meshgrid(steps, steps, indexing="ij"), axis=-1)
    along = np.clip(places @ direction / half**2, -1, 1)
    distance = np.linalg.norm(places - along[..., np.newaxis] * direction, axis=-1)
    return (random.uniform(0.6, 1) * np.clip(1.6 - distance, 0, 1)).astype(np.float32)


def _add(canvas: Pixels, piece: Pixels, digit: Box, random: Random) -> None:
    """Puts a piece of clutter somewhere outside of the digit; nowhere if there is hardly room."""
    for _ in range(_TRIES):
        box = _anywhere(piece.shape[0], piece.shape[1], random)
        if not box.meets(digit):
            place = canvas[box.top : box.bottom, box.left : box.right]
            np.maximum(place, piece, out=place)
            return


def _anywhere(height: int, width: int, random: Random) -> Box:
    top, left = int(random.integers(SIDE - height + 1)), int(random.integers(SIDE - width + 1))
    return Box(top, left, top + height, left + width)
