"""`with_attention` as a transformation: under all of JAX's own, and within a training step."""

import functools
import re
import warnings
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from attnreport import capture_attention, plan_attention, with_attention
from attnreport._errors import CaptureError
from tests.capture.attending import (
    ROUNDING,
    attend,
    encode,
    numbers,
    projections,
    references,
    weights_of,
)
from tests.devices import check_names, outcomes_on_eight_devices

pytestmark = pytest.mark.optimized

LAYERS = [projections(number) for number in range(2)]
X = numbers(3, 5, 8)


def same(attention, expected):
    """Whether attention holds the expected weights, in order."""
    pairs = zip(attention.values(), expected, strict=True)
    return all(abs(found.weights - reference).max() <= ROUNDING for found, reference in pairs)


def test_output_and_attention_come_together():
    output, attention = with_attention(encode)(LAYERS, X)
    assert np.array_equal(output, jax.jit(encode)(LAYERS, X))
    assert list(attention) == ["layers.0", "layers.1"]
    assert same(attention, references(LAYERS, X))
    first = attention["layers.0"]
    assert (first.kind, first.form, first.fallbacks) == ("self", "softmax", ())
    assert first.axes == ("batch", "head", "query", "key")
    assert bool(first.ran)
    assert str(attention).startswith("Attention of 2:\n  layers.0: self, softmax")


def test_attention_is_a_pytree():
    _, attention = with_attention(encode)(LAYERS, X)
    doubled = jax.tree.map(lambda array: 2 * array, attention)
    assert list(doubled) == list(attention)
    assert doubled["layers.1"].axes == attention["layers.1"].axes
    assert np.array_equal(doubled["layers.1"].weights, 2 * attention["layers.1"].weights)


def test_under_jit_the_output_is_that_of_jit():
    output, attention = jax.jit(with_attention(encode))(LAYERS, X)
    assert np.array_equal(output, jax.jit(encode)(LAYERS, X))
    assert same(attention, references(LAYERS, X))


def test_under_vmap_each_example_has_its_own():
    models = jax.tree.map(lambda *each: jnp.stack(each), LAYERS, LAYERS[::-1])
    _, attention = jax.vmap(with_attention(encode), in_axes=(0, None))(models, X)
    for number, layers in enumerate((LAYERS, LAYERS[::-1])):
        assert same(jax.tree.map(lambda each, n=number: each[n], attention), references(layers, X))


def test_weights_can_be_differentiated():
    def entropy(weights):
        return -(weights * jnp.log(weights)).sum(-1).mean()

    def captured(layers):
        _, attention = with_attention(encode)(layers, X)
        return sum(entropy(each.weights) for each in attention.values())

    def direct(layers):
        return sum(entropy(weights) for weights in references(layers, X))

    found, expected = jax.grad(captured)(LAYERS), jax.grad(direct)(LAYERS)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), found, expected)


def test_inside_a_training_step():
    optimizer = optax.adam(1e-2)

    def loss(layers, x):
        return (encode(layers, x) ** 2).mean()

    def with_weights(layers, x):
        output, attention = with_attention(encode)(layers, x)
        return (output**2).mean(), {name: each.weights for name, each in attention.items()}

    @jax.jit
    def step(layers, state):
        (value, weights), gradients = jax.value_and_grad(with_weights, has_aux=True)(layers, X)
        updates, state = optimizer.update(gradients, state)
        return optax.apply_updates(layers, updates), state, value, weights

    layers, state = LAYERS, optimizer.init(LAYERS)
    for _ in range(3):
        expected = jax.jit(jax.value_and_grad(loss))(layers, X)[0]
        before = references(layers, X)
        layers, state, value, weights = step(layers, state)
        assert abs(value - expected) <= 1e-5 * expected
        for found, reference in zip(weights.values(), before, strict=True):
            assert abs(found - reference).max() <= ROUNDING
    assert loss(layers, X) < loss(LAYERS, X)


def test_a_training_step_has_each_attention_once():
    optimizer = optax.sgd(1e-2)

    def step(layers, x):
        gradients = jax.grad(lambda layers: (jax.checkpoint(encode)(layers, x) ** 2).mean())(layers)
        return optax.apply_updates(layers, optimizer.update(gradients, optimizer.init(layers))[0])

    output, attention = with_attention(step)(LAYERS, X)
    assert len(attention) == 2
    assert same(attention, references(LAYERS, X))
    jax.tree.map(np.testing.assert_array_equal, output, jax.jit(step)(LAYERS, X))


