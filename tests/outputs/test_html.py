import errno
import os
import stat
from pathlib import Path

import pytest

from attnreport import outputs
from attnreport._errors import ReportError
from attnreport.outputs import html as html_output
from attnreport.outputs import require_writable, write_report
from tests.report.recordings import smallest_recording

OLD = "an old page"


def report_at(path: Path) -> Path:
    """A file that is a report, but not the one that would be written now."""
    path.write_text(f'<meta name="generator" content="attnreport 0.0.1">{OLD}', encoding="utf-8")
    return path


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.fixture(autouse=True)
def short_page(monkeypatch):
    """A page that costs nothing to make; `test_written_page.py` writes real ones."""
    page = '<meta name="generator" content="attnreport 1"><h1>new</h1>'
    monkeypatch.setattr(html_output, "render_report", lambda *_arguments, **_options: page)


def failing(error: OSError):
    def fail(*_arguments, **_options):
        raise error

    return fail


def test_a_path_may_be_text_and_relative(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert write_report(smallest_recording(), "report.html") == Path("report.html")
    assert (tmp_path / "report.html").is_file()


def test_an_earlier_report_is_replaced(tmp_path):
    path = report_at(tmp_path / "report.html")
    write_report(smallest_recording(), path)
    assert OLD not in path.read_text(encoding="utf-8")


def test_an_empty_file_is_replaced(tmp_path):
    path = tmp_path / "report.html"
    path.touch()
    assert write_report(smallest_recording(), path).stat().st_size > 0


def test_a_foreign_file_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "thesis.html"
    path.write_text("<h1>Four years of work</h1>")
    with pytest.raises(ReportError, match=r"thesis\.html exists and is not an attnreport report"):
        write_report(smallest_recording(), path)
    assert path.read_text() == "<h1>Four years of work</h1>"


def test_a_file_that_only_mentions_us_is_foreign(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("x" * 4000 + '<meta name="generator" content="attnreport 1">')
    with pytest.raises(ReportError, match="not an attnreport report"):
        require_writable(path)


def test_force_replaces_a_foreign_file(tmp_path):
    path = tmp_path / "thesis.html"
    path.write_text("<h1>Four years of work</h1>")
    write_report(smallest_recording(), path, force=True)
    assert "attnreport" in path.read_text(encoding="utf-8")


def test_the_refusal_says_how_to_replace_the_file(tmp_path):
    path = tmp_path / "a.html"
    path.write_text("mine")
    with pytest.raises(ReportError, match="--force"):
        require_writable(path)


def test_a_folder_is_refused_even_with_force(tmp_path):
    with pytest.raises(ReportError, match=r"is a folder\. Give the name of a file"):
        write_report(smallest_recording(), tmp_path, force=True)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(ReportError, match=r"There is no folder .*missing to write report\.html"):
        write_report(smallest_recording(), tmp_path / "missing" / "report.html")
    assert not (tmp_path / "missing").exists()


def test_a_file_in_place_of_the_folder_is_no_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ReportError, match="There is no folder"):
        require_writable(tmp_path / "file" / "report.html")


def test_a_read_only_folder_is_refused(tmp_path, monkeypatch):
    # An administrator may write anywhere, so the answer of the system is given here.
    error = PermissionError(errno.EACCES, "Permission denied")
    monkeypatch.setattr(html_output.tempfile, "NamedTemporaryFile", failing(error))
    with pytest.raises(ReportError, match="is not writable: Permission denied"):
        write_report(smallest_recording(), tmp_path / "report.html")
    assert not any(tmp_path.iterdir())


def test_a_folder_that_takes_no_files_is_refused_whatever_its_permissions_say():
    with pytest.raises(ReportError, match="/dev/fd is not writable"):
        require_writable(Path("/dev/fd/report.html"))


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(ReportError, match="not a file that a report can replace"):
        write_report(smallest_recording(), pipe, force=True)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_device_is_refused_and_left_alone():
    with pytest.raises(ReportError, match="not a file that a report can replace"):
        require_writable(Path(os.devnull), force=True)


def test_a_file_that_cannot_be_read_is_refused(tmp_path, monkeypatch):
    path = report_at(tmp_path / "report.html")
    error = PermissionError(errno.EACCES, "Permission denied")
    monkeypatch.setattr(Path, "open", failing(error))
    with pytest.raises(ReportError, match="cannot be used: Permission denied"):
        require_writable(path)


def test_a_name_that_is_too_long_is_refused(tmp_path):
    with pytest.raises(ReportError):
        write_report(smallest_recording(), tmp_path / f"{'n' * 300}.html")


def test_the_longest_name_that_the_system_takes_can_be_written(tmp_path):
    assert write_report(smallest_recording(), tmp_path / f"{'n' * 250}.html").is_file()


def test_what_can_be_written_passes(tmp_path):
    require_writable(tmp_path / "new.html")
    require_writable(report_at(tmp_path / "old.html"))
    assert (tmp_path / "old.html").read_text().endswith(OLD)


def test_a_full_disk_leaves_the_old_report_and_nothing_else(tmp_path, monkeypatch):
    path = report_at(tmp_path / "report.html")
    monkeypatch.setattr(html_output.os, "fsync", failing(OSError(errno.ENOSPC, "No space left")))
    with pytest.raises(ReportError, match=r"report\.html could not be written: No space left"):
        write_report(smallest_recording(), path)
    assert path.read_text().endswith(OLD)
    assert names_in(tmp_path) == ["report.html"]


@pytest.mark.parametrize("step", ["chmod", "replace"])
def test_a_failure_at_the_last_step_leaves_the_old_report(tmp_path, monkeypatch, step):
    path = report_at(tmp_path / "report.html")
    monkeypatch.setattr(Path, step, failing(OSError(errno.EIO, "Input/output error")))
    with pytest.raises(ReportError, match="Input/output error"):
        write_report(smallest_recording(), path)
    assert path.read_text().endswith(OLD)
    assert names_in(tmp_path) == ["report.html"]


def test_a_folder_that_takes_no_new_file_is_named(tmp_path, monkeypatch):
    error = OSError(errno.EROFS, "Read-only file system")
    monkeypatch.setattr(html_output.tempfile, "mkstemp", failing(error))
    with pytest.raises(ReportError, match="could not be written: Read-only file system"):
        write_report(smallest_recording(), tmp_path / "report.html")


def test_an_interruption_leaves_the_old_report_and_nothing_else(tmp_path, monkeypatch):
    path = report_at(tmp_path / "report.html")

    def interrupt(_handle):
        raise KeyboardInterrupt

    monkeypatch.setattr(html_output.os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_report(smallest_recording(), path)
    assert path.read_text().endswith(OLD)
    assert names_in(tmp_path) == ["report.html"]


def test_a_report_that_cannot_be_made_touches_nothing(tmp_path, monkeypatch):
    path = report_at(tmp_path / "report.html")
    monkeypatch.setattr(html_output, "render_report", failing(OSError("the recording is gone")))
    with pytest.raises(OSError, match="the recording is gone"):
        write_report(smallest_recording(), path)
    assert path.read_text().endswith(OLD)
    assert names_in(tmp_path) == ["report.html"]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_permissions_are_those_of_any_new_file(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        path = write_report(smallest_recording(), tmp_path / "report.html")
        assert os.umask(umask) == umask  # asking for it did not change it
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_the_package_offers_both():
    assert outputs.write_report is write_report
    assert outputs.require_writable is require_writable
