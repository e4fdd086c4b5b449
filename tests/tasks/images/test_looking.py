"""Where a network looks is read off its own weights, picture by picture."""

import jax
import numpy as np
import pytest
from flax import nnx

from attnreport.analysis.combining.rollout import rollout
from attnreport.models import ConvolutionalNetwork, TransformerSizes, VisionTransformer
from attnreport.tasks.images import looking
from tests.nn.family import drawn

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 1), dtype=np.uint8)
IMAGES = looking.as_inputs(PIXELS)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    """So that three pictures are a batch and one that is filled up."""
    monkeypatch.setattr(looking, "BATCH", 2)


def network(attention):
    return drawn(
        lambda **o: ConvolutionalNetwork(1, 5, attention=attention, features=8, stages=2, **o)
    )


def test_the_gate_over_places_of_cbam_is_taken_as_it_is():
    model = network("cbam")
    found = looking.places_looked_at(model, PIXELS)
    features = model.stages[1](model.stages[0](IMAGES))
    _, (_, gates) = model.attentions[1](features, return_weights=True)
    assert list(found) == ["layer 1"]
    np.testing.assert_allclose(found["layer 1"].reshape(3, 16), gates[:, 0, 0], atol=1e-5)


def test_of_a_non_local_block_the_mean_of_all_rows_is_taken():
    model = network("non-local")
    found = looking.places_looked_at(model, PIXELS)
    features = model.stages[1](model.stages[0](IMAGES))
    _, weights = model.attentions[1](features, return_weights=True)
    np.testing.assert_allclose(
        found["layer 1"].reshape(3, 16), weights[:, 0].mean(axis=1), atol=1e-5
    )


def test_of_a_vision_transformer_the_row_of_the_class_token_is_rolled_out():
    sizes = TransformerSizes(features=8, heads=2, layers=2, feed_forward=8)
    model = drawn(lambda **o: VisionTransformer((16, 16), (8, 8), 1, 5, sizes, registers=1, **o))
    found = looking.places_looked_at(model, PIXELS)
    hidden, layers = model.patches(IMAGES), []
    for layer in model.encoder.layers:
        _, weights = layer.attention(layer.attention_norm(hidden), return_weights=True)
        layers.append(np.asarray(weights))
        hidden = layer(hidden)
    # The class token and a register come before the four patches.
    np.testing.assert_allclose(
        found[looking.ROLLOUT].reshape(3, 4), rollout(layers)[:, 0, 2:], atol=1e-5
    )
    np.testing.assert_allclose(
        found[looking.HEADS].reshape(3, 4), np.mean(layers, axis=(0, 2))[:, 0, 2:], atol=1e-5
    )


@pytest.mark.parametrize("attention", ["none", "se", "eca"])
def test_a_network_without_attention_over_places_looks_at_none(attention):
    assert looking.places_looked_at(network(attention), PIXELS) == {}


def test_activations_are_squares_summed_over_channels_on_both_sides_of_attention():
    model = network("cbam")
    first = model.stages[0](IMAGES)
    second = model.stages[1](first)
    gated = model.attentions[1](second)
    found = looking.activations(model, PIXELS)
    for shown, features in zip(
        (*found.before, *found.after), (first, second, first, gated), strict=True
    ):
        np.testing.assert_allclose(shown, (features**2).sum(axis=-1), rtol=1e-4, atol=1e-5)


def test_each_picture_gets_the_class_with_the_highest_score():
    model = network("none")
    np.testing.assert_array_equal(
        looking.chosen_classes(model, PIXELS), model(IMAGES).argmax(axis=-1)
    )


def test_parameters_tell_whether_there_is_attention():
    assert [looking.has_attention(network(kind)) for kind in ("none", "eca")] == [False, True]
    assert jax.tree.leaves(nnx.state(network("eca").attentions, nnx.Param))
