"""What lies in the wrong place, or was damaged on the way, gets an error that says so."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr

from attnreport._errors import AttnReportError, RecordingFileError
from attnreport.store import SCHEMA_VERSION, load_recording, recording_info
from attnreport.store.location import reason
from attnreport.store.schema import HISTORY, require_known_schema


@pytest.fixture
def path(tmp_path, tiny_recording) -> Path:
    tiny_recording.save(tmp_path / "run.attn")
    return tmp_path / "run.attn"


def refused(path: Path, message: str) -> None:
    for read in (load_recording, recording_info):
        with pytest.raises(RecordingFileError, match=message) as error:
            read(path)
        assert str(path) in str(error.value)


def change(path: Path, edit) -> None:
    """Edits the description of a recording."""
    root = json.loads((path / "zarr.json").read_text())
    edit(root["attributes"]["attnreport"])
    (path / "zarr.json").write_text(json.dumps(root))


# --- Foreign -------------------------------------------------------------------------------------


def test_nothing_is_there(tmp_path):
    refused(tmp_path / "run.attn", "There is nothing at .* Give a folder that `save_recording`")


@pytest.mark.parametrize("start", ["<!doctype html>", "\n<!DOCTYPE HTML>", "<html lang='en'>"])
def test_a_report_is_told_from_a_recording(tmp_path, start):
    (tmp_path / "report.html").write_text(start)
    refused(tmp_path / "report.html", "is a web page, and a recording is a folder. Open it in a")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\xff\xfe"])
def test_a_file_is_no_recording(tmp_path, content):
    (tmp_path / "run.attn").write_bytes(content)
    refused(tmp_path / "run.attn", "is a file, and a recording is a folder")


def test_a_folder_of_other_things_is_no_recording(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    refused(tmp_path, r"is not a recording: it has no zarr\.json\. Its copying may have been cut")


def test_other_zarr_data_is_no_recording(tmp_path):
    zarr.create_group(tmp_path / "group", attributes={"attnreport": "yes"})
    zarr.create_array(tmp_path / "array", data=np.ones(3))
    zarr.create_group(tmp_path / "old", zarr_format=2)
    refused(tmp_path / "group", "holds Zarr data, but not a recording of attnreport")
    refused(tmp_path / "array", "holds Zarr data, but not a recording of attnreport")
    refused(tmp_path / "old", "holds Zarr data of version 2")


@pytest.mark.parametrize("root", ["[]", "3", "null", '{"attributes": null}', "{}"])
def test_any_json_is_no_recording(tmp_path, root):
    (tmp_path / "zarr.json").write_text(root)
    refused(tmp_path, "holds Zarr data, but not a recording of attnreport")


# --- Newer ---------------------------------------------------------------------------------------


def test_a_newer_format_asks_for_an_update(path):
    change(path, lambda description: description.clear() or description.update(schema=7))
    refused(path, f"of format 7, and this attnreport reads formats up to {SCHEMA_VERSION}. Update")


@pytest.mark.parametrize("version", [0, -1, "1", None, 1.0, True, [1]])
def test_a_format_that_never_existed_is_damage(path, version):
    change(path, lambda description: description.update(schema=version))
    refused(path, re.escape(f"it says its format is {version!r}, which never existed"))


def test_the_history_of_formats_has_no_gaps():
    assert list(HISTORY) == list(range(1, SCHEMA_VERSION + 1))
    for version in HISTORY:
        require_known_schema(version, "here")


# --- Damaged -------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [0, 1, 100, -1])
def test_a_root_that_was_cut_short(path, length):
    content = (path / "zarr.json").read_bytes()
    (path / "zarr.json").write_bytes(content[:length])
    refused(path, r"The zarr\.json of .* is cut short or damaged\. Copy the recording again")


def test_a_root_that_is_not_text(path):
    (path / "zarr.json").write_bytes(b"\xff\x00")
    refused(path, "is cut short or damaged")


def damage(key):
    def edit(description):
        place = description
        for step in key[:-1]:
            place = place[step]
        del place[key[-1]]

    return edit


MAP = ("examples", 0, "maps", 0)


@pytest.mark.parametrize(
    "key",
    [
        ("axes",),
        ("examples",),
        ("source",),
        ("metrics",),
        ("axes", 0),
        ("axes", 0, "kind"),
        ("axes", 0, "tokens"),
        ("examples", 0),
        ("examples", 0, "name"),
        (*MAP, "weights"),
        (*MAP, "weights", "shape"),
        (*MAP, "weights", "array"),
        (*MAP, "query"),
        (*MAP, "checks", "row_sum_error"),
    ],
)
def test_a_description_with_a_gap(path, key):
    change(path, damage(key))
    refused(path, "is damaged: its zarr.json does not describe a recording")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("array", "../../secret"),
        ("array", "/etc"),
        ("array", 3),
        ("shape", [3, 5, "x"]),
        ("dtype", "no such type"),
        ("dtype", "int8"),
    ],
)
def test_a_description_that_says_nonsense(path, field, value):
    def edit(description):
        description["examples"][0]["maps"][0]["weights"][field] = value

    change(path, edit)
    refused(path, "is damaged: its zarr.json does not describe a recording")


@pytest.mark.parametrize("missing", ["weights_0_1", "weights_0_1/zarr.json", "weights_0_0/c.0.0.0"])
def test_a_recording_with_missing_files(path, missing):
    if (path / missing).is_dir():
        shutil.rmtree(path / missing)
        count, first = 2, "weights_0_1/c.0.0.0"
    else:
        (path / missing).unlink()
        count, first = 1, missing
    refused(path, f"is incomplete: {count} of 4 files are missing, the first is {first}. Copy")


def weights_file(path: Path) -> Path:
    return path / "weights_0_1" / "c.0.0.0"


def unreadable(path: Path, message: str) -> None:
    attention = load_recording(path).examples[0].maps[1]
    with pytest.raises(RecordingFileError, match=message) as error:
        attention.array()
    assert "The recording is incomplete or damaged; copy it again, or record again." in str(
        error.value
    )


@pytest.mark.parametrize("keep", [0, 20, -1])
def test_weights_that_were_cut_short(path, keep):
    file = weights_file(path)
    file.write_bytes(file.read_bytes()[:keep])
    unreadable(path, "head 0 of array 'weights_0_1' cannot be read: ")


def test_any_flipped_byte_of_the_weights_is_noticed(path):
    file = weights_file(path)
    content = file.read_bytes()
    for position in range(0, len(content), 7):
        file.write_bytes(
            content[:position] + bytes([content[position] ^ 0x10]) + content[position + 1 :]
        )
        unreadable(path, "array 'weights_0_1' cannot be read: ")


def test_an_array_that_contradicts_the_description(path):
    def edit(description):
        description["examples"][0]["maps"][1]["weights"]["dtype"] = "float16"

    change(path, edit)
    unreadable(path, r"it is float32\[3, 5, 5\] where the recording says float16\[3, 5, 5\]")


def test_an_array_without_metadata(path):
    (path / "weights_0_1" / "zarr.json").write_text("{")
    unreadable(path, "array 'weights_0_1' cannot be read: ")


def test_a_damaged_mask_is_noticed_at_once(tmp_path, full_recording):
    full_recording.save(tmp_path / "run.attn")
    (tmp_path / "run.attn" / "mask_0" / "c.0.0").write_bytes(b"")
    with pytest.raises(RecordingFileError, match="array 'mask_0' cannot be read"):
        load_recording(tmp_path / "run.attn")
    assert recording_info(tmp_path / "run.attn").groups[0].masked


def test_errors_of_the_store_are_files_errors_too(tmp_path):
    with pytest.raises(OSError, match="There is nothing") as error:
        load_recording(tmp_path / "missing")
    assert isinstance(error.value, AttnReportError)


def test_what_went_wrong_is_said_in_few_words():
    full = ValueError("RESOURCE_EXHAUSTED: Failed writing: \"/x/a\": [os_error_code='28']\nmore")
    assert reason(full) == "No space left on device"
    assert reason(OSError(13, "Permission denied", "/x")) == "Permission denied"
    assert reason(ValueError("NOT_FOUND: no bucket [source_locations='x.cc']")) == (
        "NOT_FOUND: no bucket"
    )
    assert len(reason(ValueError("x" * 1000))) == 200
