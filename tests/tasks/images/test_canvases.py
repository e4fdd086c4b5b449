"""Each canvas has one whole digit in a box that is known, and clutter everywhere else."""

import numpy as np
import pytest

from attnreport.tasks.images.canvases import SIDE, Box, enlarge, make_canvases
from attnreport.tasks.images.digits import divided, scanned_digits


@pytest.fixture(scope="module")
def scans():
    return divided(scanned_digits())[0]


@pytest.fixture(scope="module")
def canvases(scans):
    return make_canvases(scans, 100, 3)


def test_a_seed_makes_the_same_canvases(scans):
    first, again, other = (make_canvases(scans, 12, seed) for seed in (1, 1, 2))
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, two)
    assert (first.pixels != other.pixels).any()


def test_all_digits_are_equally_often(canvases):
    assert np.bincount(canvases.classes).tolist() == [10] * 10


def test_the_box_holds_a_digit_that_no_clutter_touches(canvases, scans):
    """Cut out of the canvas, it is one of the scans of its class, in one of the sizes."""
    for picture, digit, box in zip(*canvases, strict=True):
        top, left, bottom, right = box
        cut = picture[top:bottom, left:right, 0].astype(np.float32) / 255
        assert any(
            np.abs(enlarged - cut).max(axis=(1, 2)).min() < 0.01
            for enlarged in candidates(scans.pixels[scans.digits == digit], cut.shape)
        )


def candidates(pixels, shape):
    for size in range(12, 17):
        large = enlarge(pixels, size)
        for top in range(size - shape[0] + 1):
            for left in range(size - shape[1] + 1):
                yield large[:, top : top + shape[0], left : left + shape[1]]


def test_boxes_are_inside_and_tight(canvases):
    for picture, box in zip(canvases.pixels[..., 0], canvases.boxes, strict=True):
        top, left, bottom, right = box
        assert 0 <= top < bottom <= SIDE
        assert 0 <= left < right <= SIDE
        cut = picture[top:bottom, left:right]
        assert all(edge.max() > 30 for edge in (cut[0], cut[-1], cut[:, 0], cut[:, -1]))


def test_digits_stand_everywhere(canvases):
    tops, lefts = canvases.boxes[:, 0], canvases.boxes[:, 1]
    assert tops.min() < 3 < 15 < tops.max()
    assert lefts.min() < 3 < 15 < lefts.max()


def test_most_of_the_ink_is_clutter_and_as_bright_as_digits(canvases):
    ink, inside = canvases.pixels[..., 0].astype(float), np.zeros((100, SIDE, SIDE), bool)
    for mask, (top, left, bottom, right) in zip(inside, canvases.boxes, strict=True):
        mask[top:bottom, left:right] = True
    assert ink[~inside].sum() > 2 * ink[inside].sum()
    bright = [ink[where & (ink > 50)].mean() for where in (inside, ~inside)]
    assert abs(bright[0] - bright[1]) < 30


@pytest.mark.parametrize(
    ("other", "meets"),
    [
        (Box(0, 0, 4, 4), True),
        (Box(3, 3, 5, 5), True),
        (Box(4, 0, 6, 4), False),
        (Box(0, 4, 4, 8), False),
        (Box(1, 1, 2, 2), True),
    ],
)
def test_boxes_that_only_touch_have_no_pixel_in_common(other, meets):
    assert Box(0, 0, 4, 4).meets(other) is meets
    assert other.meets(Box(0, 0, 4, 4)) is meets


def test_enlarging_keeps_an_even_picture_and_goes_in_linear_steps():
    np.testing.assert_allclose(enlarge(np.full((1, 8, 8), 0.5, np.float32), 13), 0.5, atol=1e-6)
    step = np.zeros((1, 2, 2), np.float32)
    step[0, :, 1] = 1
    np.testing.assert_allclose(enlarge(step, 4)[0, 0], [0, 0.25, 0.75, 1])
