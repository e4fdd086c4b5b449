import numpy as np
import pytest

from attnreport._errors import InvalidAttentionError
from attnreport.recording import Example, GridAxis, Picture

PIXELS = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)


def test_a_picture_has_a_size():
    found = Picture(PIXELS)
    assert (found.height, found.width, found.channels) == (2, 3, 3)
    assert repr(found) == "Picture(2 × 3, RGB)"
    assert repr(Picture(PIXELS[..., :1])) == "Picture(2 × 3, gray)"


def test_pictures_are_compared_by_content():
    found, same, other = Picture(PIXELS), Picture(PIXELS.copy()), Picture(PIXELS[::-1])
    assert found == same
    assert hash(found) == hash(same)
    assert found != other
    assert found != Picture(PIXELS.reshape(3, 2, 3))
    assert found != "a picture"
    assert len({found, same, other}) == 2


def test_pixels_cannot_be_changed_from_outside():
    pixels = PIXELS.copy()
    found = Picture(pixels)
    pixels[0] = 9
    assert found == Picture(PIXELS)
    with pytest.raises(ValueError, match="read-only"):
        found.pixels[0] = 9


def test_axes_with_a_picture_are_compared_by_its_content():
    first, same = (GridAxis(1, 2, picture=Picture(PIXELS.copy())) for _ in range(2))
    assert first == same
    assert hash(first) == hash(same)
    assert first != GridAxis(1, 2)
    assert GridAxis(1, 2).picture is None


def test_arrays_of_jax_are_pixels_too():
    import jax.numpy as jnp

    assert Picture(jnp.asarray(PIXELS)) == Picture(PIXELS)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Picture(PIXELS / 255), r"are of type float64\. Give whole numbers from 0 to 255"),
        (lambda: Picture(PIXELS.astype(np.int64)), "are of type int64"),
        (lambda: Picture(PIXELS[..., 0]), r"have shape \(2, 3\).*pixels\[..., None\]"),
        (lambda: Picture(PIXELS[..., :2]), r"have shape \(2, 3, 2\).*1 channel \(gray"),
        (lambda: Picture(PIXELS[:0]), r"have shape \(0, 3, 3\).*at least one pixel"),
        (lambda: GridAxis(1, 2, picture=PIXELS), r"a grid axis is of type ndarray\. Give `Picture"),
        (lambda: Example("a", (), picture=PIXELS), "picture of example 'a' is of type ndarray"),
    ],
)
def test_what_is_no_picture_is_refused(make, message):
    with pytest.raises(InvalidAttentionError, match=message):
        make()
