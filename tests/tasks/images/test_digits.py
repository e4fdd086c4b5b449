"""The scans are those of scikit-learn, divided so that a test never meets a scan of training."""

import sys

import numpy as np
import pytest

from attnreport._errors import MissingDependencyError
from attnreport.tasks.images.digits import divided, scanned_digits


def test_scans_are_real_digits_of_8_by_8():
    scans = scanned_digits()
    assert scans.pixels.shape == (1797, 8, 8)
    assert scans.pixels.min() == 0
    assert scans.pixels.max() == 1
    assert set(scans.digits.tolist()) == set(range(10))


def test_no_scan_is_in_two_parts_and_none_is_lost():
    scans = scanned_digits()
    parts = divided(scans)
    seen = [{scan.tobytes() for scan in part.pixels} for part in parts]
    assert sum(len(part.digits) for part in parts) == len(scans.digits)
    assert not seen[0] & seen[1]
    assert not seen[0] & seen[2]
    assert not seen[1] & seen[2]


def test_each_part_has_all_digits_about_equally_often():
    for part in divided(scanned_digits()):
        counts = np.bincount(part.digits, minlength=10)
        assert counts.min() > 0.9 * counts.mean()


def test_without_scikit_learn_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingDependencyError, match=r"`scikit-learn`.*attnreport\[examples\]'`"):
        scanned_digits()
