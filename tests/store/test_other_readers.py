"""Recordings are plain Zarr v3: the tools of others read them without attnreport."""

import numpy as np
import pytest
import xarray
import zarr

from attnreport.recording import Recording
from attnreport.store import SCHEMA_VERSION


@pytest.fixture
def path(tmp_path, tiny_recording, cross_recording):
    Recording.join_examples([tiny_recording, cross_recording]).save(tmp_path / "run.attn")
    return tmp_path / "run.attn"


def weights(recording, example, layer):
    return recording.examples[example].maps[layer].weights


def test_zarr_reads_heads_as_chunks_with_named_dimensions(path, tiny_recording):
    group = zarr.open_group(path, mode="r")
    array = group["weights_0_1"]
    assert array.metadata.zarr_format == 3
    assert array.metadata.dimension_names == ("head_3", "query_0", "key_0")
    assert array.chunks == (1, 5, 5)
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array[2], weights(tiny_recording, 0, 1)[2])


def test_zarr_reads_the_description(path):
    attributes = zarr.open_group(path, mode="r").attrs["attnreport"]
    assert attributes["schema"] == SCHEMA_VERSION
    assert attributes["axes"][0]["tokens"] == ["[CLS]", "the", "quick", "fox", "[SEP]"]
    assert [example["name"] for example in attributes["examples"]][1:] == [
        "test 0",
        "test 1",
        "test 2",
    ]


@pytest.mark.parametrize("options", [{}, {"consolidated": False}, {"consolidated": True}])
def test_xarray_reads_everything_as_one_dataset(path, options, cross_recording):
    with xarray.open_zarr(path, **options) as data:
        assert set(data) == {
            *("weights_0_0", "weights_0_1", "weights_1_0", "weights_2_0", "weights_3_0"),
            *("reference_0", "reference_1", "reference_2"),
        }
        found = data["weights_2_0"]
        assert found.dims == ("head_1", "query_3", "key_4")
        assert found.sizes == {"head_1": 1, "query_3": 4, "key_4": 5}
        assert found.attrs["long_name"] == "decoder.attention of test 1"
        np.testing.assert_array_equal(found.values, weights(cross_recording, 1, 0))
        assert data["reference_1"].dtype == bool
        np.testing.assert_allclose(found.sum("key_4"), 1, atol=1e-6)


def test_others_may_read_a_recording_full_of_hostile_texts(tmp_path, full_recording):
    full_recording.save(tmp_path / "run.attn")
    with xarray.open_zarr(tmp_path / "run.attn", consolidated=False) as data:
        for example, layer in np.ndindex(6, 2):
            expected = full_recording.examples[example].maps[layer]
            np.testing.assert_array_equal(data[f"weights_{example}_{layer}"], expected.weights)
        np.testing.assert_array_equal(data["logits_3_0"], full_recording.examples[3].maps[0].logits)
        pixels = full_recording.examples[0].picture.pixels
        np.testing.assert_array_equal(data["picture_0"], pixels)
        assert data["picture_0"].dims == ("row_5", "column_4", "channel_3")
        np.testing.assert_array_equal(data["confusion_0"], full_recording.confusion.counts)
    assert len(list(zarr.open_group(tmp_path / "run.attn", mode="r").arrays())) == 57
