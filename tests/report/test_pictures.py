import base64
import zlib

import numpy as np
import pytest

from attnreport.recording import Picture
from attnreport.report.pictures import PictureBook, pack_picture, picture_of, shrunk
from tests.report.picture_recordings import picture_recording


def unpacked(text: str, shape: tuple[int, int, int]) -> np.ndarray:
    """The pixels of a block, byte by byte as the page does it."""
    height, width, channels = shape
    bytes_, last = [], 0
    for difference in zlib.decompress(base64.b64decode(text)):
        last = (last + difference) % 256
        bytes_.append(last)
    return np.array(bytes_, np.uint8).reshape(channels, height, width).transpose(1, 2, 0)


@pytest.mark.parametrize("shape", [(1, 1, 1), (5, 7, 1), (6, 4, 3)])
def test_a_picture_comes_back_to_the_pixel(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    np.testing.assert_array_equal(unpacked(pack_picture(pixels), shape), pixels)


def test_a_large_picture_is_shrunk_by_means():
    pixels = np.random.default_rng(0).integers(0, 256, (643, 401, 3)).astype(np.uint8)
    found = shrunk(pixels)
    assert found.shape == (215, 134, 3)
    np.testing.assert_array_equal(found[0, 0], np.rint(pixels[:3, :3].mean(axis=(0, 1))))
    np.testing.assert_array_equal(found[-1, -1], np.rint(pixels[642:, 399:].mean(axis=(0, 1))))
    np.testing.assert_array_equal(shrunk(pixels[:320, :320]), pixels[:320, :320])


def test_a_picture_stands_in_the_page_once():
    book = PictureBook()
    gray = Picture(np.zeros((2, 3, 1), np.uint8))
    assert [book.number(each) for each in (gray, None, Picture(gray.pixels.copy()))] == [0, None, 0]
    assert book.entries() == [{"width": 3, "height": 2, "channels": 1}]
    assert [block.id for block in book.blocks()] == ["picture0"]


def test_an_example_without_a_picture_shows_that_of_its_axes():
    example = picture_recording(1).examples[0]
    found = picture_of(type(example)(example.name, example.maps))
    assert found is not None
    assert found == example.picture


def test_axes_and_pictures_stand_in_the_manifest_once(pages):
    manifest = pages["pictures"].json("manifest")
    assert [axis["kind"] for axis in manifest["axes"]] == ["items", "channels", "grid", "grid"]
    assert len(manifest["pictures"]) == len(manifest["examples"]) == 5
    assert [example["right"] for example in manifest["examples"]] == [True] * 4 + [False]
    assert [example["target"] for example in manifest["examples"]] == [0, 1, 2, 0, 1]
    assert manifest["training"]["panels"][1][0]["values"] == [0.3, 0.8, None, 0.9]


def test_the_heading_counts_no_token_as_a_cell(pages):
    facts = [fact.text for fact in pages["pictures"].one("ul", **{"class": "facts"}).all("li")]
    assert any(fact.endswith("× 2 heads over 64 cells and 2 tokens") for fact in facts)
