import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from attnreport._errors import ReportError
from attnreport.cli.main import program


@pytest.fixture
def invoke(tmp_path, monkeypatch) -> Callable[..., Result]:
    """Runs the command in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object, **options) -> Result:
        return CliRunner().invoke(program, [str(each) for each in arguments], **options)

    return run


class Calls(list):
    """What the stand-ins were asked to do, in order."""

    def named(self, name: str) -> list:
        return [arguments for found, arguments in self if found == name]


@pytest.fixture
def calls() -> Calls:
    return Calls()


@pytest.fixture
def outputs(monkeypatch, calls):
    """Stands for `attnreport.outputs`: a report is a small file that says so."""
    module = types.ModuleType("attnreport.outputs")

    def require_writable(path, *, force=False):
        calls.append(("require_writable", {"path": path, "force": force}))
        if not path.parent.is_dir():
            raise ReportError(f"There is no folder {path.parent}.")
        if path.exists() and not force and path.read_text() != "a report":
            raise ReportError(f"{path} exists and is not an attnreport report.")

    def write_report(recording, path, *, force=False, **options):
        calls.append(("write_report", {"recording": recording, "force": force, **options}))
        require_writable(path, force=force)
        Path(path).write_text("a report")
        return Path(path)

    module.require_writable = require_writable
    module.write_report = write_report
    monkeypatch.setitem(sys.modules, "attnreport.outputs", module)
    return module


@pytest.fixture
def tasks(monkeypatch, calls, tiny_recording):
    """Stands for `attnreport.tasks`, which trains and loads models."""
    module = types.ModuleType("attnreport.tasks")

    def run_demo(name, **options):
        calls.append(("run_demo", {"name": name, **options}))
        return tiny_recording

    def record_texts(folder, texts, *, check_size, **options):
        calls.append(("record_texts", {"folder": folder, "texts": texts, **options}))
        check_size(module.expected_weights)
        calls.append(("computed", {}))
        return tiny_recording

    module.DEMOS = {
        "translator": types.SimpleNamespace(
            description="Translates English to German.",
            options={"model": ("gru", "transformer"), "attention": ("additive", "dot")},
            only_with={"attention": ("model", "gru")},
            data="one sentence pair a line",
        ),
        "sorting": types.SimpleNamespace(
            description="Sorts letters.", options={}, only_with={}, data=""
        ),
    }
    module.expected_weights = 150
    module.run_demo = run_demo
    module.record_texts = record_texts
    monkeypatch.setitem(sys.modules, "attnreport.tasks", module)
    return module
