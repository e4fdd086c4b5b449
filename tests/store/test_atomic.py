"""Whatever happens while a recording is written, the old one is there, or the new one."""

import errno
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from attnreport._errors import RecordingFileError
from attnreport.recording import Recording
from attnreport.store import load_recording, local, save_recording

PRELUDE = """
import os, signal, sys
import numpy as np
from attnreport.recording import Recording, Source
from attnreport.store import local, save_recording

def recording(model, size=64):
    weights = np.random.default_rng(0).dirichlet(np.ones(size), (4, 4, size)).astype("float32")
    return Recording.from_arrays(weights, source=Source(model=model))

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

path = sys.argv[1]
"""


def run(code: str, path: Path) -> subprocess.CompletedProcess:
    program = PRELUDE + textwrap.dedent(code)
    return subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, timeout=120
    )


def killed(code: str, path: Path) -> None:
    assert run(code, path).returncode == -signal.SIGKILL


def model_of(path: Path) -> str:
    """The model's name, after reading every weight."""
    recording = load_recording(path)
    for attention in recording.examples[0].maps:
        attention.array()
    return recording.source.model


@pytest.fixture(params=["nothing", "an old recording"])
def path(request, tmp_path, tiny_recording) -> Path:
    if request.param == "an old recording":
        tiny_recording.save(tmp_path / "run.attn")
    return tmp_path / "run.attn"


def require_unchanged(path: Path) -> None:
    if path.exists():
        assert model_of(path) == "tiny"
    else:
        with pytest.raises(RecordingFileError, match="There is nothing at"):
            load_recording(path)


def require_usable(path: Path, recording: Recording) -> None:
    """A later recording takes the place, and what was left behind is gone."""
    recording.save(path)
    assert model_of(path) == recording.source.model
    assert [each.name for each in path.parent.iterdir()] == [path.name]


KILLED_EARLY = {
    "while arrays are written": """
        from attnreport.store import save
        save.encode_root = die
        save_recording(recording("new"), path)
    """,
    "before the disk is synchronized": """
        local._synchronize_tree = die
        save_recording(recording("new"), path)
    """,
    "before the old one is moved": """
        local._exchange = die
        save_recording(recording("new"), path)
    """,
}


@pytest.mark.parametrize("code", KILLED_EARLY.values(), ids=KILLED_EARLY)
def test_a_crash_leaves_the_old_recording_or_none(code, path, cross_recording):
    killed(code, path)
    assert any(each.name.endswith(".saving") for each in path.parent.iterdir())
    require_unchanged(path)
    require_usable(path, cross_recording)


KILLED_LATE = {
    # Renames: the new folder to its working name, then (nothing to replace) to its own name.
    "after the new one is in place": (
        "local._synchronize = lambda p: p == parent and die()",
        "new",
    ),
    "before the old one is deleted": ("local.shutil.rmtree = die", "new"),
    "between the two renames": (
        """
        original, names = Path.rename, []
        def rename(self, target):
            names.append(str(target))
            if str(target) == path and any(name.endswith(".old") for name in names):
                die()
            return original(self, target)
        Path.rename = rename
        """,
        "tiny",
    ),
}


@pytest.mark.parametrize(("code", "found"), KILLED_LATE.values(), ids=KILLED_LATE)
def test_a_crash_while_folders_change_places_loses_nothing(
    code, found, tmp_path, tiny_recording, cross_recording
):
    path = tmp_path / "run.attn"
    tiny_recording.save(path)
    start = "from pathlib import Path\nparent = Path(path).parent\n"
    killed(start + textwrap.dedent(code) + "\nsave_recording(recording('new'), path)", path)
    assert len(list(tmp_path.iterdir())) == 2
    assert path.exists() == (found == "new")
    assert model_of(path) == found
    require_usable(path, cross_recording)