def test_inside_a_scan():
    def step(x, _):
        x, attention = with_attention(attend)(LAYERS[0], x)
        return x, attention

    _, attention = jax.lax.scan(step, X, None, length=3)
    (captured,) = attention.values()
    assert captured.weights.shape == (3, 3, 2, 5, 5)
    for weights, expected in zip(captured.weights, references([LAYERS[0]] * 3, X), strict=True):
        assert abs(weights - expected).max() <= ROUNDING


def test_layers_of_a_scan_are_an_axis():
    stack = jax.tree.map(lambda *each: jnp.stack(each), *LAYERS)

    def model(stack, x):
        return jax.lax.scan(lambda x, layer: (attend(layer, x), None), x, stack)[0]

    output, attention = with_attention(model)(stack, X)
    (captured,) = attention.values()
    assert captured.axes == ("layer", "batch", "head", "query", "key")
    for weights, expected in zip(captured.weights, references(LAYERS, X), strict=True):
        assert abs(weights - expected).max() <= ROUNDING
    assert np.array_equal(output, jax.jit(model)(stack, X))


@pytest.mark.parametrize("positive", [True, False])
def test_a_branch_tells_whether_it_was_taken(positive):
    def model(layer, x):
        return jax.lax.cond(x[0, 0, 0] > 0, lambda x: attend(layer, x), lambda x: 2 * x, x)

    x = X.at[0, 0, 0].set(1.0 if positive else -1.0)
    output, attention = with_attention(model)(LAYERS[0], x)
    (captured,) = attention.values()
    assert bool(captured.ran) is positive
    expected = weights_of(LAYERS[0], x) if positive else jnp.zeros((3, 2, 5, 5))
    assert abs(captured.weights - expected).max() <= ROUNDING
    assert np.array_equal(output, jax.jit(model)(LAYERS[0], x))


def test_a_reduction_leaves_little():
    _, attention = with_attention(encode, reduce="top-2")(LAYERS, X)
    for captured, expected in zip(attention.values(), references(LAYERS, X), strict=True):
        assert captured.weights["weights"].shape == (3, 2, 5, 2)
        largest = -np.sort(-np.asarray(expected), -1)[..., :2]
        assert abs(captured.weights["weights"] - largest).max() <= ROUNDING
        assert captured.about.reduction == "top-2"
        assert captured.proof.product_error < 1e-6  # proved before it was reduced


def experts(params, x):
    """Attention, and then a mixture of experts."""
    x = attend(params["attention"], x)
    shares = jax.nn.softmax(x @ params["router"])
    each = jnp.einsum("btm,emn->bten", x, params["experts"])
    return x + jnp.einsum("bte,bten->btn", shares, each)


def test_routers_are_left_out_unless_they_are_named():
    params = {
        "attention": LAYERS[0],
        "router": numbers(8, 3, seed=5),
        "experts": numbers(3, 8, 8, seed=6),
    }
    _, attention = with_attention(experts)(params, X)
    assert [each.kind for each in attention.values()] == ["self"]
    _, routers = with_attention(experts, kinds=["router"])(params, X)
    (router,) = routers.values()
    assert router.kind == "router"
    expected = jax.nn.softmax(attend(LAYERS[0], X) @ params["router"])
    assert abs(router.weights.reshape(expected.shape) - expected).max() <= ROUNDING


def test_nothing_is_an_empty_attention():
    output, attention = with_attention(jnp.sin)(X)
    assert np.array_equal(output, jax.jit(jnp.sin)(X))
    assert len(attention) == 0
    assert attention.failure == ""
    (note,) = attention.notes
    assert note.startswith("Nothing in it is divided by a sum")


def test_a_name_that_there_is_not_is_said_with_those_that_there_are():
    _, attention = with_attention(encode)(LAYERS, X)
    message = r"No attention is called 'layer_0'\. Near are layers\.0, layers\.1\."
    with pytest.raises(KeyError, match=message):
        attention["layer_0"]
    assert attention.get("layer_0") is None
    with pytest.raises(KeyError, match=r"No attention is called 'layer_0'\. There is none\."):
        with_attention(jnp.sin)(X)[1]["layer_0"]


