"""When capture itself fails: the output, the reason, and how to report it."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attnreport import capture_attention, plan_attention, with_attention
from attnreport._errors import CaptureError
from attnreport.capture.extraction import extraction, proofs
from attnreport.capture.failures import EngineError, Failure, failure_of
from attnreport.capture.planning import plan
from attnreport.capture.replay import interpreter
from attnreport.capture.roles import kinds
from tests.capture.attending import encode, numbers, projections, references

pytestmark = pytest.mark.optimized

LAYERS = [projections(number) for number in range(2)]
X = numbers(3, 5, 8)


def fails(*_, **__):
    raise IndexError("list index out of range.\nand more of it")


@pytest.fixture(params=["analysis", "planning", "replay", "reduction"])
def broken(request, monkeypatch):
    """Capture with a fault planted in one of its parts."""
    place = {
        "analysis": (kinds.Kinds, "of"),
        "planning": (plan, "product_of"),
        "replay": (interpreter, "_bind"),
        "reduction": (extraction, "proof"),
    }[request.param]
    monkeypatch.setattr(*place, fails)
    return request.param


def test_the_output_is_that_of_the_program_and_attention_says_why(broken):
    with pytest.warns(RuntimeWarning, match="attnreport failed on this program, so it was run"):
        output, attention = with_attention(encode)(LAYERS, X)
    assert np.array_equal(output, jax.jit(encode)(LAYERS, X))
    assert len(attention) == 0
    assert re.fullmatch(
        r"attnreport failed on this program, so it was run without capture: IndexError: list index "
        r"out of range(?: \([\w/]+\.py, [\w<>]+, line \d+\))?\. This is a fault of attnreport\. "
        r"`attnreport reproduce MODULE:FUNCTION -o FILE\.py`, or "
        r"`attnreport\.capture\.reproduction_of\(function, \*arguments\)` in Python, writes a "
        r"small program that fails in the same way, without your weights, to report it with\.",
        attention.failure,
    )
    assert attention.failure in str(attention)
    with pytest.raises(KeyError, match="attnreport failed on this program"):
        attention["layers.0"]


def test_a_recording_cannot_be_made_but_the_output_is_there(broken):
    with pytest.raises(EngineError, match=r"IndexError.*This error holds its output, as") as error:
        capture_attention(encode, LAYERS, X)
    assert isinstance(error.value, CaptureError)
    assert np.array_equal(error.value.output, jax.jit(encode)(LAYERS, X))
    assert isinstance(error.value.__cause__, IndexError)


def test_training_goes_on(broken):
    def loss(layers):
        output, attention = with_attention(encode)(layers, X)
        return (output**2).mean(), attention

    with pytest.warns(RuntimeWarning, match="attnreport failed"):
        (value, attention), gradients = jax.jit(jax.value_and_grad(loss, has_aux=True))(LAYERS)
    assert attention.failure
    expected = jax.jit(jax.value_and_grad(lambda layers: (encode(layers, X) ** 2).mean()))(LAYERS)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), (value, gradients), expected
    )


def test_a_plan_is_refused_with_the_reason(monkeypatch):
    monkeypatch.setattr(kinds.Kinds, "of", fails)
    with pytest.raises(CaptureError, match=r"^attnreport failed on this program: IndexError: list"):
        plan_attention(encode, LAYERS, X)


def test_what_the_program_does_wrong_is_its_own_error():
    def model(layers, x):
        jax.debug.callback(fails)
        return encode(layers, x)

    with pytest.raises(Exception, match="list index out of range") as error:
        jax.block_until_ready(with_attention(model)(LAYERS, X))
    assert not isinstance(error.value, CaptureError)


def test_errors_that_the_caller_can_mend_stay_what_they_are():
    with pytest.raises(CaptureError, match="No attention is called `zzz`") as error:
        with_attention(encode, select="zzz")(LAYERS, X)
    assert type(error.value) is CaptureError


def test_the_same_failure_is_the_same_whatever_it_says():
    def failure(message):
        try:
            proofs.proof(message, None)
        except AttributeError as error:
            return failure_of(error)
        raise AssertionError

    one, other = failure("text"), failure(3)
    assert one == other
    assert (one.kind, one.place) == ("AttributeError", "extraction/proofs.py, proof")
    assert "'str' object has no attribute" in str(one)
    assert one != Failure("TypeError", one.place, one.message, one.line)
    assert one != Failure(one.kind, "other.py, proof", one.message, one.line)
    assert str(failure_of(ValueError())) == "ValueError"


def test_nothing_fails_without_a_fault():
    output, attention = with_attention(encode)(LAYERS, X)
    for found, expected in zip(attention.values(), references(LAYERS, X), strict=True):
        assert abs(found.weights - expected).max() < 1e-6
    assert jnp.isfinite(output).all()
