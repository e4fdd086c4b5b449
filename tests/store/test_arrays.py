import numpy as np
import pytest

from attnreport._errors import RecordingFileError
from attnreport.store import arrays
from attnreport.store.arrays import ArrayPlan, StoredArray, StoredWeights, write_arrays
from attnreport.store.location import open_folder


def plan(values, name="weights_0_0") -> ArrayPlan:
    dimensions = ("head", "query", "key")[-len(values.shape) :]
    return ArrayPlan(name, values, dimensions, "a label")


def stored(plan: ArrayPlan) -> StoredArray:
    return StoredArray(plan.name, tuple(plan.values.shape), plan.dtype, plan.grid)


def test_a_file_holds_the_heads_that_fit(monkeypatch):
    monkeypatch.setattr(arrays, "_FILE_BYTES", 5 * 6 * 7 * 4)
    found = plan(np.zeros((12, 6, 7), np.float32))
    assert found.chunk == (1, 6, 7)
    assert found.file == (5, 6, 7)
    assert found.grid == (3, 1, 1)


def test_a_huge_head_is_split_by_rows(monkeypatch):
    monkeypatch.setattr(arrays, "_CHUNK_BYTES", 3 * 7 * 4)
    monkeypatch.setattr(arrays, "_FILE_BYTES", 10)
    found = plan(np.zeros((2, 8, 7), np.float32))
    assert found.chunk == found.file == (1, 3, 7)
    assert found.grid == (2, 3, 1)


def test_a_head_of_millions_of_keys_still_fits_the_compressor():
    class Huge:
        shape, dtype = (1, 100_000, 100_000), np.dtype(np.float32)

        def __getitem__(self, index: int, /):
            raise AssertionError("a plan needs no weights")

    found = plan(Huge())
    assert np.prod(found.chunk) * 4 <= 2**31 - 1
    assert found.grid == (1, -(-100_000 // found.chunk[1]), 1)


@pytest.mark.parametrize(
    ("file_bytes", "chunk_bytes"), [(1, 1), (300, 100), (500, 10**6), (10**6, 10**6)]
)
def test_every_division_reads_back(file_bytes, chunk_bytes, monkeypatch, tmp_path):
    monkeypatch.setattr(arrays, "_FILE_BYTES", file_bytes)
    monkeypatch.setattr(arrays, "_CHUNK_BYTES", chunk_bytes)
    monkeypatch.setattr(arrays, "_PENDING_BYTES", 50)
    values = np.random.default_rng(0).random((5, 6, 7))
    folder = open_folder(tmp_path)
    metadata = write_arrays(folder, [plan(values), plan(values[0] > 0.5, "mask_0")])
    assert metadata["weights_0_0"]["shape"] == [5, 6, 7]
    names = {*stored(plan(values)).object_names()}
    names |= {*stored(plan(values[0] > 0.5, "mask_0")).object_names()}
    assert names == folder.list()
    found = StoredWeights(folder, stored(plan(values)))
    np.testing.assert_array_equal(np.stack(list(found)), values)
    mask = arrays.read_array(folder, stored(plan(values[0] > 0.5, "mask_0")))
    np.testing.assert_array_equal(mask, values[0] > 0.5)


def test_values_that_equal_nothing_are_stored_too(tmp_path):
    """What is left out could not be told from what was lost."""
    values = np.full((2, 3, 3), np.nan, np.float32)
    folder = open_folder(tmp_path)
    write_arrays(folder, [plan(values), plan(np.zeros((3, 3), bool), "mask_0")])
    np.testing.assert_array_equal(StoredWeights(folder, stored(plan(values)))[1], values[1])
    assert not arrays.read_array(folder, stored(plan(np.zeros((3, 3), bool), "mask_0"))).any()


def test_on_demand_weights_are_read_a_few_heads_at_a_time(monkeypatch, tmp_path):
    class OnDemand:
        shape, dtype = (6, 4, 4), np.dtype(np.float32)

        def __init__(self) -> None:
            self.reads = []

        def __getitem__(self, index: int, /):
            self.reads.append(index)
            return np.full((4, 4), index, np.float32)

    monkeypatch.setattr(arrays, "_FILE_BYTES", 2 * 4 * 4 * 4)
    folder, values = open_folder(tmp_path), OnDemand()
    write_arrays(folder, [plan(values)])
    assert values.reads == list(range(6))
    found = StoredWeights(folder, stored(plan(values)))
    assert [head.mean() for head in found] == list(range(6))


def test_a_source_that_fails_stops_the_writing(tmp_path):
    class Broken:
        shape, dtype = (2, 4, 4), np.dtype(np.float32)

        def __getitem__(self, index: int, /):
            raise RecordingFileError("the source is damaged")

    values = np.zeros((2, 4, 4), np.float32)
    with pytest.raises(RecordingFileError, match="the source is damaged"):
        write_arrays(open_folder(tmp_path), [plan(values), plan(Broken(), "weights_0_1")])
