"""Kinds of NNX modules that hold attention, and those that hold none that can be seen."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

from attnreport._errors import CaptureError
from attnreport.capture import capture_attention
from tests.capture.nnx_models import FEATURES, HEADS, ROUNDING, Encoder, Layer, numbers


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


def test_windows_of_several_examples_are_told_apart():
    several = capture_attention(Windowed(), numbers(2, 12, FEATURES))
    alone = capture_attention(Windowed(), numbers(2, 12, FEATURES)[:1])
    assert len(several.examples) == 2
    for one, other in zip(several.examples[0].maps, alone.examples[0].maps, strict=True):
        assert one.name == other.name
        assert abs(one.array() - other.array()).max() < 1e-6


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
    """Attention of a user's own, with the intermediates of Flax's convention."""

    def __call__(self, x):
        weights = jax.nn.softmax(jnp.einsum("bqf,bkf->bqk", x, x))[:, None]
        self.sow(nnx.Intermediate, "attention_weights", weights)
        return jnp.einsum("bhqk,bkf->bqf", weights, x)


def test_a_module_that_sows_by_itself_gives_each_attention_once():
    x = numbers(2, 5, FEATURES)
    # The warning that Flax gives whoever runs this model.
    with pytest.warns(DeprecationWarning, match="sow"):
        (attention,) = capture_attention(SowsItself(), x).examples[1].maps
    assert abs(attention.array()[0] - jax.nn.softmax(x[1] @ x[1].T)).max() < 1e-6
    assert (attention.kind, attention.mask) == ("self", None)
    assert attention.name.startswith("test_nnx_modules.py:")
    assert attention.checks.output_difference == 0


def silent(query, key, value, module=None, **options):
    return jax.nn.dot_product_attention(query, key, value)


def test_an_attention_function_that_does_not_sow_is_captured():
    x = numbers(2, 5, FEATURES)
    usual = nnx.MultiHeadAttention(HEADS, FEATURES, decode=False, rngs=nnx.Rngs(0))
    model = nnx.MultiHeadAttention(
        HEADS, FEATURES, attention_fn=silent, decode=False, rngs=nnx.Rngs(0)
    )
    (found,) = capture_attention(model, x, verify=False).examples[1].maps
    (expected,) = capture_attention(usual, x, verify=False).examples[1].maps
    assert abs(found.array() - expected.array()).max() <= ROUNDING


class Partly(nnx.Module):
    def __init__(self, rngs):
        self.used, self.unused = Layer(rngs), Layer(rngs)

    def __call__(self, x, *, both=False):
        return self.unused(self.used(x)) if both else self.used(x)


def test_attention_that_does_not_run_gives_nothing():
    model, x = Partly(nnx.Rngs(0)), numbers(1, 5, FEATURES)
    one = capture_attention(model, x, verify=False)
    both = capture_attention(model, x, both=True, verify=False)
    assert [m.name for m in one.examples[0].maps] == ["used.self_attention"]
    names = ["used.self_attention", "unused.self_attention"]
    assert [m.name for m in both.examples[0].maps] == names


@pytest.mark.parametrize(
    ("model", "x", "message"),
    [
        (
            nnx.Linear(FEATURES, 3, rngs=nnx.Rngs(0)),
            numbers(2, FEATURES),
            r"in `Linear`: weights that.*Nothing in it is divided by a sum.*Recording\.from_arrays",
        ),
        (jax.nn.softmax, numbers(2, 5), "A softmax comes nearest to attention, but it was not"),
        (
            nnx.MultiHeadAttention(HEADS, FEATURES, decode=False, rngs=nnx.Rngs(0)),
            numbers(2, 1, FEATURES),
            r"attention\.py:\d+: A softmax comes nearest to attention",
        ),
        (
            lambda x: jnp.exp(x) @ (2 * x.mT) @ jnp.ones((5, 2)),
            numbers(2, 5, FEATURES),
            r"two computed values \(test_nnx_modules\.py:\d+\).*but nothing that normalizes",
        ),
    ],
    ids=["linear", "softmax", "one key", "products"],
)
def test_a_model_without_attention_is_explained(model, x, message):
    with pytest.raises(CaptureError, match=message):
        capture_attention(model, x)


def test_a_model_that_branches_on_values_is_explained():
    class Branching(Encoder):
        def __call__(self, x):
            return super().__call__(x) if x.sum() > 0 else x

    with pytest.raises(CaptureError, match=r"cannot be traced.*jax\.lax\.cond"):
        capture_attention(Branching(nnx.Rngs(0)), numbers(2, 5, FEATURES))


def test_what_cannot_be_called_is_refused():
    with pytest.raises(CaptureError, match="A str cannot be called"):
        capture_attention("bert-base-uncased", numbers(2, 5))


class DenseAttention(linen.Module):
    @linen.compact
    def __call__(self, x):
        return linen.MultiHeadDotProductAttention(HEADS)(x, x)


def test_a_bridge_to_linen_is_passed():
    x = numbers(1, 5, FEATURES)
    model = nnx.bridge.ToNNX(DenseAttention(), rngs=nnx.Rngs(0)).lazy_init(x)
    (found,) = capture_attention(model, x).examples[0].maps
    variables = {"params": nnx.to_pure_dict(nnx.state(model, nnx.Param))}
    (expected,) = capture_attention(DenseAttention(), variables, x).examples[0].maps
    assert np.array_equal(found.array(), expected.array())
