import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from attnreport._errors import InvalidAttentionError
from attnreport.nn import PatchEmbedding

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from transformers import ViTConfig
    from transformers.models.vit.modeling_flax_vit import FlaxViTEmbeddings

IMAGES = np.random.default_rng(0).normal(size=(2, 4, 6, 3)).astype("f")


def module(**options) -> PatchEmbedding:
    return PatchEmbedding((4, 6), (2, 3), 3, 5, rngs=nnx.Rngs(0), **options)


@pytest.mark.parametrize("class_token", [False, True])
@pytest.mark.parametrize("registers", [0, 2])
def test_tokens_are_class_registers_and_patches_row_by_row(class_token, registers):
    embedding = module(class_token=class_token, registers=registers)
    kernel, positions = (
        np.asarray(each[...]) for each in (embedding.projection.kernel, embedding.positions)
    )
    expected = []
    for image in IMAGES:
        # Dosovitskiy et al. (2021), equation 1, one patch at a time.
        patches = [
            image[2 * row : 2 * row + 2, 3 * column : 3 * column + 3].ravel()
            @ kernel.reshape(18, 5)
            for row in range(2)
            for column in range(2)
        ]
        first = [] if embedding.class_token is None else [np.asarray(embedding.class_token[0])]
        placed = [each + at for each, at in zip(first + patches, positions, strict=True)]
        added = [] if embedding.registers is None else list(np.asarray(embedding.registers[...]))
        expected.append(placed[: len(first)] + added + placed[len(first) :])
    found = embedding(jnp.asarray(IMAGES))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert embedding.prefix == class_token + registers
    assert embedding.grid == (2, 2)


def test_it_gives_what_hugging_face_gives():
    config = ViTConfig(hidden_size=8, image_size=6, patch_size=2, num_channels=3)
    theirs = FlaxViTEmbeddings(config)
    images = jax.random.normal(jax.random.key(0), (2, 6, 6, 3))
    parameters = theirs.init(jax.random.key(1), images)["params"]
    parameters["cls_token"] = jax.random.normal(jax.random.key(2), (1, 1, 8))
    ours = PatchEmbedding((6, 6), (2, 2), 3, 8, rngs=nnx.Rngs(0))
    projection = parameters["patch_embeddings"]["projection"]
    ours.projection.kernel[...] = projection["kernel"]
    assert ours.projection.bias is not None
    ours.projection.bias[...] = projection["bias"]
    ours.positions[...] = parameters["position_embeddings"][0]
    assert ours.class_token is not None
    ours.class_token[...] = parameters["cls_token"][0]
    expected = theirs.apply({"params": parameters}, images)
    np.testing.assert_allclose(ours(images), np.asarray(expected), atol=1e-5)


def test_in_bfloat16_tokens_are_too():
    found = module(dtype=jnp.bfloat16, registers=1)(jnp.asarray(IMAGES, jnp.bfloat16))
    assert found.dtype == jnp.bfloat16


def test_images_that_do_not_fit_are_refused():
    with pytest.raises(InvalidAttentionError, match="4x7 cannot be cut into patches of 2x3"):
        PatchEmbedding((4, 7), (2, 3), 3, 5, rngs=nnx.Rngs(0))
    with pytest.raises(InvalidAttentionError, match="give 4x2 patches, but there are positions"):
        module()(jnp.zeros((1, 8, 6, 3)))
