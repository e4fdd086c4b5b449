"""Comparisons are written whole or not at all, as reports are."""

import pytest

from attnreport import write_comparison
from attnreport._errors import InvalidAttentionError, ReportError
from tests.report.compared_recordings import BEFORE, sentence, two_texts


def test_a_comparison_is_written_and_its_path_returned(tmp_path):
    path = write_comparison(*two_texts(), tmp_path / "diff.html", title="Both")
    assert path == tmp_path / "diff.html"
    assert "<h1>Both</h1>" in path.read_text(encoding="utf-8")
    assert [each.name for each in tmp_path.iterdir()] == ["diff.html"]


def test_a_page_that_fails_leaves_the_old_one(tmp_path):
    path = write_comparison(*two_texts(), tmp_path / "diff.html")
    before = path.read_bytes()
    with pytest.raises(InvalidAttentionError):
        write_comparison(sentence(BEFORE, seed=1), sentence(BEFORE, seed=1, heads=2), path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["diff.html"]


def test_a_foreign_file_is_refused(tmp_path):
    path = tmp_path / "thesis.html"
    path.write_text("mine")
    with pytest.raises(ReportError, match="is not an attnreport report"):
        write_comparison(*two_texts(), path)
    write_comparison(*two_texts(), path, force=True)
    assert path.read_text(encoding="utf-8") != "mine"
