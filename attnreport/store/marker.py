"""Reads the root of a recording, and says what lies there instead if it is none.

The root is the group's `zarr.json`. It is written last, so where it is, the rest is too.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attnreport._errors import RecordingFileError
from attnreport.store.location import STORE_ERRORS, Folder, reason
from attnreport.store.schema import require_known_schema

ROOT = "zarr.json"
ATTRIBUTE = "attnreport"


def encode_root(attributes: Mapping[str, Any], arrays: Mapping[str, Any]) -> bytes:
    """The group's `zarr.json`.

    Args:
        attributes: Description of the recording.
        arrays: Zarr metadata of each array by name. A copy in the root saves other tools from
            listing the folder: https://zarr.readthedocs.io/en/stable/user-guide/consolidated_metadata.html
    """
    group = {
        "zarr_format": 3,
        "node_type": "group",
        "attributes": {ATTRIBUTE: attributes},
        "consolidated_metadata": {"kind": "inline", "must_understand": False, "metadata": arrays},
    }
    return json.dumps(group, ensure_ascii=False, allow_nan=False).encode()


def read_root(folder: Folder) -> bytes | None:
    """The bytes of `zarr.json`; None if there is none.

    Raises:
        RecordingFileError: The place cannot be read.
    """
    try:
        return folder.read(ROOT)
    except STORE_ERRORS as error:
        raise RecordingFileError(
            f"{folder.name} cannot be read: {reason(error)}. Check the address and your access."
        ) from error


def decode_root(root: bytes, place: str) -> dict[str, Any]:
    """The description of a recording in its `zarr.json`.

    Args:
        root: Content of `zarr.json`.
        place: Where it comes from.

    Raises:
        RecordingFileError: It is cut short, or not of a recording, or of a newer format.
    """
    attributes = recording_attributes(root)
    if attributes is not None:
        require_known_schema(attributes.get("schema"), place)
        return attributes
    try:
        json.loads(root)
    except ValueError as error:
        raise RecordingFileError(
            f"The {ROOT} of {place} is cut short or damaged. Copy the recording again, or record "
            "again."
        ) from error
    raise RecordingFileError(
        f"{place} holds Zarr data, but not a recording of attnreport. Give a folder that "
        "`save_recording` or `attnreport run --save` wrote."
    )


def recording_attributes(root: bytes) -> dict[str, Any] | None:
    """What a `zarr.json` says about a recording of any format; None if it is not of one."""
    try:
        group = json.loads(root)
    except ValueError:  # UnicodeDecodeError included
        return None
    if not isinstance(group, dict) or not isinstance(group.get("attributes"), dict):
        return None
    attributes = group["attributes"].get(ATTRIBUTE)
    return attributes if isinstance(attributes, dict) else None


def no_recording(name: str, path: Path | None) -> RecordingFileError:
    """The error for a place without `zarr.json`."""
    what = "Give a folder that `save_recording` or `attnreport run --save` wrote."
    if path is None:
        return RecordingFileError(
            f"There is no recording at {name}: it has no {ROOT}. Check the address, and "
            "that its writing came to an end."
        )
    if not path.exists():
        return RecordingFileError(f"There is nothing at {name}. {what}")
    if path.is_file():
        with path.open("rb") as file:
            start = file.read(512).lstrip().lower()
        if start.startswith((b"<!doctype html", b"<html")):
            return RecordingFileError(
                f"{name} is a web page, and a recording is a folder. Open it in a browser; "
                "a report cannot be turned back into a recording."
            )
        return RecordingFileError(f"{name} is a file, and a recording is a folder. {what}")
    if any((path / old).exists() for old in (".zgroup", ".zarray")):
        return RecordingFileError(
            f"{name} holds Zarr data of version 2, which attnreport does not write. {what}"
        )
    return RecordingFileError(
        f"{name} is not a recording: it has no {ROOT}. Its copying may have been cut short; "
        "otherwise give a folder that `save_recording` wrote."
    )
