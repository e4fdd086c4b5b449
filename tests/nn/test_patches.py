import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from attnreport._errors import InvalidAttentionError
from attnreport.nn import PatchEmbedding
from tests.nn.family import drawn
from tests.nn.slow import exact, numbers

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
    assert isinstance(embedding.projection, nnx.Conv)
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
    assert isinstance(ours.projection, nnx.Conv)
    ours.projection.kernel[...] = projection["kernel"]
    assert ours.projection.bias is not None
    ours.projection.bias[...] = projection["bias"]
    ours.positions[...] = parameters["position_embeddings"][0]
    assert ours.class_token is not None
    ours.class_token[...] = parameters["cls_token"][0]
    expected = theirs.apply({"params": parameters}, images)
    np.testing.assert_allclose(ours(images), np.asarray(expected), atol=1e-5)


def stemmed(stem=(6, 7), size=8, **options) -> PatchEmbedding:
    patch = 2 ** len(stem)
    return drawn(PatchEmbedding, image_size=(size, size), patch_size=(patch, patch), in_features=3,
                 features=5, stem=stem, **options)  # fmt: skip


def slow_stem(stem, image: np.ndarray) -> np.ndarray:
    """Features of the patches of an image: one place, and one product, at a time."""
    for number, (convolution, norm) in enumerate(zip(stem.convolutions, stem.norms, strict=True)):
        kernel = exact(convolution.kernel)
        above = 1 if number + 1 < len(stem.convolutions) else 0
        after = np.zeros((image.shape[0] // 2, image.shape[1] // 2, kernel.shape[-1]))
        for row, column in np.ndindex(after.shape[:2]):
            for i, j in np.ndindex(3, 3):
                y, x = 2 * row + i - above, 2 * column + j - above
                if 0 <= y < image.shape[0] and 0 <= x < image.shape[1]:
                    after[row, column] += image[y, x] @ kernel[i, j]
            place = after[row, column]
            place = (place - place.mean()) / np.sqrt(place.var() + norm.epsilon)
            after[row, column] = np.maximum(0, place * exact(norm.scale) + exact(norm.bias))
        image = after
    return image @ exact(stem.projection.kernel) + exact(stem.projection.bias)


@pytest.mark.parametrize("stem", [(6,), (6, 7), (4, 5, 6)])
def test_a_stem_is_convolutions_that_halve_and_a_projection(stem):
    embedding = stemmed(stem, registers=2)
    images = numbers(2, 8, 8, 3)
    found = embedding(jnp.asarray(images))
    positions = exact(embedding.positions)[1:]
    expected = [slow_stem(embedding.projection, image).reshape(-1, 5) for image in images]
    np.testing.assert_allclose(found[:, 3:], expected + positions, atol=1e-4)
    assert embedding.grid == (8 // 2 ** len(stem),) * 2
    assert embedding.class_token is not None
    classes = exact(embedding.class_token)[0] + exact(embedding.positions)[0]
    np.testing.assert_allclose(found[:, 0], [classes, classes], atol=1e-6)


@pytest.mark.parametrize("stem", [(6,), (6, 7), (4, 5, 6)])
def test_a_patch_with_a_stem_depends_on_little_around_it(stem):
    patch = 2 ** len(stem)
    embedding = stemmed(stem, 4 * patch, class_token=False)
    image = jnp.asarray(numbers(4 * patch, 4 * patch, 3))

    def second_of_third_row(image):
        return embedding(image[None])[0, 2 * 4 + 1]

    seen = np.abs(jax.jacobian(second_of_third_row)(image)).sum(axis=(0, 3)) > 0
    before, behind = patch // 2 - 1, patch // 2
    expected = np.zeros(seen.shape, bool)
    expected[2 * patch - before : 3 * patch + behind, patch - before : 2 * patch + behind] = True
    assert not (seen & ~expected).any()
    # ReLU may shut off some of it, but not a whole border.
    assert (seen.any(axis=1) == expected.any(axis=1)).all()
    assert (seen.any(axis=0) == expected.any(axis=0)).all()


def test_in_bfloat16_tokens_are_too():
    images = jnp.asarray(IMAGES, jnp.bfloat16)
    assert module(dtype=jnp.bfloat16, registers=1)(images).dtype == jnp.bfloat16
    rngs = nnx.Rngs(0)
    early = PatchEmbedding((4, 6), (2, 2), 3, 5, stem=(4,), dtype=jnp.bfloat16, rngs=rngs)
    assert early(images).dtype == jnp.bfloat16


def test_images_that_do_not_fit_are_refused():
    with pytest.raises(InvalidAttentionError, match="4x7 cannot be cut into patches of 2x3"):
        PatchEmbedding((4, 7), (2, 3), 3, 5, rngs=nnx.Rngs(0))
    with pytest.raises(InvalidAttentionError, match="give 4x4 patches, but there are positions"):
        stemmed()(jnp.zeros((1, 16, 16, 3)))
    with pytest.raises(InvalidAttentionError, match="give 4x2 patches, but there are positions"):
        module()(jnp.zeros((1, 8, 6, 3)))


@pytest.mark.parametrize("patch", [(2, 2), (8, 8), (4, 8), (3, 3)])
def test_a_stem_that_does_not_halve_to_the_patch_is_refused(patch):
    found = f"2 convolutions.* makes patches of 4x4, .* to be {patch[0]}x{patch[1]}"
    with pytest.raises(InvalidAttentionError, match=found):
        PatchEmbedding((24, 24), patch, 3, 5, stem=(4, 4), rngs=nnx.Rngs(0))