def test_a_crash_at_any_moment_leaves_a_whole_recording(tmp_path, tiny_recording):
    path = tmp_path / "run.attn"
    tiny_recording.save(path)
    code = """
        print("ready", flush=True)
        while True:
            for model in ("even", "odd"):
                save_recording(recording(model), path)
    """
    for pause in (0.0, 0.03, 0.11):
        command = [sys.executable, "-c", PRELUDE + textwrap.dedent(code), str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            time.sleep(pause)
            process.kill()
        assert model_of(path) in ("tiny", "even", "odd")
    require_usable(path, tiny_recording)


def test_a_full_disk_leaves_the_old_recording_or_none(path, cross_recording):
    # A limit on the size of files fails like a full disk, for any user and on any file system.
    done = run(
        """
        import resource
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
        save_recording(recording("new"), path)
        """,
        path,
    )
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert "RecordingFileError: The recording cannot be written to" in last
    assert "File too large. What was there before is unchanged" in last
    assert {each.name for each in path.parent.iterdir()} <= {path.name}
    require_unchanged(path)
    require_usable(path, cross_recording)


def test_no_space_for_the_last_file_leaves_the_old_recording_or_none(
    path, monkeypatch, tiny_recording, cross_recording
):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(RecordingFileError, match=r"run.attn: No space left on device\. What"):
            cross_recording.save(path)
    assert {each.name for each in path.parent.iterdir()} <= {path.name}
    require_unchanged(path)
    require_usable(path, tiny_recording)


def test_a_failing_last_rename_puts_the_old_recording_back(
    tmp_path, monkeypatch, tiny_recording, cross_recording
):
    path = tmp_path / "run.attn"
    tiny_recording.save(path)
    original, moved = Path.rename, []

    def rename(self, target):
        moved.append(self)
        if len(moved) == 4:  # working name; not over the old one; the old one aside; then this
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return original(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", rename)
        with pytest.raises(RecordingFileError, match="Input/output error"):
            cross_recording.save(path)
    assert model_of(path) == "tiny"
    assert [each.name for each in tmp_path.iterdir()] == ["run.attn"]


def test_an_interruption_leaves_nothing_behind(path, monkeypatch, cross_recording):
    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(local, "_synchronize_tree", interrupted)
        with pytest.raises(KeyboardInterrupt):
            cross_recording.save(path)
    assert {each.name for each in path.parent.iterdir()} <= {path.name}
    require_unchanged(path)


def test_what_another_process_is_writing_is_left_alone(tmp_path, tiny_recording, cross_recording):
    path = tmp_path / "run.attn"

    def write(new: Path) -> None:
        tiny_recording.save(path)  # as another process would, in the middle of this one
        save_recording(cross_recording, new)

    local.replace_folder(path, write)
    assert model_of(path) == "translator"
    assert [each.name for each in tmp_path.iterdir()] == ["run.attn"]


def test_an_empty_folder_and_a_link_may_be_written_to(tmp_path, tiny_recording):
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("empty")
    for _ in range(2):
        tiny_recording.save(tmp_path / "link")
        assert (tmp_path / "link").is_symlink()
        assert model_of(tmp_path / "empty") == "tiny"


def test_a_recording_is_as_readable_as_any_folder(tmp_path, tiny_recording):
    tiny_recording.save(tmp_path / "run.attn")
    (tmp_path / "other").mkdir()
    assert (tmp_path / "run.attn").stat().st_mode == (tmp_path / "other").stat().st_mode


def test_a_path_may_be_given_as_an_address(tmp_path, tiny_recording):
    address = (tmp_path / "a b.attn").as_uri()
    tiny_recording.save(address)
    assert model_of(tmp_path / "a b.attn") == "tiny"
    assert load_recording(address).source == tiny_recording.source


def file(path: Path) -> None:
    path.write_text("notes")


def folder(path: Path) -> None:
    path.mkdir()
    (path / "thesis.tex").write_text("notes")


def foreign_zarr(path: Path) -> None:
    path.mkdir()
    (path / "zarr.json").write_text('{"zarr_format": 3, "node_type": "group", "attributes": {}}')


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (file, "is a file and not a recording, and is left as it is. Choose another name"),
        (folder, "is a folder with something other than a recording in it, and is left as it is"),
        (foreign_zarr, "is a folder with something other than a recording in it"),
    ],
)
def test_what_is_not_a_recording_is_never_replaced(make, message, tmp_path, tiny_recording):
    make(tmp_path / "run.attn")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(RecordingFileError, match=message):
        tiny_recording.save(tmp_path / "run.attn")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_missing_folder_is_refused(tmp_path, tiny_recording):
    with pytest.raises(RecordingFileError, match=r"no folder .*/missing\. Create it first"):
        tiny_recording.save(tmp_path / "missing" / "run.attn")


def test_a_folder_that_may_not_be_written_to_is_refused(tmp_path, tiny_recording, monkeypatch):
    monkeypatch.setattr("os.access", lambda *_: False)  # holds for administrators too
    with pytest.raises(RecordingFileError, match="you may not write into"):
        tiny_recording.save(tmp_path / "run.attn")
