"""Gates: strengths pooled from what they scale."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from tests.capture.recognizing import analysis_of, found_in

X = np.random.default_rng(5).normal(size=(2, 4, 5, 6)).astype(np.float32)
DOWN = np.random.default_rng(6).normal(size=(6, 3)).astype(np.float32)
UP = np.random.default_rng(7).normal(size=(3, 6)).astype(np.float32)

SQUASHED = {
    "sigmoid": jax.nn.sigmoid,
    "clip": lambda s: jnp.clip(s / 6 + 0.5, 0, 1),
    "by hand": lambda s: 1 / (1 + jnp.exp(-s)),
    "tanh": lambda s: (jnp.tanh(s) + 1) / 2,
}


def _excitation(x, down, up):
    return jax.nn.relu(x.mean((1, 2)) @ down) @ up


@pytest.mark.parametrize("name", SQUASHED)
def test_channels_are_gated(name):
    def fn(x, down, up):
        return x * SQUASHED[name](_excitation(x, down, up))[:, None, None]

    ((_, kind, _, weights),) = found_in(fn, X, DOWN, UP)
    assert kind == "gate"
    expected = SQUASHED[name](_excitation(X, DOWN, UP))
    np.testing.assert_allclose(weights[:, 0, 0], expected, atol=1e-6)


def test_a_division_is_a_gate_too():
    def fn(x, down, up):
        return x / (1 + jnp.exp(-_excitation(x, down, up)))[:, None, None]

    ((_, kind, _, weights),) = found_in(fn, X, DOWN, UP)
    assert kind == "gate"
    np.testing.assert_allclose(
        weights[:, 0, 0], jax.nn.sigmoid(_excitation(X, DOWN, UP)), atol=1e-6
    )


def test_places_are_gated():
    kernel = np.random.default_rng(8).normal(size=(3, 3, 2, 1)).astype(np.float32)

    def fn(x, kernel):
        pooled = jnp.stack([x.mean(-1), x.max(-1)], -1)
        numbers = ("NHWC", "HWIO", "NHWC")
        s = lax.conv_general_dilated(pooled, kernel, (1, 1), "SAME", dimension_numbers=numbers)
        return x * jax.nn.sigmoid(s)

    ((_, kind, _, weights),) = found_in(fn, X, kernel)
    assert (kind, weights.shape) == ("gate", (2, 1, 1, 20))


@pytest.mark.parametrize(
    "fn",
    [
        lambda x, down, up: x * jax.nn.sigmoid(jax.nn.relu(x @ down) @ up),
        lambda x, down, up: x / (1 + jnp.exp(x).sum((1, 2), keepdims=True)),
        lambda x, down, up: x * jnp.minimum(1, 1 / jnp.sqrt((x**2).sum((1, 2), keepdims=True))),
        lambda x, down, up: x * jax.nn.sigmoid(up.sum(0)),
        lambda x, down, up: x * (x.mean((1, 2)) @ down @ up)[:, None, None],
    ],
)
def test_other_factors_are_no_gates(fn):
    assert analysis_of(fn, X, DOWN, UP).sites() == []


def test_a_mean_over_some_places_is_pooled_too():
    def fn(x, down, up, lengths):
        seen = (jnp.arange(4) < lengths[:, None])[:, :, None, None]
        mean = (x * seen).sum((1, 2)) / (5 * seen.sum((1, 2)))
        return x * jax.nn.sigmoid(jax.nn.relu(mean @ down) @ up)[:, None, None]

    ((_, kind, _, weights),) = found_in(fn, X, DOWN, UP, np.array([3, 4], np.int32))
    assert (kind, weights.shape) == ("gate", (2, 1, 1, 6))


def test_a_sigmoid_needs_no_parameters():
    ((_, kind, _, _),) = found_in(lambda x: x * jax.nn.sigmoid(x.mean((1, 2), keepdims=True)), X)
    assert kind == "gate"


def test_a_norm_is_no_gate():
    assert found_in(lambda x: x / jnp.maximum(jnp.abs(x).max((1, 2), keepdims=True), 1.0), X) == []
