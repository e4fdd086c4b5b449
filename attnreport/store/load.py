"""Reads recordings."""

import functools
import os
from typing import Any

from attnreport._errors import RecordingFileError
from attnreport.recording import Recording
from attnreport.store.arrays import StoredWeights, read_array
from attnreport.store.local import existing_folder
from attnreport.store.location import STORE_ERRORS, Folder, local_path, open_folder
from attnreport.store.marker import decode_root, no_recording, read_root
from attnreport.store.restore import ReadWhole, restore, stored_arrays


def load_recording(source: str | os.PathLike[str]) -> Recording:
    """The recording that `save_recording` wrote; each head is read when it is first asked for.

    Args:
        source: A folder, or a URL that TensorStore knows, such as `gs://bucket/run.attn`.

    Raises:
        RecordingFileError: There is no recording, or it is damaged, incomplete, or of a newer
            format.
    """
    folder, attributes = open_recording(source)
    whole = functools.cache(functools.partial(read_array, folder))
    return restored(folder, attributes, whole)


def open_recording(source: str | os.PathLike[str]) -> tuple[Folder, dict[str, Any]]:
    """Where a recording is, and its description.

    Raises:
        RecordingFileError: There is no recording, or it is damaged, incomplete, or of a newer
            format.
    """
    path = local_path(source)
    if path is not None and path.is_file():
        raise no_recording(str(path), path)
    folder = open_folder(source if path is None else existing_folder(path))
    root = read_root(folder)
    if root is None:
        raise no_recording(folder.name, path)
    attributes = decode_root(root, folder.name)
    _require_complete(folder, attributes)
    return folder, attributes


def restored(folder: Folder, attributes: dict[str, Any], whole: ReadWhole) -> Recording:
    """The recording of a description, with weights that are read on demand.

    Raises:
        RecordingFileError: The description is damaged.
    """
    try:
        return restore(attributes, functools.partial(StoredWeights, folder), whole)
    except RecordingFileError:
        raise
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise _damaged(folder, error) from error


def _require_complete(folder: Folder, attributes: dict[str, Any]) -> None:
    try:
        arrays = stored_arrays(attributes)
        wanted = [key for array in arrays.values() for key in array.object_names()]
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise _damaged(folder, error) from error
    try:
        found = folder.list()
    except STORE_ERRORS:
        # Web servers and public buckets do not list; a missing part shows when it is read.
        return
    missing = sorted(set(wanted) - found)
    if missing:
        raise RecordingFileError(
            f"{folder.name} is incomplete: {len(missing)} of {len(wanted)} files are missing, the "
            f"first is {missing[0]}. Copy the recording again, or record again."
        )


def _damaged(folder: Folder, error: Exception) -> RecordingFileError:
    return RecordingFileError(
        f"{folder.name} is damaged: its zarr.json does not describe a recording "
        f"({type(error).__name__}: {error}). Copy the recording again, or record again."
    )
