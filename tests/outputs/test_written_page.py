import pytest

from attnreport._errors import ReportError
from attnreport.outputs import write_report
from attnreport.report import render_report
from tests.report.recordings import hostile_recording, smallest_recording


def test_the_written_file_is_the_rendered_page(tmp_path):
    path = write_report(smallest_recording(), tmp_path / "report.html", title="A title")
    assert path == tmp_path / "report.html"
    page = render_report(smallest_recording(), title="A title")
    assert path.read_bytes() == page.encode("utf-8")
    assert list(tmp_path.iterdir()) == [path]


def test_line_ends_stay_those_that_the_policy_was_made_for(tmp_path):
    assert b"\r\n" not in write_report(smallest_recording(), tmp_path / "a.html").read_bytes()


def test_hostile_texts_can_be_written(tmp_path):
    page = write_report(hostile_recording(), tmp_path / "a.html").read_bytes()
    assert page.decode("utf-8").rstrip().endswith("</html>")


def test_options_reach_the_page(tmp_path):
    page = write_report(smallest_recording(), tmp_path / "a.html", precision="u8").read_text()
    assert '"encoding":"u8"' in page
    with pytest.raises(ReportError, match="budget"):
        write_report(smallest_recording(), tmp_path / "b.html", budget_mb=1e-9)
    assert not (tmp_path / "b.html").exists()


def test_a_report_that_we_wrote_is_replaced(tmp_path):
    first = write_report(smallest_recording(), tmp_path / "report.html", title="first")
    write_report(smallest_recording(), first, title="second")
    assert "<h1>second</h1>" in first.read_text(encoding="utf-8")
