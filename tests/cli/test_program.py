import importlib.metadata
import subprocess
import sys

import click
import pytest

from attnreport._errors import AttnReportError, RecordingFileError
from attnreport.cli.main import program

COMMANDS = ["demo", "run", "render", "info", "stats", "check", "plan", "reproduce"]


@pytest.fixture
def failing(monkeypatch):
    """Makes `attnreport info` fail with the given error."""

    def fail(error: BaseException) -> None:
        def callback(**_):
            raise error

        monkeypatch.setattr(program.commands["info"], "callback", callback)

    return fail


def test_the_commands_are_listed_in_the_order_of_use(invoke):
    result = invoke("--help")
    listed = result.stdout.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in listed] == COMMANDS


@pytest.mark.parametrize("arguments", [[], *([name] for name in COMMANDS)])
def test_help_has_two_names(arguments, invoke):
    long, short = invoke(*arguments, "--help"), invoke(*arguments, "-h")
    assert long.exit_code == short.exit_code == 0
    assert long.stdout == short.stdout
    assert "Usage: " in long.stdout


@pytest.mark.parametrize("command", [program, *program.commands.values()], ids=lambda c: c.name)
def test_everything_has_a_help_text(command):
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name


def test_the_version_is_that_of_the_package(invoke):
    result = invoke("--version")
    assert result.exit_code == 0
    assert result.stdout.split()[-1] == importlib.metadata.version("attnreport")


def test_a_checkout_that_is_not_installed_works_too(invoke, monkeypatch, tiny_recording):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", missing)
    assert invoke("--version").stdout == "attnreport uninstalled\n"
    tiny_recording.save("memory://uninstalled/run.attn")
    assert (
        "written by attnreport uninstalled"
        in invoke("info", "memory://uninstalled/run.attn").stdout
    )


def test_the_module_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "attnreport", "--version"], capture_output=True, text=True
    )
    assert done.returncode == 0
    assert done.stdout.startswith("attnreport ")


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["info"],
        ["info", "a", "b"],
        ["render", "a", "--precision", "u4"],
        ["demo", "-z"],
    ],
)
def test_wrong_usage_is_exit_code_2(arguments, invoke, tasks):
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Error: " in result.stderr


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (AttnReportError("The place. The fix."), "Error: The place. The fix.\n"),
        (RecordingFileError("It is broken."), "Error: It is broken.\n"),
        (PermissionError(13, "Permission denied", "x.html"), "Error: x.html: Permission denied.\n"),
        (OSError(28, "No space left on device"), "Error: No space left on device.\n"),
        (
            ZeroDivisionError("by zero"),
            "Error: Something unexpected happened (ZeroDivisionError: by zero). Run the command "
            "again with --debug, and report what it shows.\n",
        ),
    ],
)
def test_an_error_is_a_sentence_and_exit_code_1(error, message, failing, invoke):
    failing(error)
    result = invoke("info", "x")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == message


@pytest.mark.parametrize("arguments", [["--debug", "info", "x"], ["info", "x", "--debug"]])
def test_debug_shows_the_traceback(arguments, failing, invoke):
    failing(RecordingFileError("It is broken."))
    result = invoke(*arguments)
    assert result.exit_code == 1
    assert result.stderr.startswith("Traceback (most recent call last)")
    assert result.stderr.endswith("attnreport._errors.RecordingFileError: It is broken.\n")


def test_debug_of_one_command_does_not_stay_on(failing, invoke):
    failing(RecordingFileError("It is broken."))
    assert "Traceback" in invoke("info", "x", "--debug").stderr
    assert "Traceback" not in invoke("info", "x").stderr


@pytest.mark.parametrize("arguments", [["info", "x"], ["--debug", "info", "x"]])
def test_an_interruption_is_one_line_and_exit_code_130(arguments, failing, invoke):
    failing(KeyboardInterrupt())
    result = invoke(*arguments)
    assert result.exit_code == 130
    assert result.stderr == "Interrupted.\n"


def test_an_interruption_may_say_what_it_means(failing, invoke):
    failing(KeyboardInterrupt("Interrupted before there was anything."))
    result = invoke("info", "x")
    assert result.exit_code == 130
    assert result.stderr == "Interrupted before there was anything.\n"


def test_messages_do_not_steer_the_terminal(failing, invoke):
    failing(AttnReportError("token '\x1b[31m\u202e\ud800'"))
    assert invoke("info", "x").stderr == "Error: token '\\x1b[31m\\u202e\\ud800'\n"
