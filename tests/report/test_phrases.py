"""Numbers as a reader should see them."""

import pytest

from attnreport.report.phrases import counted, magnitude, ranged, rounded


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (40000.0, "40,000"),
        (0.06693, "0.0669"),
        (0.9, "0.9"),
        (1.0, "1"),
        (0.0, "0"),
        (1234.5, "1,234"),
    ],
)
def test_fractions_keep_three_figures_and_counts_all(number, text):
    assert rounded(number) == text


def test_a_tiny_error_never_reads_as_none_at_all():
    assert magnitude(1e-12) == "1e-12"
    assert magnitude(0.0) == "0"


def test_nouns_follow_their_number():
    assert (counted(1, "head"), counted(2, "head")) == ("1 head", "2 heads")


def test_a_range_of_one_number_is_that_number():
    assert (ranged([8, 8]), ranged([17, 8])) == ("8", "8–17")
