import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from attnreport.analysis.examples.moments import RunningMoments

NUMBERS = st.floats(-100, 100) | st.just(np.nan)
SERIES = arrays(np.float64, st.tuples(st.integers(0, 6), st.just(3)), elements=NUMBERS)


def of(series):
    moments = RunningMoments(3)
    for values in series:
        moments.add(values)
    return moments


def assert_agrees(moments, series):
    for place in range(3):
        known = [float(value) for value in series[:, place] if not np.isnan(value)]
        assert moments.count[place] == len(known)
        mean = sum(known) / len(known) if known else np.nan
        np.testing.assert_allclose(moments.mean[place], mean, atol=1e-9)
        squares = sum((value - mean) ** 2 for value in known)
        deviation = (squares / (len(known) - 1)) ** 0.5 if len(known) > 1 else np.nan
        np.testing.assert_allclose(moments.deviation[place], deviation, atol=1e-6)


@given(SERIES)
def test_one_after_the_other_agrees_with_all_at_once(series):
    assert_agrees(of(series), series)


@given(SERIES, SERIES)
def test_parts_can_be_merged(first, second):
    merged = of(first)
    merged.merge(of(second))
    assert_agrees(merged, np.concatenate([first, second]))


def test_a_large_mean_costs_no_precision():
    moments = RunningMoments(1)
    for value in (1e9, 1e9 + 1, 1e9 + 2):
        moments.add(np.array([value]))
    assert moments.deviation[0] == 1
