"""Maps of a network over images say what each position is, in the picture or among channels."""

import numpy as np
import pytest

from attnreport.models import ConvolutionalNetwork, VisionTransformer
from attnreport.recording import ChannelAxis, GridAxis, ItemAxis, Picture
from attnreport.tasks.images import maps
from attnreport.tasks.images.pictures import Pictures
from tests.nn.family import drawn
from tests.tasks.images.conftest import PATCHES

BOXES = np.array([[4, 4, 20, 16], [0, 8, 12, 24]])
PICTURES = Pictures(
    np.random.default_rng(0).integers(0, 256, (2, 32, 32, 1), dtype=np.uint8),
    np.array([3, 4]),
    BOXES,
)


def of_network(attention, pictures=PICTURES):
    model = drawn(
        lambda **o: ConvolutionalNetwork(1, 10, attention=attention, features=4, stages=2, **o)
    )
    return maps.picture_maps(model, pictures)


@pytest.fixture(scope="module")
def cbam():
    return of_network("cbam")


def test_gates_over_places_lie_on_the_picture_and_gates_over_channels_do_not(cbam):
    places, channels, *rest = cbam[1]
    assert (places.group, channels.group) == (
        "gates over places, layer 1",
        "gates over channels, layer 1",
    )
    assert (places.name, channels.name) == ("attentions.1.spatial", "attentions.1.channel")
    assert places.kind == channels.kind == "gate"
    assert places.layer == channels.layer == 1
    assert places.key == GridAxis(8, 8, picture=Picture(PICTURES.pixels[1]))
    assert channels.key == ChannelAxis(8)
    assert places.query == channels.query == ItemAxis(("the picture",))
    assert places.checks.output_difference == 0
    assert [each.group for each in rest] == [
        maps.of_layer(g, 1) for g in (maps.ACTIVATIONS, maps.AFTER)
    ]


def slow_cells(box, cells: int) -> np.ndarray:
    """Cells of those rows and columns of which at least half of the pixels are in the box."""
    top, left, bottom, right = box
    rows = [sum(top <= pixel < bottom for pixel in part) for part in pixels_of(cells)]
    columns = [sum(left <= pixel < right for pixel in part) for part in pixels_of(cells)]
    half = 32 // cells / 2
    return np.array([[row >= half and column >= half for column in columns] for row in rows])


def pixels_of(cells: int) -> np.ndarray:
    return np.arange(32).reshape(cells, -1)


@pytest.mark.parametrize("cells", [4, 8, 16])
@pytest.mark.parametrize("box", [(3, 5, 17, 18), (6, 2, 18, 15), (0, 17, 13, 32)])
def test_a_box_is_a_rectangle_of_cells(box, cells):
    found = maps.cells_in_box(np.array([box]), (cells, cells), (32, 32))[0]
    np.testing.assert_array_equal(found, slow_cells(box, cells))
    np.testing.assert_array_equal(found, np.outer(found.any(axis=1), found.any(axis=0)))


def test_the_cells_of_the_box_are_the_reference(cbam):
    for row, found in enumerate(cbam):
        inside = slow_cells(BOXES[row], 8)
        np.testing.assert_array_equal(found[0].reference, inside.reshape(1, 64))
        assert found[0].reference_name == (
            "the digit’s box, drawn to whole cells; shares in the box are of the true box"
        )
        assert found[1].reference_name == ""
        assert found[1].reference is None
    blind = of_network("cbam", PICTURES._replace(boxes=None))
    assert all(each.reference is None for found in blind for each in found)


def test_activations_are_shares(cbam):
    for found in cbam:
        for each in found[2:]:
            assert each.kind == "activation"
            assert each.checks.others[0].detail.endswith("no attention.")
            np.testing.assert_allclose(each.array().sum(), 1, rtol=1e-5)


def test_a_non_local_block_has_all_rows_and_their_mean():
    for found in of_network("non-local"):
        mean, every = found[:2]
        assert (mean.group, every.group) == (
            maps.of_layer(maps.MEAN_ROW, 1),
            maps.of_layer(maps.PLACES, 1),
        )
        assert every.query == every.key == mean.key
        assert every.weights.shape == (1, 64, 64)
        np.testing.assert_allclose(mean.array()[0], every.array()[0].mean(0)[None], atol=1e-6)


@pytest.mark.parametrize("attention", ["se", "eca"])
def test_gates_over_channels_have_the_path_of_their_module(attention):
    channels, *rest = of_network(attention)[0]
    assert (channels.name, channels.kind) == ("attentions.1", "gate")
    assert [each.group for each in rest] == [
        maps.of_layer(g, 1) for g in (maps.ACTIVATIONS, maps.AFTER)
    ]


def test_a_network_without_attention_has_only_activations_and_says_so():
    for found in of_network("none"):
        assert [each.group for each in found] == [
            "activations (no attention), layer 1",
            "activations (no attention), layer 0",
        ]
        assert [each.name for each in found] == ["stages.1", "stages.0"]
        assert [each.weights.shape for each in found] == [(1, 1, 64), (1, 1, 256)]


def test_a_vision_transformer_has_its_layers_and_their_rollout():
    model = drawn(lambda **o: VisionTransformer((32, 32), (8, 8), 1, 10, PATCHES.layers, **o))
    for found in maps.picture_maps(model, PICTURES):
        rolled, *layers = found
        assert (rolled.kind, rolled.weights.shape) == ("pooling", (1, 1, 16))
        assert rolled.reference is not None
        np.testing.assert_allclose(rolled.array().sum(), 1, rtol=1e-5)
        assert "captured attention of all layers" in rolled.checks.others[0].detail
        assert [each.name for each in layers] == [f"encoder.layers.{n}.attention" for n in (0, 1)]
        assert all(each.key.leading == ("[class]",) for each in layers)
        assert all(each.weights.shape == (2, 17, 17) for each in layers)
