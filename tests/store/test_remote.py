"""Recordings behind URLs. `memory://` stands for all of TensorStore's object stores."""

import functools
import http.server
import itertools
import threading

import pytest

from attnreport._errors import RecordingFileError
from attnreport.recording import Recording
from attnreport.store import load_recording, recording_info, remote, require_writable, save
from attnreport.store import save_recording as store
from attnreport.store.location import Folder, open_folder

counter = itertools.count()


@pytest.fixture
def url() -> str:
    return f"memory://remote/{next(counter)}/run.attn"


@pytest.fixture
def folder(url) -> Folder:
    return open_folder(url)


def fails(*_):
    raise OSError(5, "Input/output error")


def arrays_in(folder: Folder) -> set[str]:
    return {key.partition("/")[0] for key in folder.list() if "/" in key}


def test_a_recording_comes_back_from_memory(url, assert_same, full_recording):
    full_recording.save(url)
    assert_same(load_recording(url), full_recording)
    assert_same(load_recording(f"{url}/"), full_recording)
    info = recording_info(url)
    assert info.location == url
    assert info.stored_bytes is None


def test_addresses_do_not_mix(url, assert_same, tiny_recording, cross_recording):
    tiny_recording.save(url)
    cross_recording.save(f"{url}2")
    assert_same(load_recording(url), tiny_recording)
    assert_same(load_recording(f"{url}2"), cross_recording)


def test_a_new_recording_replaces_the_old_one_and_its_arrays(
    url, folder, assert_same, tiny_recording, cross_recording
):
    for recording in (tiny_recording, cross_recording, tiny_recording, tiny_recording):
        recording.save(url)
        assert_same(load_recording(url), recording)
        assert len(arrays_in(folder)) == (2 if recording is tiny_recording else 6)
        assert {key for key in folder.list() if "/" not in key} == {"zarr.json"}


def test_a_recording_may_be_saved_over_itself(url, assert_same, full_recording):
    full_recording.save(url)
    load_recording(url).save(url)
    assert_same(load_recording(url), full_recording)


@pytest.mark.parametrize("name", ["write_arrays", "encode_root"])
def test_a_failure_leaves_the_old_recording_or_none(
    name, url, folder, monkeypatch, assert_same, tiny_recording, cross_recording
):
    monkeypatch.setattr(save, name, fails)
    with pytest.raises(RecordingFileError, match=r"Input/output error\. What was there before is"):
        tiny_recording.save(url)
    assert folder.list() == set()
    with pytest.raises(RecordingFileError, match="There is no recording at memory://"):
        load_recording(url)
    monkeypatch.undo()
    cross_recording.save(url)
    before = folder.list()
    monkeypatch.setattr(save, name, fails)
    with pytest.raises(RecordingFileError):
        tiny_recording.save(url)
    assert_same(load_recording(url), cross_recording)
    assert folder.list() == before


@pytest.mark.parametrize("old", [False, True])
def test_a_writer_that_dies_leaves_the_old_recording_or_none(
    old, url, folder, monkeypatch, assert_same, tiny_recording, cross_recording
):
    """After a crash nothing tidies up, so the arrays of the new recording stay for a while."""
    if old:
        cross_recording.save(url)
    with monkeypatch.context() as patch:
        patch.setattr(remote, "_delete_leftovers", lambda _: None)
        patch.setattr(save, "encode_root", fails)
        with pytest.raises(RecordingFileError):
            tiny_recording.save(url)
    assert len(arrays_in(folder)) == (8 if old else 2)
    if old:
        assert_same(load_recording(url), cross_recording)
    else:
        with pytest.raises(RecordingFileError, match="There is no recording"):
            load_recording(url)
    cross_recording.save(url)
    assert_same(load_recording(url), cross_recording)
    assert len(arrays_in(folder)) == 6


def test_trouble_with_leftovers_is_no_reason_to_fail(url, monkeypatch, assert_same, tiny_recording):
    monkeypatch.setattr(remote, "_delete_leftovers", fails)
    tiny_recording.save(url)
    assert_same(load_recording(url), tiny_recording)


def test_a_reader_of_a_replaced_recording_gets_an_error_and_never_a_mix(
    url, tiny_recording, softmax_weights
):
    tiny_recording.save(url)
    reader = load_recording(url)
    Recording.from_arrays(softmax_weights(2, 3, 5, 5)).save(url)
    with pytest.raises(RecordingFileError, match=r"array 'weights_0_0' cannot be read"):
        reader.examples[0].maps[0].head(0)


@pytest.mark.parametrize("key", ["notes.txt", "zarr.json", "weights_0_0/zarr.json"])
def test_other_peoples_objects_are_never_touched(key, url, folder, tiny_recording):
    folder.write(key, b'{"zarr_format": 3, "node_type": "group", "attributes": {}}')
    for attempt in (tiny_recording.save, require_writable):
        with pytest.raises(RecordingFileError, match="something other than a recording, and is"):
            attempt(url)
    assert folder.list() == {key}


def test_objects_beside_the_arrays_stay(url, folder, tiny_recording, cross_recording):
    cross_recording.save(url)
    folder.write("notes/about_weights_0_0.txt", b"notes")
    folder.write("weights_backup.bin", b"notes")
    tiny_recording.save(url)
    assert {"notes/about_weights_0_0.txt", "weights_backup.bin"} <= folder.list()


@pytest.mark.parametrize("target", ["nonsense://bucket/run.attn", "gs:///", "s3://B%%/x"])
def test_addresses_that_tensorstore_does_not_know_are_refused(target, tiny_recording):
    for attempt in (tiny_recording.save, load_recording, require_writable):
        with pytest.raises(
            RecordingFileError, match=r"cannot be opened: .*Give a folder, or a URL"
        ):
            attempt(target)


@pytest.fixture
def served(tmp_path):
    """A web server, as anyone can run, over a folder."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            """Says nothing."""

    handler = functools.partial(Handler, directory=tmp_path)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield tmp_path, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_web_server_is_enough_to_read_from(served, tiny_recording):
    path, address = served
    tiny_recording.save(path / "run.attn")
    loaded = load_recording(f"{address}/run.attn")
    assert loaded.source == tiny_recording.source
    assert recording_info(f"{address}/run.attn").weights == 150


def test_a_web_server_is_not_written_to(served, tiny_recording):
    _, address = served
    with pytest.raises(RecordingFileError, match="can only be read"):
        require_writable(f"{address}/run.attn")
    with pytest.raises(RecordingFileError, match="cannot be written to http"):
        store(tiny_recording, f"{address}/run.attn")


def test_a_place_that_may_not_be_read_is_told_from_an_empty_one(
    served, monkeypatch, tiny_recording
):
    path, address = served
    tiny_recording.save(path / "run.attn")
    handler = http.server.SimpleHTTPRequestHandler
    with pytest.raises(
        RecordingFileError, match=r"There is no recording at .*/other\.attn: it has"
    ):
        load_recording(f"{address}/other.attn")
    monkeypatch.setattr(handler, "do_GET", lambda request: request.send_error(403))
    with pytest.raises(RecordingFileError, match=r"cannot be read: .*403.* Check the address and"):
        load_recording(f"{address}/run.attn")
