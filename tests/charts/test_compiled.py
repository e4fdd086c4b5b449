import importlib
import json
from pathlib import Path

import pytest

from attnreport._resources import read_text
from tests.charts.every_chart import every_chart

TOOLS = Path(__file__).parents[2] / "tools"
COMMITTED = read_text("static/charts.json")


@pytest.fixture
def tool(monkeypatch):
    """tools/compile_charts.py as a module."""
    monkeypatch.syspath_prepend(TOOLS)
    return importlib.import_module("compile_charts")


def test_the_committed_charts_are_what_the_charts_compile_to(tool):
    assert tool.complaint(COMMITTED) == ""


def test_every_chart_is_compiled():
    assert sorted(json.loads(COMMITTED)["charts"]) == sorted(every_chart())


def test_a_chart_that_was_changed_and_not_compiled_is_found(tool, monkeypatch):
    now = tool.source_hashes() | {"attnreport/charts/lines.py": "another"}
    monkeypatch.setattr(tool, "source_hashes", lambda: now)
    assert "stale, a chart was changed: run `python tools/compile" in tool.complaint(COMMITTED)


def test_every_chart_and_the_compiler_are_watched(tool):
    watched = set(tool.source_hashes())
    assert {f"attnreport/charts/{name}.py" for name in ("heatmap", "theme", "scatter")} < watched
    assert "attnreport/report/compile.py" in watched


def test_compiled_charts_edited_by_hand_are_found(tool, monkeypatch):
    made_with = json.loads(COMMITTED)["compilers"]
    monkeypatch.setattr(tool, "compilers", lambda: made_with)
    monkeypatch.setattr(tool, "compiled", lambda: COMMITTED)
    edited = COMMITTED.replace("attnImage", "otherImage")
    assert "not what the charts compile to" in tool.complaint(edited)


def test_another_compiler_may_write_a_chart_in_other_words(tool, monkeypatch):
    monkeypatch.setattr(tool, "compilers", lambda: {"altair": "99"})
    monkeypatch.setattr(tool, "compiled", lambda: "other words")
    assert tool.complaint(COMMITTED) == ""


def test_missing_charts_are_found(tool):
    assert "charts.json is missing: run" in tool.complaint("")