def test_dropout_is_captured_and_said():
    def model(layer, key, x):
        kept = jax.random.bernoulli(key, 0.5, (3, 2, 5, 5))
        weights = jnp.where(kept, weights_of(layer, x), 0) * 2
        value = jnp.einsum("btm,mhd->bhtd", x, layer["v"])
        return jnp.moveaxis(weights @ value, 1, 2).reshape(x.shape)

    key = jax.random.key(0)
    output, attention = with_attention(model)(LAYERS[0], key, X)
    assert np.array_equal(output, jax.jit(model)(LAYERS[0], key, X))
    assert same(attention, references(LAYERS[:1], X))
    assert attention.notes == (
        "The attention hangs on random numbers that the model drew, as dropout and sampling do: "
        "this is one sample, with weights as they were before dropout zeroed some of them. Where "
        "it is dropout, call `model.eval()`, or say `deterministic=True`, for the weights that the "
        "model predicts with.",
    )
    assert attention.notes == plan_attention(model, LAYERS[0], key, X).notes
    assert attention.notes[0] in str(attention)
    assert jax.tree.map(jnp.copy, attention).notes == attention.notes


def test_arrays_that_are_donated_are_still_there():
    step = jax.jit(encode, donate_argnums=1)
    x = X + 0
    output, _ = with_attention(step)(LAYERS, x)
    assert not x.is_deleted()
    assert np.array_equal(output, step(LAYERS, x))


def test_values_are_asked_for_before_anything_is_read():
    sentence = (
        "`x` is a ShapeDtypeStruct, and attention needs numbers. Give an array; `plan_attention` "
        "takes shapes."
    )
    shape = jax.ShapeDtypeStruct(X.shape, X.dtype)
    for capture in (with_attention(encode), functools.partial(capture_attention, encode)):
        with pytest.raises(CaptureError, match=f"^{re.escape(sentence)}$"):
            capture(LAYERS, shape)


def test_threads_do_not_disturb_each_other():
    capture = with_attention(encode)
    expected = references(LAYERS, X)
    with ThreadPoolExecutor(4) as pool, warnings.catch_warnings():
        warnings.simplefilter("error")
        found = list(pool.map(lambda _: capture(LAYERS, X)[1], range(4)))
    assert all(same(attention, expected) for attention in found)


def test_modules_of_nnx_stay_as_they_were():
    model = nnx.MultiHeadAttention(
        2, 8, dropout_rate=0.5, deterministic=False, decode=False, rngs=nnx.Rngs(0)
    )
    captured = with_attention(model)
    _, first = captured(X)
    _, second = captured(X)
    assert int(model.rngs.count[...]) == 0
    ((one,), (two,)) = first.values(), second.values()
    assert np.array_equal(one.weights, two.weights)
    assert list(first) == list(second)


def test_what_matches_nothing_is_told_when_it_is_called():
    captured = with_attention(encode, select="layer_*")
    with pytest.raises(CaptureError, match=r"No attention is called `layer_\*`\. Near are layers"):
        captured(LAYERS, X)


def test_the_function_keeps_its_name():
    assert with_attention(encode).__name__ == "encode"
    assert with_attention(nnx.Linear(2, 2, rngs=nnx.Rngs(0))) is not None


SHARDED = "tests.capture.sharded_attention"


@pytest.fixture(scope="module")
def outcomes():
    return outcomes_on_eight_devices(SHARDED)


@pytest.mark.parametrize("name", check_names(SHARDED))
def test_on_eight_devices(outcomes, name):
    assert outcomes[name] == ""


def above_the_mean(x):
    """Scores above the mean of their row, which nothing divides by their sum."""
    scores = x @ x.swapaxes(1, 2)
    return jax.nn.relu(scores - scores.mean(-1, keepdims=True)) @ jnp.tanh(x)


def test_what_only_numbers_can_tell_is_said():
    _, attention = with_attention(above_the_mean)(X)
    (found,) = attention.values()
    assert found.about.sums == "to be measured"
    assert found.proof.row_error > 1
    assert np.isnan(found.weights).all()
    _, eighths = with_attention(above_the_mean, reduce="uint8")(X)
    assert not np.any([each.weights for each in eighths.values()])
    (said,) = attention.notes
    assert said.startswith("Only numbers tell whether these are weights: attention.")
    with pytest.raises(CaptureError, match=r"rows do not sum to one|No attention"):
        capture_attention(above_the_mean, X)
