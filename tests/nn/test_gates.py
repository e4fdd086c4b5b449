"""Gates over channels and places: squeeze and excitation, ECA, CBAM."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from attnreport.nn import (
    CBAM,
    ChannelAttention,
    EfficientChannelAttention,
    SpatialAttention,
    SqueezeExcitation,
)

X = np.random.default_rng(0).normal(size=(2, 3, 4, 6)).astype("f")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def numbers(layer, dtype="d") -> tuple[np.ndarray, np.ndarray]:
    return np.asarray(layer.kernel[...], dtype), np.asarray(layer.bias[...], dtype)


def perceptron(module, pooled: np.ndarray) -> np.ndarray:
    down, up = numbers(module.reduce), numbers(module.expand)
    return np.maximum(pooled @ down[0] + down[1], 0) @ up[0] + up[1]


def with_biases(module):
    for layer in (module.reduce, module.expand):
        layer.bias[...] = jnp.linspace(-1, 1, layer.bias[...].size)
    return module


def over_channels(gates) -> np.ndarray:
    output = np.zeros(X.shape)
    for b, h, w, c in np.ndindex(X.shape):
        output[b, h, w, c] = gates[b, c] * X[b, h, w, c]
    return output


def slow_places(kernel, x) -> np.ndarray:
    """Woo et al. (2018), equation 3, one place and one number of the kernel at a time."""
    batch, height, width, _ = x.shape
    reach = kernel.shape[0] // 2
    sums = np.zeros((batch, height, width))
    for b, h, w, i, j in np.ndindex(batch, height, width, *kernel.shape[:2]):
        row, column = h + i - reach, w + j - reach
        if 0 <= row < height and 0 <= column < width:
            pooled = np.array([x[b, row, column].mean(), x[b, row, column].max()])
            sums[b, h, w] += pooled @ kernel[i, j, :, 0]
    return sigmoid(sums)


def require_shown(module, gates: np.ndarray, output: np.ndarray) -> None:
    found, shown = module(jnp.asarray(X), return_weights=True)
    np.testing.assert_allclose(shown, gates.reshape(2, 1, 1, -1), atol=1e-6)
    np.testing.assert_allclose(found, output, atol=1e-6)


def test_squeeze_and_excitation_computes_the_equations_of_the_paper():
    module = with_biases(SqueezeExcitation(6, reduction=2, rngs=nnx.Rngs(0)))
    gates = np.stack(
        [sigmoid(perceptron(module, np.array([x[..., c].mean() for c in range(6)]))) for x in X]
    )
    require_shown(module, gates, over_channels(gates))


def test_squeeze_and_excitation_gives_what_layers_of_linen_give():
    module = with_biases(SqueezeExcitation(6, reduction=2, rngs=nnx.Rngs(0)))

    class Excitation(nn.Module):
        @nn.compact
        def __call__(self, x):
            pooled = nn.avg_pool(x, x.shape[1:3])
            hidden = nn.relu(nn.Dense(3, name="reduce")(pooled))
            return x * nn.sigmoid(nn.Dense(6, name="expand")(hidden))

    parameters = {
        name: dict(zip(("kernel", "bias"), numbers(layer, "f"), strict=True))
        for name, layer in (("reduce", module.reduce), ("expand", module.expand))
    }
    theirs = Excitation().apply({"params": parameters}, jnp.asarray(X))
    np.testing.assert_allclose(module(jnp.asarray(X)), np.asarray(theirs), atol=1e-6)


def test_efficient_channel_attention_computes_the_equation_of_the_paper():
    module = EfficientChannelAttention(6, kernel_size=3, rngs=nnx.Rngs(0))
    kernel = np.asarray(module.convolution.kernel[...])[:, 0, 0]
    sums = np.zeros((2, 6))
    for b, c, j in np.ndindex(2, 6, 3):
        if 0 <= c + j - 1 < 6:
            sums[b, c] += kernel[j] * X[b, :, :, c + j - 1].mean()
    require_shown(module, sigmoid(sums), over_channels(sigmoid(sums)))


@pytest.mark.parametrize(("channels", "size"), [(8, 3), (64, 3), (128, 5), (256, 5), (512, 5)])
def test_more_channels_have_a_longer_kernel(channels, size):
    # Wang et al. (2020), equation 12, and the sizes that the authors' code takes.
    module = EfficientChannelAttention(channels, rngs=nnx.Rngs(0))
    assert module.convolution.kernel[...].shape == (size, 1, 1)


def test_channels_of_cbam_are_gated_by_mean_and_maximum():
    module = with_biases(ChannelAttention(6, reduction=2, rngs=nnx.Rngs(0)))
    flat = X.reshape(2, 12, 6)
    gates = sigmoid(perceptron(module, flat.mean(1)) + perceptron(module, flat.max(1)))
    require_shown(module, gates, over_channels(gates))


@pytest.mark.parametrize("size", [3, 7])
def test_places_of_cbam_are_gated_by_a_convolution(size):
    module = SpatialAttention(kernel_size=size, rngs=nnx.Rngs(0))
    gates = slow_places(np.asarray(module.convolution.kernel[...]), X)
    require_shown(module, gates, gates[..., None] * X)


def test_cbam_gates_channels_and_then_places():
    module = CBAM(6, reduction=2, kernel_size=3, rngs=nnx.Rngs(0))
    output, (channels, places) = module(jnp.asarray(X), return_weights=True)
    first, gates = module.channel(jnp.asarray(X), return_weights=True)
    assert np.array_equal(channels, gates)
    kernel = np.asarray(module.spatial.convolution.kernel[...])
    expected = slow_places(kernel, np.asarray(first))
    np.testing.assert_allclose(places, expected.reshape(2, 1, 1, -1), atol=1e-6)
    np.testing.assert_allclose(output, expected[..., None] * first, atol=1e-6)
    assert np.array_equal(module(jnp.asarray(X)), output)


def test_fewer_channels_than_the_reduction_leave_one():
    assert SqueezeExcitation(6, rngs=nnx.Rngs(0)).reduce.kernel[...].shape == (6, 1)
    assert ChannelAttention(6, rngs=nnx.Rngs(0)).reduce.kernel[...].shape == (6, 1)


def test_gates_lie_between_zero_and_one_also_far_out():
    module = SqueezeExcitation(6, reduction=2, rngs=nnx.Rngs(0))
    output, gates = module(1e6 * jnp.asarray(X), return_weights=True)
    assert np.isfinite(output).all()
    assert ((gates >= 0) & (gates <= 1)).all()
    gradient = jax.grad(lambda x: module(x).sum())(1e6 * jnp.asarray(X))
    assert np.isfinite(gradient).all()
