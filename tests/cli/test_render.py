import io
import subprocess
import sys

import pytest

from attnreport.cli.results import finish


@pytest.fixture
def path(tmp_path, tiny_recording):
    tiny_recording.save(tmp_path / "run.attn")
    return tmp_path / "run.attn"


@pytest.mark.parametrize("given", ["run.attn", "./run.attn/", "sub/../run.attn"])
def test_the_report_is_named_after_the_recording(given, path, invoke, outputs, tmp_path):
    (tmp_path / "sub").mkdir()
    result = invoke("render", given)
    assert result.exit_code == 0, result.output
    assert result.stdout == f"Report: {tmp_path / 'run.html'} (0.008 kB)\n"


def test_addresses_are_read_too(invoke, outputs, tiny_recording, calls, tmp_path):
    tiny_recording.save("memory://render/some run.attn")
    assert invoke("render", "memory://render/some run.attn").exit_code == 0
    assert (tmp_path / "some run.html").exists()
    assert calls.named("write_report")[0]["recording"].source == tiny_recording.source


def test_everything_that_is_said_is_passed_on(path, invoke, outputs, calls):
    result = invoke(
        *("render", path, "-o", "x.html", "--title", "T", "--precision", "u8", "--budget", "64")
    )
    assert result.exit_code == 0, result.output
    (found,) = calls.named("write_report")
    del found["recording"]
    assert found == {"force": False, "title": "T", "precision": "u8", "budget_mb": 64.0}


def test_nothing_that_is_not_said_is_passed_on(path, invoke, outputs, calls):
    assert invoke("render", path).exit_code == 0
    assert set(calls.named("write_report")[0]) == {"recording", "force"}


def test_a_recording_that_is_too_large_is_told_in_options(path, invoke, outputs, calls, tmp_path):
    result = invoke("render", path, "--budget", "0.00001")
    assert result.exit_code == 1
    assert result.stderr == (
        "Error: The report would hold 150 weights, too many for its budget of 1e-05 MB. "
        "Allow more with `--budget 1`.\n"
    )
    assert calls.named("write_report") == []
    assert not (tmp_path / "run.html").exists()
    assert invoke("render", path, "--budget", "1").exit_code == 0


def test_a_missing_recording_is_a_sentence(invoke, outputs):
    result = invoke("render", "nothing.attn")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: There is nothing at nothing.attn. ")


def test_a_foreign_file_is_not_replaced_unless_forced(path, invoke, outputs, tmp_path):
    (tmp_path / "run.html").write_text("a page of mine")
    result = invoke("render", path)
    assert result.exit_code == 1
    assert "is not an attnreport report" in result.stderr
    assert (tmp_path / "run.html").read_text() == "a page of mine"
    assert invoke("render", path, "--force").exit_code == 0
    assert (tmp_path / "run.html").read_text() == "a report"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stream", [Terminal(), io.StringIO(), None])
def test_progress_is_shown_to_whoever_is_watching(
    stream, path, outputs, monkeypatch, tiny_recording
):
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    finish(tiny_recording, path.with_name("run.html"), force=False, open_page=False)
    if stream is not None:
        assert ("Writing the report …" in stream.getvalue()) == stream.isatty()


def test_a_recording_becomes_a_report(path, tmp_path):
    """The whole way, with nothing replaced."""
    command = [sys.executable, "-m", "attnreport", "render", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"Report: {tmp_path / 'run.html'} (")
    assert done.stderr == ""
    page = (tmp_path / "run.html").read_text(encoding="utf-8")
    assert page.lstrip().lower().startswith("<!doctype html>")
    again = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=120)
    assert again.returncode == 0, again.stderr
