"""Networks over images: what they compute does not depend on more than it should, and is found."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from attnreport import capture_attention
from attnreport._errors import AttnReportError, UnknownNameError
from attnreport.models import (
    IMAGE_ATTENTIONS,
    ConvolutionalNetwork,
    TransformerSizes,
    VisionTransformer,
)
from attnreport.nn import ConvolutionalStem
from tests.nn.family import drawn
from tests.nn.slow import numbers

IMAGES = numbers(2, 16, 16, 1)
SIZES = TransformerSizes(features=8, heads=2, layers=2, feed_forward=12)


def transformer(**options) -> VisionTransformer:
    return VisionTransformer((16, 16), (8, 8), 1, 5, SIZES, registers=2, **options)


def network(attention):
    return drawn(lambda **o: ConvolutionalNetwork(1, 5, attention=attention, features=16, **o))


def test_a_vision_transformer_classifies_by_its_class_token():
    model = drawn(transformer)
    tokens = model.encoder(model.patches(IMAGES))
    assert tokens.shape == (2, 1 + 2 + 4, 8)
    np.testing.assert_allclose(model(IMAGES), model.classes(tokens[:, 0]), atol=1e-5)


def test_its_patches_can_come_from_convolutions():
    model = drawn(lambda **o: transformer(stem=(4, 4, 4), **o))
    assert isinstance(model.patches.projection, ConvolutionalStem)
    assert model.patches(IMAGES).shape == (2, 1 + 2 + 4, 8)


def test_its_attention_is_captured_under_its_path():
    maps = capture_attention(drawn(transformer), IMAGES).examples[0].maps
    assert [each.name for each in maps] == [f"encoder.layers.{n}.attention" for n in range(2)]
    assert all(each.weights.shape == (2, 7, 7) for each in maps)


def test_stages_halve_an_image():
    model = network("none")
    features = IMAGES
    sizes = []
    for stage in model.stages:
        features = stage(features)
        sizes.append(features.shape[1:])
    assert sizes == [(8, 8, 16), (4, 4, 32), (2, 2, 64)]
    assert model(IMAGES).shape == (2, 5)


@pytest.mark.parametrize(
    ("attention", "kinds"),
    [
        ("se", ["gate", "gate"]),
        ("eca", ["gate", "gate"]),
        ("cbam", ["gate"] * 4),
        ("non-local", ["self", "self"]),
    ],
)
def test_each_attention_is_found(attention, kinds):
    maps = capture_attention(network(attention), IMAGES).examples[0].maps
    assert [each.kind for each in maps] == kinds
    assert all(each.name.startswith("attentions.") for each in maps)


def test_without_attention_nothing_is_found():
    with pytest.raises(AttnReportError, match="No attention was found"):
        capture_attention(network("none"), IMAGES)


@pytest.mark.parametrize("attention", IMAGE_ATTENTIONS)
def test_gradients_reach_every_parameter(attention):
    graph, parameters, rest = nnx.split(network(attention), nnx.Param, ...)

    @jax.jit
    def gradients(parameters):
        def loss(parameters):
            logits = nnx.merge(graph, parameters, rest)(IMAGES)
            return jnp.sin(logits + jnp.arange(5)).sum()

        return jax.grad(loss)(parameters)

    leaves = jax.tree.leaves(gradients(parameters))
    assert all(np.isfinite(leaf).all() and np.abs(leaf).max() > 0 for leaf in leaves)


def test_an_unknown_attention_is_refused_with_the_known_ones():
    with pytest.raises(UnknownNameError, match=r"no attention 'sight'.*none, se, eca, cbam"):
        ConvolutionalNetwork(1, 5, attention="sight", rngs=nnx.Rngs(0))
