import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from attnreport._resources import read_text
from attnreport.analysis import HEAD_PATTERNS, NO_PATTERN, head_patterns
from attnreport.recording import AttentionMap, Example, Recording, TokenAxis
from attnreport.report.head_measures import measure_heads
from attnreport.report.specs import charts_for, compiled
from attnreport.report.stacks import stacks_of
from tests.report.recordings import self_recording, smallest_recording, softmax_weights

SINGLE = {"heatmap", "row", "lines", "entropy"}
COMPARING = {"overview", "pair"}


def charts_of(recording):
    stacks = stacks_of(recording)
    return charts_for(recording, stacks, [measure_heads(stack) for stack in stacks])


def cross_recording():
    return Recording.from_arrays(softmax_weights(2, 2, 3, 4), list("abc"), key_tokens=list("wxyz"))


def signals(spec):
    return {signal["name"]: signal.get("value") for signal in spec["signals"]}


def test_one_head_is_compared_with_nothing():
    assert set(charts_of(smallest_recording())) == SINGLE


@pytest.mark.parametrize(
    ("make", "more"),
    [
        (self_recording, {"scatter", "flow", "difference", "paired-row"}),
        (cross_recording, {"scatter", "difference", "paired-row"}),
    ],
)
def test_heads_are_compared_where_there_are_several(make, more):
    assert set(charts_of(make())) == SINGLE | COMPARING | more


def test_gates_are_not_compared_by_statistics_of_rows():
    weights = np.full((3, 4, 4), 0.5, np.float32)
    axis = TokenAxis(tuple("abcd"))
    gates = AttentionMap("gate", weights, axis, axis, kind="gate", normalized=False)
    assert set(charts_of(Recording((Example("x", (gates,)),)))) == SINGLE | COMPARING


def test_the_legend_names_what_heads_are_called_in_order():
    charts = charts_of(self_recording())
    heads = [head for m in self_recording().examples[0].maps for head in head_patterns(m)]
    called = {head[0].name if head else NO_PATTERN for head in heads}
    occurring = [name for name in (*HEAD_PATTERNS, NO_PATTERN) if name in called]
    assert charts["scatter"]["patterns"] == occurring
    assert signals(compiled(charts)["scatter"])["patterns"] == occurring


def test_a_legend_that_is_told_nothing_names_every_pattern():
    spec = compiled({"scatter": {}})["scatter"]
    assert signals(spec)["patterns"] == [*HEAD_PATTERNS, NO_PATTERN]


def test_only_the_signals_that_follow_the_recording_are_changed():
    charts = charts_of(self_recording())
    committed = json.loads(read_text("static/charts.json"))["charts"]
    for name, spec in compiled(charts).items():
        changed = [
            signal["name"]
            for signal, before in zip(spec["signals"], committed[name]["signals"], strict=True)
            if signal != before
        ]
        assert changed == list(charts[name]), name
        assert spec | {"signals": 0} == committed[name] | {"signals": 0}


RENDER = """
import sys
from attnreport.cli.main import main
sys.argv = ["attnreport", "render", *sys.argv[1:]]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
{more}
print("loaded:", *sorted({{"altair", "jax", "vl_convert"}} & set(sys.modules)))
"""


@pytest.mark.parametrize(
    ("more", "loaded"), [("", []), ("import altair, vl_convert", ["altair", "vl_convert"])]
)
def test_a_report_is_written_without_the_compilers_of_charts(tmp_path, more, loaded):
    self_recording().save(tmp_path / "run.attn")
    page = tmp_path / "report.html"
    done = subprocess.run(
        [sys.executable, "-c", RENDER.format(more=more), tmp_path / "run.attn", "-o", page],
        capture_output=True,
        encoding="utf-8",
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    assert page.is_file()
    assert done.stdout.splitlines()[-1].split() == ["loaded:", *loaded]
