import pytest

from attnreport.report import render_comparison, render_report
from tests.report.compared_recordings import two_texts
from tests.report.generated_recordings import generated_recording
from tests.report.page_parser import Node, parse_page
from tests.report.picture_recordings import picture_recording
from tests.report.recordings import (
    hostile_recording,
    self_recording,
    smallest_recording,
    translator_recording,
)
from tests.report.scored_recordings import scored_recording

RECORDINGS = {
    "self": self_recording,
    "smallest": smallest_recording,
    "translator": translator_recording,
    "hostile": hostile_recording,
    "generated": generated_recording,
    "scored": scored_recording,
    "pictures": lambda: picture_recording(5),
}

COMPARED = {
    "compared": two_texts,
    "compared-hostile": lambda: (hostile_recording(), hostile_recording(seed=1)),
}


@pytest.fixture(scope="session")
def pages() -> dict[str, Node]:
    """One parsed page of each kind of recording, and some of two recordings."""
    reports = {name: render_report(make()) for name, make in RECORDINGS.items()}
    comparisons = {name: render_comparison(*make()) for name, make in COMPARED.items()}
    return {name: parse_page(page) for name, page in (reports | comparisons).items()}


@pytest.fixture(params=sorted((*RECORDINGS, *COMPARED)))
def page(request, pages) -> Node:
    """Each of the pages in turn."""
    return pages[request.param]
