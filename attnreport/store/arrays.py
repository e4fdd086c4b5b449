"""Keeps arrays in Zarr v3 through TensorStore, in pieces of one head each."""

import dataclasses
import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorstore as ts
from jaxtyping import Shaped

from attnreport._errors import RecordingFileError
from attnreport.recording import Weights
from attnreport.store.location import STORE_ERRORS, Folder, reason, shared_context

# A file holds as many heads as fit; a larger head is split by rows. Blosc takes at most 2 GiB.
_FILE_BYTES = 64 << 20
_CHUNK_BYTES = 256 << 20
# What a reader would see of a part that is not there, by the kind of number; V is bfloat16.
_FILL_VALUES = {"b": False, "u": 0, "i": 0, "f": "NaN", "V": "NaN"}
# How much may wait to be compressed and written.
_PENDING_BYTES = 128 << 20


@dataclasses.dataclass(frozen=True)
class ArrayPlan:
    """An array that is to be written.

    Attributes:
        name: Name in the recording's folder.
        values: The numbers; heads are read one file's worth at a time.
        dimensions: A name per axis.
        label: What it is, for people who open the folder with other tools.
        whole: Whether it is only ever read as a whole, as pictures are.
    """

    name: str
    values: Weights
    dimensions: tuple[str, ...]
    label: str
    whole: bool = False

    @property
    def dtype(self) -> np.dtype[Any]:
        """Number format, in the byte order of this machine."""
        return np.dtype(self.values.dtype).newbyteorder("=")

    @property
    def chunk(self) -> tuple[int, ...]:
        """Shape of the smallest piece that can be read: one head, or some rows of a huge one."""
        if self.whole:
            return self.values.shape
        *_, queries, keys = self.values.shape
        rows = max(1, min(queries, _CHUNK_BYTES // (keys * self.dtype.itemsize)))
        return (1, rows, keys)[-len(self.values.shape) :]

    @property
    def file(self) -> tuple[int, ...]:
        """Shape of the piece that one file holds: whole chunks."""
        if self.whole or len(self.chunk) == 2:
            return self.chunk
        heads = _FILE_BYTES // (math.prod(self.chunk) * self.dtype.itemsize)
        return (max(1, min(heads, self.values.shape[0])), *self.chunk[1:])

    @property
    def grid(self) -> tuple[int, ...]:
        """Number of files along each axis."""
        pairs = zip(self.values.shape, self.file, strict=True)
        return tuple(-(-size // piece) for size, piece in pairs)


@dataclasses.dataclass(frozen=True)
class StoredArray:
    """An array as a recording's description names it.

    Attributes:
        name: Name in the recording's folder.
        shape: Its size along each axis.
        dtype: Its number format.
        grid: Number of files along each axis.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    grid: tuple[int, ...]

    def object_names(self) -> Iterator[str]:
        """Names of all objects that hold the array."""
        yield f"{self.name}/zarr.json"
        for index in np.ndindex(self.grid):
            yield f"{self.name}/c.{'.'.join(str(i) for i in index)}"


class StoredWeights:
    """Weights on disk, `[head, query, key]`; a head is read when it is asked for."""

    def __init__(self, folder: Folder, array: StoredArray) -> None:
        self._folder = folder
        self._array = array
        self._opened: ts.TensorStore | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of `[head, query, key]`."""
        return self._array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Number format of the stored weights."""
        return self._array.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: int, /) -> Shaped[np.ndarray, "query key"]:
        head = range(self.shape[0])[index]
        if self._opened is None:
            self._opened = _open(self._folder, self._array)
        return _read(self._folder, self._array, self._opened[head], f"head {head} of ")

    def __repr__(self) -> str:
        return f"StoredWeights({self._array.name}, shape={self.shape}, dtype={self.dtype})"


def read_array(folder: Folder, array: StoredArray) -> Shaped[np.ndarray, "..."]:
    """The whole array.

    Raises:
        RecordingFileError: It is missing or damaged.
    """
    return _read(folder, array, _open(folder, array))


def write_arrays(folder: Folder, plans: Sequence[ArrayPlan]) -> dict[str, dict[str, Any]]:
    """Writes the arrays, in parallel, without holding more than a few pieces in memory.

    Returns:
        The Zarr metadata of each, by name.
    """
    metadata = {}
    waiting: list[tuple[ts.WriteFutures, int]] = []
    try:
        for plan in plans:
            store = _create(folder, plan)
            metadata[plan.name] = json.loads(folder.read(f"{plan.name}/zarr.json") or b"{}")
            for start in range(0, plan.values.shape[0], plan.file[0]):
                while sum(size for _, size in waiting) > _PENDING_BYTES:
                    waiting.pop(0)[0].result()
                stop = min(start + plan.file[0], plan.values.shape[0])
                piece = _piece(plan, start, stop)
                written = store[start:stop].write(
                    piece, can_reference_source_data_indefinitely=True
                )
                waiting.append((written, piece.nbytes))
        while waiting:
            waiting.pop(0)[0].result()
    finally:
        # TensorStore must not write into a folder that its owner is about to remove.
        for future, _ in waiting:
            future.exception()
    return metadata


def _piece(plan: ArrayPlan, start: int, stop: int) -> np.ndarray:
    values = plan.values
    if not isinstance(values, np.ndarray):
        values = np.stack([values[index] for index in range(start, stop)])
        start, stop = 0, stop - start
    return np.asarray(values[start:stop], dtype=plan.dtype)


def _create(folder: Folder, plan: ArrayPlan) -> ts.TensorStore:
    little = {"name": "bytes", "configuration": {"endian": "little"}}
    # Measured on 12x12x512x512 softmax weights: bit shuffling with Zstandard at level 1 is
    # smaller than plain Zstandard at level 3 and faster, most of all for bfloat16 and float16.
    blosc = {
        "cname": "zstd",
        "clevel": 1,
        "shuffle": "bitshuffle",
        "typesize": plan.dtype.itemsize,
        "blocksize": 0,
    }
    checksum = {"name": "crc32c"}
    shards = {
        "chunk_shape": plan.chunk,
        "codecs": [little, {"name": "blosc", "configuration": blosc}, checksum],
        "index_codecs": [little, checksum],
        "index_location": "end",
    }
    metadata = {
        "shape": plan.values.shape,
        "data_type": plan.dtype.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": plan.file}},
        # No folders below that of the array: each would have to be synchronized to the disk.
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "."}},
        "codecs": [{"name": "sharding_indexed", "configuration": shards}],
        "fill_value": _FILL_VALUES[plan.dtype.kind],
        "dimension_names": plan.dimensions,
        "attributes": {"long_name": plan.label.encode("utf-8", "replace").decode()},
    }
    description = {
        "driver": "zarr3",
        "kvstore": folder.child(plan.name),
        "metadata": metadata,
        "create": True,
        "delete_existing": True,
        # A part that is missing must be an error when it is read, so nothing is left out here.
        "store_data_equal_to_fill_value": True,
    }
    return ts.open(description, context=shared_context()).result()


def _open(folder: Folder, array: StoredArray) -> ts.TensorStore:
    description = {
        "driver": "zarr3",
        "kvstore": folder.child(array.name),
        "fill_missing_data_reads": False,
    }
    try:
        store = ts.open(description, context=shared_context(), read=True, write=False).result()
    except STORE_ERRORS as error:
        raise _damaged(folder, f"array {array.name!r}", reason(error)) from error
    if store.shape != array.shape or store.dtype.numpy_dtype != array.dtype:
        found = f"it is {store.dtype.name}{list(store.shape)} where the recording says "
        raise _damaged(
            folder, f"array {array.name!r}", f"{found}{array.dtype.name}{list(array.shape)}"
        )
    return store


def _read(folder: Folder, array: StoredArray, part: ts.TensorStore, which: str = "") -> np.ndarray:
    try:
        return part.read().result()
    except STORE_ERRORS as error:
        raise _damaged(folder, f"{which}array {array.name!r}", reason(error)) from error


def _damaged(folder: Folder, what: str, why: str) -> RecordingFileError:
    return RecordingFileError(
        f"In {folder.name}, {what} cannot be read: {why}. The recording is incomplete or damaged; "
        "copy it again, or record again."
    )
