import numpy as np
import pytest

from attnreport.analysis import entropy
from tests.browser.reports import gate_recording
from tests.report.recordings import self_recording


def shown_entropies(report) -> list[float]:
    rows = report.page.evaluate("window.attnreport.rows('attn:entropy/0/0/0/false')")
    return [row["entropy"] for row in rows]


@pytest.mark.parametrize(
    ("name", "recording", "tolerance"),
    [("self", self_recording, 1e-5), ("u8", self_recording, 0.1), ("gate", gate_recording, 1e-5)],
)
def test_bars_show_the_entropy_that_the_words_tell(visit, name, recording, tolerance):
    shown = shown_entropies(visit(name))
    weights = recording().examples[0].maps[0].array()
    # A row that looks nowhere has no entropy; its bar has no length.
    expected = np.nan_to_num(entropy(weights)[0])
    np.testing.assert_allclose(shown, expected, atol=tolerance)
    assert max(shown) <= np.log2(weights.shape[-1]) + 1e-6


def test_m_changes_nothing_where_there_is_nothing_special_to_hide(visit):
    report = visit("gate")
    before = report.shown("weight")
    report.press("m")
    assert report.state()["hidden"] is False
    assert report.shown("weight") == before
