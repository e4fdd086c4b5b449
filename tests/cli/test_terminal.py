import os
import signal
import subprocess
import sys
import textwrap

import pytest

from attnreport.cli.terminal import printable, readable_size

INFO = [sys.executable, "-m", "attnreport", "info"]


@pytest.fixture
def path(tmp_path, tiny_recording) -> str:
    tiny_recording.save(tmp_path / "run.attn")
    return str(tmp_path / "run.attn")


def shell(command: str, path: str, **options) -> subprocess.CompletedProcess:
    """Runs a shell command in which `$INFO` prints a recording."""
    environment = os.environ | {"PYTHON": sys.executable, "RUN": path}
    command = command.replace("$INFO", '"$PYTHON" -m attnreport info "$RUN"')
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        capture_output=True,
        text=True,
        env=environment,
        timeout=120,
        **options,
    )


@pytest.mark.parametrize(
    "command",
    ["$INFO >&-", "$INFO 2>&-", "$INFO <&- >&- 2>&-", "$INFO | head -0", "$INFO | true"],
)
def test_it_does_not_matter_whether_anybody_listens(command, path):
    done = shell(command, path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_errors_are_told_even_if_nobody_wants_results(path):
    done = shell("$INFO-not >&-", path)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: There is nothing at")
    assert shell("$INFO-not >&- 2>&-", path).returncode == 1
    assert shell("$INFO-not 2>&1 >/dev/null | true", path).returncode == 1


def test_a_full_disk_behind_the_output_is_an_error(path):
    done = shell("$INFO >/dev/full", path)
    assert done.returncode == 1
    assert done.stderr == "Error: No space left on device.\n"


def test_files_do_not_take_the_place_of_closed_streams(path, tmp_path):
    code = """
        import os, sys
        from attnreport.cli.terminal import prepare_streams
        prepare_streams()
        assert os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY) > 2
    """
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(code))
    done = shell(f'"$PYTHON" {script} {tmp_path / "file"} <&- >&- 2>&-', path)
    assert done.returncode == 0


def test_a_poor_encoding_shows_numbers_instead_of_failing(tmp_path, cross_recording):
    cross_recording.save(tmp_path / "run.attn")
    done = subprocess.run(
        [*INFO, str(tmp_path / "run.attn")],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "latin-1"},
    )
    assert done.returncode == 0, done.stderr
    assert b"2\\u20134 x 2\\u20135" in done.stdout


def test_ctrl_c_is_one_line_and_exit_code_130(tmp_path):
    code = """
        import signal, sys, time, types
        from attnreport.cli.main import main

        # Where the tests run in the background of a shell, Ctrl-C is ignored by all they start.
        signal.signal(signal.SIGINT, signal.default_int_handler)

        def run_demo(name, **_):
            print("ready", flush=True)
            time.sleep(60)

        tasks = types.ModuleType("attnreport.tasks")
        tasks.DEMOS, tasks.run_demo = {"slow": None}, run_demo
        outputs = types.ModuleType("attnreport.outputs")
        outputs.require_writable = lambda path, force: None
        sys.modules["attnreport.tasks"], sys.modules["attnreport.outputs"] = tasks, outputs
        sys.argv = ["attnreport", "demo"]
        main()
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        text=True,
    ) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert stderr == "Interrupted.\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, Ünïcödé, שלום, 日本", "plain, Ünïcödé, שלום, 日本"),
        ("two\nlines", "two\nlines"),
        ("👩‍💻", "👩‍💻"),
        ("\x1b[2J\x07\x00\r\t", "\\x1b[2J\\x07\\x00\\r\\t"),
        ("\u202eback", "\\u202eback"),
        ("a\u2028b", "a\\u2028b"),
        ("\ud83d", "\\ud83d"),
        ("", ""),
    ],
)
def test_only_harmless_characters_are_printed(text, shown):
    assert printable(text) == shown


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 kB"),
        (7, "0.007 kB"),
        (999, "0.999 kB"),
        (12_345, "12.3 kB"),
        (999_499, "999 kB"),
        (999_999, "1 MB"),
        (1_234_567, "1.23 MB"),
        (26_000_000, "26 MB"),
        (3_000_000_000, "3 GB"),
        (5_600_000_000_000_000, "5.6e+03 TB"),
    ],
)
def test_sizes_are_readable(count, text):
    assert readable_size(count) == text
