"""What cannot be attention is refused, with the place and the fix."""

import ml_dtypes
import numpy as np
import pytest

from attnreport.recording import Recording
from tests.recording.giving import only_maps, refused, uniform


def spoiled(value: float, *, at=(1, 2, 3, 1), dtype="float32") -> np.ndarray:
    weights = uniform(2, 3, 4, 4).astype(dtype)
    weights[at] = value
    return weights


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ml_dtypes.bfloat16])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_refused(value, dtype):
    message = (
        f"The weight of layer 'layer 1', head 2, query 3, key 1 is {value}, and 1 of the head's 16 "
        "weights are not finite. A row whose keys are all masked gives NaN"
    )
    with refused(message):
        Recording.from_arrays(spoiled(value, dtype=dtype))


def test_the_example_is_named_too():
    layers = [uniform(2, 3, 4, 4), uniform(2, 3, 4, 4)]
    layers[1][1, 2, 3, 1] = np.nan
    with refused("The weight of layer 'layer 1' of example 'example 1', head 2, query 3, key 1"):
        Recording.from_arrays(layers)


@pytest.mark.parametrize("value", [-0.3, 1.7])
@pytest.mark.parametrize("options", [{}, {"kind": "gate"}, {"kind": "gate", "normalized": False}])
def test_logits_are_refused(value, options):
    message = f"head 2, query 3, key 1 is {value:.4g}. Attention weights lie between 0 and 1: pass"
    with refused(message):
        Recording.from_arrays(spoiled(value), **options)


def test_weights_that_need_not_sum_to_one_may_exceed_it():
    weights = spoiled(17.5)
    recording = Recording.from_arrays(weights, normalized=False)
    assert recording.examples[0].maps[1].head(2)[3, 1] == 17.5
    assert recording.examples[0].maps[1].checks.row_sum_error is None


@pytest.mark.parametrize(
    ("value", "says"), [(-0.3, "is -0.3. Attention weights are not negative"), (np.inf, "is inf")]
)
def test_weights_that_need_not_sum_to_one_are_still_finite_and_not_negative(value, says):
    with refused(f"head 2, query 3, key 1 {says}"):
        Recording.from_arrays(spoiled(value), normalized=False)


@pytest.mark.parametrize(
    ("value", "total"), [(0.0, "0.75"), (0.5, "1.25"), (0.253, "1.003"), (0.2485, "0.9985")]
)
def test_rows_that_do_not_sum_to_one_are_refused(value, total):
    message = (
        f"The weights of layer 'layer 1', head 2, query 3 sum to {total} over its keys, and must "
        "sum to 1 (within 0.001 for float32). Pass post-softmax weights captured with dropout off; "
        "if rows are not meant to sum to one, say `normalized=False`."
    )
    with refused(message):
        Recording.from_arrays(spoiled(value))


def test_rows_may_sum_to_anything_if_that_is_said():
    for said in ({"normalized": False}, {"kind": "gate"}):
        maps = only_maps(Recording.from_arrays(spoiled(0.0), **said))
        assert not any(each.normalized for each in maps)
        assert maps[1].checks.row_sum_error is None


def test_the_worst_row_is_reported():
    maps = only_maps(Recording.from_arrays(spoiled(0.2505)))
    assert maps[0].checks.row_sum_error == 0
    assert maps[1].checks.row_sum_error == pytest.approx(0.0005, rel=1e-3)


def test_a_matrix_the_wrong_way_round_is_recognized(softmax_weights):
    with refused("The columns do sum to 1: put the key axis last"):
        Recording.from_arrays(softmax_weights(1, 1, 4, 4).swapaxes(-1, -2))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_rounding_of_the_format_is_no_error(softmax_weights, dtype):
    precise = softmax_weights(1, 4, 64, 64, dtype="float64")
    weights = precise.astype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    (attention,) = only_maps(Recording.from_arrays(weights))
    limits = {"float16": 5e-3, "bfloat16": 3e-2, "float32": 1e-6, "float64": 1e-12}
    assert attention.checks.row_sum_error <= limits[dtype]
    assert attention.precision == dtype
