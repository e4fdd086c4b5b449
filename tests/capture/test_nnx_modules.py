"""Kinds of NNX modules that hold attention, and those that hold none that can be seen."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

from attnreport._errors import CaptureError
from attnreport.capture import capture_attention
from tests.capture.nnx_models import FEATURES, HEADS, Encoder, Layer, numbers


class Windowed(nnx.Module):
    """Attention within windows of four positions, as in vision models."""

    def __init__(self):
        self.attention = nnx.MultiHeadAttention(HEADS, FEATURES, decode=False, rngs=nnx.Rngs(0))
        self.pool = nnx.MultiHeadAttention(HEADS, FEATURES, decode=False, rngs=nnx.Rngs(1))

    def __call__(self, x):
        windows = self.attention(x.reshape(-1, 4, FEATURES)).reshape(x.shape)
        return self.pool(windows[:, :1], windows)


def test_windows_of_one_example_become_parts():
    recording = capture_attention(Windowed(), numbers(1, 12, FEATURES), verify=False)
    assert [m.name for m in recording.examples[0].maps] == [
        "attention (part 1)",
        "attention (part 2)",
        "attention (part 3)",
        "pool",
    ]


def test_windows_of_several_examples_are_not_guessed_apart():
    with pytest.raises(CaptureError, match=r"batches of 2, 6.*one example at a time"):
        capture_attention(Windowed(), numbers(2, 12, FEATURES))


def test_a_module_that_is_called_twice_gives_two_maps():
    class Twice(Encoder):
        def __call__(self, x):
            return super().__call__(super().__call__(x))

    recording = capture_attention(Twice(nnx.Rngs(0)), numbers(1, 5, FEATURES), verify=False)
    assert [m.name for m in recording.examples[0].maps] == [
        "layers.0.self_attention (call 1)",
        "layers.1.self_attention (call 1)",
        "layers.0.self_attention (call 2)",
        "layers.1.self_attention (call 2)",
    ]


class OwnSignature(nnx.MultiHeadAttention):
    def __call__(self, x):
        return super().__call__(x, x, decode=False)


def test_a_subclass_with_its_own_signature_is_captured():
    model, x = OwnSignature(HEADS, FEATURES, rngs=nnx.Rngs(0)), numbers(2, 5, FEATURES)
    plain = nnx.MultiHeadAttention(HEADS, FEATURES, decode=False, rngs=nnx.Rngs(0))
    one, two = (capture_attention(m, x, verify=False).examples[0].maps[0] for m in (model, plain))
    assert (one.name, two.name) == ("OwnSignature", "MultiHeadAttention")
    assert np.array_equal(one.array(), two.array())
    assert type(model) is OwnSignature


class SowsItself(nnx.Module):
    """Attention of a user's own, which follows Flax's convention."""

    def __init__(self, told=None):
        self.told = told

    def __call__(self, x):
        weights = jax.nn.softmax(jnp.einsum("bqf,bkf->bqk", x, x))[:, None]
        self.sow(nnx.Intermediate, "attention_weights", weights)
        if self.told is not None:
            self.sow(nnx.Intermediate, "attention_same_input", jnp.asarray(self.told))
            self.sow(nnx.Intermediate, "attention_mask", jnp.ones((1, 1, 1, 5), bool))
        return jnp.einsum("bhqk,bkf->bqf", weights, x)


def test_any_module_that_sows_attention_weights_is_captured():
    x = numbers(2, 5, FEATURES)
    (attention,) = capture_attention(SowsItself(), x).examples[1].maps
    expected = jax.nn.softmax(x[1] @ x[1].T)
    assert abs(attention.array()[0] - expected).max() < 1e-6
    assert (attention.name, attention.kind, attention.mask) == ("SowsItself", "self", None)
    assert attention.checks.output_difference == 0


@pytest.mark.parametrize(("told", "kind"), [(True, "self"), (False, "cross")])
def test_a_module_can_tell_its_mask_and_whether_it_looks_at_itself(told, kind):
    recording = capture_attention(SowsItself(told), numbers(2, 5, FEATURES), verify=False)
    (attention,) = recording.examples[1].maps
    assert attention.kind == kind
    assert attention.mask.shape == (5, 5)
    assert attention.mask.all()


def silent(query, key, value, module=None, **options):
    return jax.nn.dot_product_attention(query, key, value)


def test_an_attention_function_that_does_not_sow_is_explained():
    model = nnx.MultiHeadAttention(
        HEADS, FEATURES, attention_fn=silent, decode=False, rngs=nnx.Rngs(0)
    )
    with pytest.raises(CaptureError, match="`attention_fn` does not sow"):
        capture_attention(model, numbers(2, 5, FEATURES))


class Partly(nnx.Module):
    def __init__(self, rngs):
        self.used, self.unused = Layer(rngs), Layer(rngs)

    def __call__(self, x, *, both=False):
        return self.unused(self.used(x)) if both else self.used(x)


def test_attention_that_gave_nothing_is_noted():
    model, x = Partly(nnx.Rngs(0)), numbers(1, 5, FEATURES)
    (note,) = capture_attention(model, x, verify=False).source.notes
    assert note.startswith("unused.self_attention gave no weights")
    both = capture_attention(model, x, kwargs={"both": True}, verify=False)
    assert both.source.notes == ()


def test_attention_that_did_not_run_is_explained():
    class Idle(Partly):
        def __call__(self, x):
            return x

    with pytest.raises(CaptureError, match=r"holds multi-head attention \(unused\.self_attention"):
        capture_attention(Idle(nnx.Rngs(0)), numbers(1, 5, FEATURES))


def test_a_model_without_attention_is_explained():
    with pytest.raises(CaptureError, match=r"Linear ran without any attention.*MultiHeadAttention"):
        capture_attention(nnx.Linear(FEATURES, 3, rngs=nnx.Rngs(0)), numbers(2, FEATURES))


def test_a_model_that_branches_on_values_is_explained():
    class Branching(Encoder):
        def __call__(self, x):
            return super().__call__(x) if x.sum() > 0 else x

    with pytest.raises(CaptureError, match=r"cannot be compiled.*jax\.lax\.cond"):
        capture_attention(Branching(nnx.Rngs(0)), numbers(2, 5, FEATURES))


def test_what_cannot_be_called_is_refused():
    with pytest.raises(CaptureError, match="A str cannot be called"):
        capture_attention("bert-base-uncased", numbers(2, 5))


class DenseAttention(linen.Module):
    @linen.compact
    def __call__(self, x):
        return linen.MultiHeadDotProductAttention(HEADS)(x, x)


def test_a_bridge_that_capture_cannot_pass_is_explained():
    x = numbers(1, 5, FEATURES)
    model = nnx.bridge.ToNNX(DenseAttention(), rngs=nnx.Rngs(0)).lazy_init(x)
    assert model(x).shape == x.shape
    with pytest.raises(CaptureError, match="runs, but not while Flax captures its attention"):
        capture_attention(model, x)
