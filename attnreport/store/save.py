"""Writes recordings."""

import os
from pathlib import Path

from attnreport._errors import AttnReportError, RecordingFileError
from attnreport.recording import Recording
from attnreport.store import local, remote
from attnreport.store.arrays import write_arrays
from attnreport.store.describe import describe
from attnreport.store.location import STORE_ERRORS, Folder, local_path, open_folder, reason
from attnreport.store.marker import ROOT, encode_root


def save_recording(recording: Recording, target: str | os.PathLike[str]) -> None:
    """Writes a recording as a Zarr v3 group, which `zarr` and `xarray` open too.

    On this machine it replaces what was there as a whole: a crash or a full disk leaves the old
    recording, or none if there was none. Behind a URL the same holds for one writer at a time;
    see `attnreport.store.remote`.

    Args:
        recording: What to write.
        target: A folder, or a URL that TensorStore knows, such as `gs://bucket/run.attn`,
            `s3://bucket/run.attn`, or `memory://run.attn` (kept in this process).

    Raises:
        RecordingFileError: It cannot be written there, or something other than a recording is
            there.
    """
    path = local_path(target)
    try:
        if path is None:
            folder = open_folder(target)
            remote.replace(folder, lambda generation: _write(recording, folder, generation))
        else:
            local.replace_folder(path, lambda new: _write_whole(recording, new))
    except AttnReportError:
        raise
    except STORE_ERRORS as error:
        raise RecordingFileError(
            f"The recording cannot be written to {os.fspath(target)}: {reason(error)}. What was "
            "there before is unchanged; mend that, or choose another place."
        ) from error


def require_writable(target: str | os.PathLike[str]) -> None:
    """Raises if a recording cannot be written to `target`, before it costs time to make one.

    Raises:
        RecordingFileError: Something other than a recording is there, or it cannot be reached.
    """
    path = local_path(target)
    if path is not None:
        local.require_replaceable(Path(os.path.realpath(path)))
        return
    folder = open_folder(target)
    try:
        remote.require_replaceable(folder)
    except NotImplementedError as error:  # what TensorStore raises for addresses it only reads
        raise RecordingFileError(
            f"{folder.name} can only be read. Give a folder, or a gs:// or s3:// address."
        ) from error


def _write_whole(recording: Recording, path: Path) -> None:
    folder = open_folder(path)
    folder.write(ROOT, _write(recording, folder))


def _write(recording: Recording, folder: Folder, generation: int = 0) -> bytes:
    """Writes the arrays; returns the group's `zarr.json`, which makes them a recording."""
    description = describe(recording, generation)
    metadata = write_arrays(folder, description.arrays)
    return encode_root(description.attributes, metadata)
