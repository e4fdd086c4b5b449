"""How much of an attention lies on the digit."""

import numpy as np
from jaxtyping import Float, Int, Real

Boxes = Int[np.ndarray, "picture 4"]
Shares = Float[np.ndarray, " picture"]


def coverage(
    boxes: Boxes, grid: tuple[int, int], size: tuple[int, int]
) -> Float[np.ndarray, "picture row column"]:
    """Share of the area of each cell of a grid that lies in the box of each picture.

    Args:
        boxes: Top, left, bottom and right in pixels, the ends not included.
        grid: Rows and columns of cells.
        size: Height and width of the pictures in pixels.
    """
    tops, lefts, bottoms, rights = boxes.T
    rows = _overlap(tops, bottoms, grid[0], size[0])
    columns = _overlap(lefts, rights, grid[1], size[1])
    return rows[:, :, np.newaxis] * columns[:, np.newaxis, :]


def share_in_box(
    attention: Real[np.ndarray, "picture row column"], boxes: Boxes, size: tuple[int, int]
) -> Shares:
    r"""Share of the attention of each picture that lies in its box, from 0 to 1.

    $$s = \frac{\sum_p a_p c_p}{\sum_p a_p}$$

    with the attention $a_p \ge 0$ of cell $p$ and the share $c_p$ of its area that is in the box.
    So attention that is the same everywhere has exactly the share of the box in the picture,
    whatever the grid. A picture without any attention has the share 0.

    Args:
        attention: Weights or gates, or anything else without negative numbers.
        boxes: Top, left, bottom and right in pixels, the ends not included.
        size: Height and width of the pictures in pixels.
    """
    inside = coverage(boxes, attention.shape[1:], size)
    weights = attention.astype(np.float64)
    total = weights.sum(axis=(1, 2))
    return (weights * inside).sum(axis=(1, 2)) / np.where(total > 0, total, 1)


def area_share(boxes: Boxes, size: tuple[int, int]) -> Shares:
    """Share of each picture that its box fills: the share of attention that looks everywhere."""
    tops, lefts, bottoms, rights = boxes.T
    return (bottoms - tops) * (rights - lefts) / (size[0] * size[1])


def _overlap(
    starts: Int[np.ndarray, " picture"], ends: Int[np.ndarray, " picture"], cells: int, pixels: int
) -> Float[np.ndarray, "picture cell"]:
    """Share of each cell between start and end, along one direction."""
    edges = np.arange(cells + 1) * pixels / cells
    first = np.maximum(edges[:-1], starts[:, np.newaxis])
    last = np.minimum(edges[1:], ends[:, np.newaxis])
    return np.maximum(last - first, 0) * cells / pixels
