"""Replaces a recording behind a URL, where folders cannot be renamed.

New arrays are written under names that the old recording does not use. Then one request replaces
`zarr.json`, which says which arrays belong to the recording, and the old arrays are deleted. So a
reader finds the old recording or the new one, whatever happens to the writer; only a reader who is
still at the old one when it is deleted gets an error. Two writers at once are not kept apart.
"""

import contextlib
import re
from collections.abc import Callable, Set

import tensorstore as ts

from attnreport._errors import RecordingFileError
from attnreport.store.location import STORE_ERRORS, Folder
from attnreport.store.marker import ROOT, read_root, recording_attributes
from attnreport.store.restore import stored_arrays

# Tells the remains of a first recording that was never finished from other people's objects.
_UNFINISHED = ".attnreport-unfinished"

_OBJECT_OF_ARRAY = re.compile(
    r"((?:weights|logits|mask|reference|picture|confusion)_[0-9_]+(?:_g[0-9]+)?)/.*"
)


def require_replaceable(folder: Folder) -> int:
    """The generation that a new recording at this place gets, counted from 0.

    Raises:
        RecordingFileError: Something other than a recording is there.
    """
    root = read_root(folder)
    if root is None:
        names = folder.list()
        if names and _UNFINISHED not in names:
            raise _occupied(folder)
        return 0
    attributes = recording_attributes(root)
    if attributes is None:
        raise _occupied(folder)
    return int(attributes.get("generation", 0)) + 1


def replace(folder: Folder, write: Callable[[int], bytes]) -> None:
    """Puts a new recording in the place of what is in `folder`.

    Args:
        folder: Where.
        write: Writes the arrays of a given generation, and returns the new `zarr.json`.

    Raises:
        RecordingFileError: Something other than a recording is there.
    """
    generation = require_replaceable(folder)
    if generation == 0:
        folder.write(_UNFINISHED, b"")
    try:
        folder.write(ROOT, write(generation))
    finally:
        # What is left over costs space and nothing else, so trouble here is no reason to fail.
        with contextlib.suppress(*STORE_ERRORS):
            _delete_leftovers(folder)


def _delete_leftovers(folder: Folder) -> None:
    """Deletes the arrays that the recording in `folder` does not use."""
    root = folder.read(ROOT)
    attributes = None if root is None else recording_attributes(root)
    used: Set[str] = set() if attributes is None else stored_arrays(attributes).keys()
    matches = (_OBJECT_OF_ARRAY.fullmatch(key) for key in folder.list())
    for name in {match[1] for match in matches if match} - used:
        # The character after "/" ends the range of names that begin with "{name}/".
        folder.keys.delete_range(ts.KvStore.KeyRange(f"{name}/", f"{name}0")).result()
    folder.keys.write(_UNFINISHED, None).result()


def _occupied(folder: Folder) -> RecordingFileError:
    return RecordingFileError(
        f"{folder.name} holds something other than a recording, and is left as it is. Choose "
        "another place, such as a new name below it."
    )
