import base64
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attnreport.report.atlas import build_atlas, thumbnail
from attnreport.report.palette import LIGHT, hex_to_rgb
from tests.report.png_decoder import decode_png


def blank(queries=5, keys=7):
    return np.zeros((queries, keys), dtype=np.float32)


def atlas_of(layers):
    return build_atlas([[thumbnail(head) for head in heads] for heads in layers])


def steps_of(atlas):
    """The stored square-root steps, read back from the PNG."""
    picture = decode_png(atlas.png)
    return np.array([[step for (step,) in row] for row in picture.rows])


def test_a_single_bright_cell_appears_in_the_right_thumbnail_at_its_place():
    layers = [[blank() for _ in range(3)] for _ in range(2)]
    layers[1][2][4, 6] = 1.0  # layer 1, head 2, query 4, key 6
    layers[0][1][0, 3] = 0.25
    steps = steps_of(atlas_of(layers))
    assert steps.shape == (2 * 5, 3 * 7)
    assert np.argwhere(steps).tolist() == [[0, 7 + 3], [5 + 4, 2 * 7 + 6]]
    assert steps[9, 20] == 255
    assert steps[0, 10] == 128  # round(255 * sqrt(0.25))


def test_the_palette_runs_from_paper_to_ink():
    palette = decode_png(atlas_of([[blank()]]).png).palette
    assert len(palette) == 256
    assert palette[0] == hex_to_rgb(LIGHT[0]) == (255, 255, 255)
    assert palette[255] == hex_to_rgb(LIGHT[-1])


def test_layers_with_fewer_heads_leave_the_rest_of_their_row_empty():
    full = np.ones((2, 2), dtype=np.float32)
    steps = steps_of(atlas_of([[full], [full, full, full]]))
    assert steps.tolist() == [[255, 255, 0, 0, 0, 0]] * 2 + [[255] * 6] * 2


def test_the_atlas_says_how_large_its_picture_is():
    atlas = atlas_of([[blank(), blank()]])
    picture = decode_png(atlas.png)
    assert (atlas.width, atlas.height) == (picture.width, picture.height) == (14, 5)
    assert base64.b64decode(atlas.text) == atlas.png


def test_rows_carry_no_filter_because_the_page_undoes_none():
    png = atlas_of([[blank(), blank()]]).png
    at = png.index(b"IDAT")
    (length,) = struct.unpack(">I", png[at - 4 : at])
    raw = zlib.decompress(png[at + 4 : at + 4 + length])
    assert len(raw) == 5 * 15
    assert set(raw[::15]) == {0}
    assert png.count(b"IDAT") == 1


@given(st.integers(1, 200), st.integers(1, 200), st.integers(0, 10**6))
def test_a_bright_cell_never_disappears_however_long_the_text(queries, keys, place):
    weights = blank(queries, keys)
    query, key = divmod(place % (queries * keys), keys)
    weights[query, key] = 1
    small = thumbnail(weights)
    assert small.shape == (min(queries, 48), min(keys, 48))
    ((y, x),) = np.argwhere(small)
    assert abs((y + 0.5) / small.shape[0] - (query + 0.5) / queries) <= 1 / small.shape[0]
    assert abs((x + 0.5) / small.shape[1] - (key + 0.5) / keys) <= 1 / small.shape[1]


def test_each_pixel_of_a_thumbnail_is_the_strongest_weight_under_it():
    weights = np.random.default_rng(0).random((96, 144)).astype(np.float32)
    strongest = weights.reshape(48, 2, 48, 3).max(axis=(1, 3))
    expected = np.floor(255 * np.sqrt(strongest) + 0.5)
    assert np.abs(thumbnail(weights) - expected).max() == 0


@pytest.mark.parametrize("queries", [1, 47, 48])
def test_short_texts_are_shown_cell_by_cell(queries):
    weights = np.random.default_rng(1).random((queries, 3)).astype(np.float32)
    assert thumbnail(weights).shape == (queries, 3)
