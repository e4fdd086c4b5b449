import hashlib

import numpy as np
import pytest

from attnreport._errors import ReportError
from attnreport._resources import read_text
from attnreport.recording import Recording
from attnreport.report import render_report
from attnreport.report.assets import build_assets
from tests.report.recordings import (
    hostile_recording,
    self_recording,
    smallest_recording,
    striped_weights,
    translator_recording,
)


@pytest.mark.parametrize(
    "make", [self_recording, smallest_recording, translator_recording, hostile_recording]
)
def test_the_same_recording_gives_the_same_bytes(make):
    first, second = (hashlib.sha256(render_report(make()).encode()).digest() for _ in range(2))
    assert first == second


def test_the_smallest_report_stays_within_its_budget():
    assert len(render_report(smallest_recording()).encode()) <= 360_000


def test_the_runtime_stays_within_its_budget():
    assets = build_assets({})
    assert len(assets.runtime) <= 280_000


def test_the_style_and_the_start_script_are_small_beside_it():
    assets = build_assets({})
    assert len(assets.css) + len(assets.boot) <= 40_000


@pytest.mark.parametrize(("precision", "budget"), [("u8", 0.65), ("u16", 2.0), ("float32", 4.5)])
def test_a_report_costs_few_characters_per_weight(precision, budget):
    weights = striped_weights(2, 2, 512)
    recording = Recording.from_arrays(weights, [f"token{i}" for i in range(512)])
    empty = len(render_report(smallest_recording()).encode())
    page = len(render_report(recording, precision=precision).encode())
    # The words and statistics of the page are part of the price.
    assert (page - empty) / weights.size <= budget


def test_what_is_too_large_for_the_budget_is_refused_before_anything_is_packed():
    with pytest.raises(ReportError, match="budget"):
        render_report(self_recording(), budget_mb=0.0001)


def test_a_chosen_precision_overrules_the_budget():
    assert "exact float32" in render_report(self_recording(), precision="float32", budget_mb=0.0001)


def test_the_stated_precision_is_the_one_used():
    page = render_report(self_recording(), precision="u8")
    assert "8-bit square-root steps" in page
    assert "0.004 at w = 1" in page


@pytest.mark.parametrize("name", ["static/page.js", "static/vega/vega.js"])
def test_the_scripts_that_are_packed_hold_no_separator(name):
    assert "\0" not in read_text(name)


def test_a_number_format_of_another_library_makes_no_difference():
    weights = striped_weights(1, 2, 9)
    tokens = [str(i) for i in range(9)]
    same = Recording.from_arrays(weights.astype(np.float64), tokens)
    manifest = '"encoding":"float32"'
    assert manifest in render_report(same)
