"""Checks of an attention on its own numbers: a wrong reading is noticed."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attnreport._errors import CaptureError
from attnreport.capture import capture_attention, with_attention
from attnreport.capture.choice.options import Options
from attnreport.capture.extraction.attention import About, Captured
from attnreport.capture.extraction.proofs import Product, proof
from attnreport.capture.planning.plan import plan_of
from attnreport.capture.program.trace import trace
from attnreport.capture.transformation import run_plan
from attnreport.capture.universal import _doubt
from tests.capture.attending import attend, numbers, projections, weights_of

pytestmark = pytest.mark.optimized

LAYER, X = projections(), numbers(2, 5, 8)


def test_what_was_read_right_is_proved():
    _, attention = with_attention(attend)(LAYER, X)
    (captured,) = attention.values()
    assert captured.proof.smallest >= 0
    assert captured.proof.row_error < 1e-6
    assert abs(captured.proof.largest_sum - 1) < 1e-6
    assert captured.proof.product_error < 1e-6
    assert _doubt("it", captured) == ""


def _criss_cross(p, x):
    """Each place of a picture looks at its row and its column (Huang et al. 2019)."""
    q, k, v = (x @ each for each in p)
    column, row = jnp.einsum("bhwc,bgwc->bhwg", q, k), jnp.einsum("bhwc,bhvc->bhwv", q, k)
    w = jax.nn.softmax(jnp.concatenate([column, row], -1))
    result = jnp.einsum("bhwg,bgwc->bhwc", w[..., :3], v)
    return result + jnp.einsum("bhwv,bhvc->bhwc", w[..., 3:], v)


def test_rows_and_columns_that_look_at_each_other_are_proved_by_their_places():
    p, x = [numbers(6, 6, seed=n) for n in range(3)], numbers(2, 3, 4, 6)
    q, k, v = (np.float64(x) @ each for each in p)
    scores = np.einsum("bhwc,bgwc->bhwg", q, k), np.einsum("bhwc,bhvc->bhwv", q, k)
    shares = np.exp(np.concatenate(scores, -1))
    shares /= shares.sum(-1, keepdims=True)
    expected = [shares[..., :3].swapaxes(1, 2), shares[..., 3:]]
    output, attention = with_attention(_criss_cross)(p, x)
    result = np.einsum("bhwg,bgwc->bhwc", shares[..., :3], v)
    result += np.einsum("bhwv,bhvc->bhwc", shares[..., 3:], v)
    assert abs(output - result).max() < 1e-4
    for captured, each in zip(attention.values(), expected, strict=True):
        rows = each.reshape(-1, 1, *each.shape[-2:])
        assert abs(captured.weights.reshape(rows.shape) - rows).max() < 1e-5
        assert captured.proof.product_error < 1e-5
        assert _doubt("it", captured) == ""


def test_rows_are_measured_in_float32_and_rows_of_zeros_are_left_out():
    rows = jnp.array([[0.5, 0.5], [0, 0], [0.25, 0.5]], jnp.bfloat16)[None, None]
    found = proof(rows, jnp.float32(0))
    assert (found.row_error, found.largest_sum, found.smallest) == (0.25, 1, 0)
    assert found.row_error.dtype == jnp.float32


PRODUCT = Product(("bhqk", (2, 2, 5, 5)), ("bkhf", (2, 5, 2, 4)), ("bqhf", (2, 5, 2, 4)))


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (lambda w, v, out: (w, v, out), False),
        (lambda w, v, out: (w.mT, v, out), True),
        (lambda w, v, out: (w[:, ::-1], v, out), True),
        (lambda w, v, out: (w, v[:, ::-1], out), True),
        (lambda w, v, out: (w, v[..., ::-1], out), True),
        (lambda w, v, out: (w, v, out[::-1]), True),
        (lambda w, v, out: (1.05 * w, v, out), True),
    ],
    ids=["right", "transposed", "heads", "keys", "features", "batch", "scaled"],
)
def test_a_product_tells_right_from_wrong(change, wrong):
    weights, values = weights_of(LAYER, X), numbers(2, 5, 2, 4, seed=1)
    result = jnp.einsum("bhqk,bkhf->bqhf", weights, values)
    error = float(PRODUCT.error(*change(weights, values, result)))
    assert (error > 0.01) is wrong
    assert wrong or error < 1e-6


def test_a_product_of_zeros_is_no_error():
    zeros = jnp.zeros((2, 5, 2, 4))
    assert PRODUCT.error(weights_of(LAYER, X), zeros, zeros) == 0


def broken_plan(**changes):
    """A plan that reads values or results from the wrong place."""

    def model(layer, other, x):
        return attend(layer, x), attend(other, x)

    traced = trace(model, (LAYER, projections(1), X), {})
    plan = plan_of(traced, Options())
    first, second = plan.attentions
    wrong = dataclasses.replace(
        first.site.contraction, **{name: getattr(second.site.contraction, name) for name in changes}
    )
    site = dataclasses.replace(first.site, contraction=wrong)
    return traced, dataclasses.replace(
        plan, attentions=(dataclasses.replace(first, site=site), second)
    )


@pytest.mark.parametrize("wrong", [{}, {"values": ...}, {"output": ...}], ids=str)
def test_values_of_another_attention_are_noticed(wrong):
    _, attention = run_plan(*broken_plan(**wrong))
    first, second = attention.values()
    assert (first.proof.product_error > 0.01) == bool(wrong)
    assert second.proof.product_error < 1e-6
    expected = "so they were not read right" if wrong else ""
    assert expected in _doubt("first", first)
    assert bool(_doubt("first", first)) == bool(wrong)


def test_rows_along_the_wrong_axis_are_noticed():
    traced = trace(attend, (LAYER, X), {})
    plan = plan_of(traced, Options())
    (each,) = plan.attentions
    b, h, q, k = each.site.layout.order
    layout = dataclasses.replace(each.site.layout, order=(b, h, k, q))
    site = dataclasses.replace(each.site, layout=layout)
    broken = dataclasses.replace(plan, attentions=(dataclasses.replace(each, site=site),))
    _, attention = run_plan(traced, broken)
    (captured,) = attention.values()
    assert captured.proof.row_error > 0.01
    assert "has rows that sum to" in _doubt("it", captured)


def captured(weights, *, sums="one", product_error=0.0, ran=True):
    array = jnp.asarray(weights, jnp.float32)[None, None]
    about = About("self", ("batch", "head", "query", "key"), "softmax", sums)
    return Captured(array, {}, proof(array, jnp.float32(product_error)), np.bool_(ran), (), about)


@pytest.mark.parametrize(
    ("options", "doubt"),
    [
        ({"weights": [[0.5, 0.5]]}, ""),
        ({"weights": [[0.5, 0.2]], "sums": "at most one"}, ""),
        ({"weights": [[0.9, 0.9]], "sums": "free"}, ""),
        ({"weights": [[0.5, 0.5]], "product_error": np.nan}, ""),
        ({"weights": [[0.5, 0.5]], "ran": False}, "did not run: another branch was taken"),
        ({"weights": [[np.nan, 0.5]]}, "has weights that are not finite"),
        ({"weights": [[1.5, -0.5]]}, "has negative weights"),
        ({"weights": [[0.9, 0.9]]}, "has rows that sum to 1.8"),
        ({"weights": [[0.9, 0.9]], "sums": "at most one"}, "has rows that sum to 1.8"),
        (
            {"weights": [[0.5, 0.2]], "sums": "to be measured"},
            "it may be linear attention, or one block of keys",
        ),
        ({"weights": [[0.5, 0.5]], "product_error": 0.5}, "miss the program's own result by 0.5"),
    ],
)
def test_what_fails_is_left_out_with_a_reason(options, doubt):
    found = _doubt("it", captured(**options))
    assert doubt in found
    assert bool(found) == bool(doubt)


def test_an_attention_that_fails_is_said_beside_one_that_holds():
    def model(layer, x):
        spoiled = jax.nn.softmax((x @ x.mT).at[0, 0, 0].set(jnp.nan))
        return attend(layer, x), spoiled @ x

    recording = capture_attention(model, LAYER, X, verify=False)
    assert len(recording.examples[0].maps) == 1
    (note,) = recording.source.notes
    assert note.endswith("has weights that are not finite, so it is left out.")
    with pytest.raises(CaptureError, match="are not finite, so it is left out"):
        capture_attention(lambda x: model(LAYER, x)[1], X)


def test_checks_of_a_recording_say_what_was_proved():
    (found,) = capture_attention(attend, LAYER, X).examples[0].maps
    form, product = found.checks.others
    assert form.detail.startswith("Recognized as softmax (attending.py:")
    assert product.held is True
    assert product.value < 1e-6
    assert found.checks.output_difference == 0
