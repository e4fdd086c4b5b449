"""Transformers against equations written out in NumPy, and against themselves step by step."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from attnreport import capture_attention
from attnreport.models import LanguageModel, TextEncoder, Transformer, TransformerSizes
from attnreport.models.transformer import PADDING
from attnreport.models.transformer_decoding import write_greedily
from attnreport.models.transformer_layers import TransformerLayer, TransformerStack, sinusoids
from tests.nn.family import drawn
from tests.nn.slow import exact, numbers

SIZES = TransformerSizes(features=8, heads=2, layers=2, feed_forward=12)
SOURCE = jnp.array([[5, 3, 4, 2, 6], [7, 2, PADDING, PADDING, PADDING]])
BEFORE = jnp.array([[1, 4, 4, 5], [1, 6, 3, PADDING]])


@pytest.fixture(scope="module")
def model() -> Transformer:
    return drawn(lambda **options: Transformer(9, 7, SIZES, **options))


@nnx.jit
def computed(model, *inputs):
    """What a model computes, compiled as a whole: one compilation, not one an operation."""
    return model(*inputs)


def normalized(x, norm):
    centered = x - x.mean(-1, keepdims=True)
    scaled = centered / np.sqrt((centered**2).mean(-1, keepdims=True) + 1e-6)
    return scaled * exact(norm.scale) + exact(norm.bias)


def slow_heads(module, x, memory, seen):
    """One head, one query at a time."""
    out = np.zeros_like(x) + exact(module.out.bias)
    for head in range(SIZES.heads):
        query, key, value = (
            given @ exact(part.kernel)[:, head] + exact(part.bias)[head]
            for given, part in ((x, module.query), (memory, module.key), (memory, module.value))
        )
        for place in range(len(x)):
            logits = key[seen[place]] @ query[place] / math.sqrt(query.shape[-1])
            weights = np.exp(logits) / np.exp(logits).sum()
            out[place] += weights @ value[seen[place]] @ exact(module.out.kernel)[head]
    return out


def slow_layer(layer, x, memory):
    causal = np.tri(len(x), dtype=bool)
    whole = np.ones((len(x), len(memory)), bool)
    inner = normalized(x, layer.attention_norm)
    x = x + slow_heads(layer.attention, inner, inner, causal)
    x = x + slow_heads(layer.cross_attention, normalized(x, layer.cross_norm), memory, whole)
    inner = normalized(x, layer.feed_forward_norm) @ exact(layer.up.kernel) + exact(layer.up.bias)
    cubes = inner + 0.044715 * inner**3
    inner = inner * 0.5 * (1 + np.tanh(math.sqrt(2 / math.pi) * cubes))
    return x + inner @ exact(layer.down.kernel) + exact(layer.down.bias)


def test_a_layer_computes_what_the_papers_say():
    layer = drawn(lambda **options: TransformerLayer(SIZES, cross=True, **options))
    x, memory = numbers(1, 4, 8), numbers(1, 3, 8, seed=1)
    found = layer(x, jnp.tri(4, dtype=bool), memory)
    expected = slow_layer(layer, x[0].astype(np.float64), memory[0].astype(np.float64))
    np.testing.assert_allclose(found[0], expected, atol=1e-4)


def test_a_stack_is_its_layers_and_a_normalization():
    stack = drawn(lambda **options: TransformerStack(SIZES, causal=True, **options))
    x = numbers(2, 4, 8)
    expected = x
    for layer in stack.layers:
        expected = layer(expected, jnp.tri(4, dtype=bool))
    np.testing.assert_allclose(stack(x), stack.norm(expected), atol=1e-5)


def test_sinusoids_are_those_of_the_paper():
    found = sinusoids(jnp.arange(3), 4)
    for position in range(3):
        for i in range(2):
            angle = position / 10_000 ** (2 * i / 4)
            assert found[position, 2 * i] == pytest.approx(math.sin(angle), abs=1e-6)
            assert found[position, 2 * i + 1] == pytest.approx(math.cos(angle), abs=1e-6)


def test_a_word_does_not_depend_on_those_after_it(model):
    other = BEFORE.at[:, 2:].set(6)
    first, second = computed(model, SOURCE, BEFORE), computed(model, SOURCE, other)
    np.testing.assert_allclose(first[:, :2], second[:, :2], atol=1e-5)
    assert abs(first[:, 2:] - second[:, 2:]).max() > 0.01


def test_padding_of_the_source_changes_nothing(model):
    longer = jnp.pad(SOURCE, ((0, 0), (0, 3)), constant_values=PADDING)
    found = computed(model, longer, BEFORE)
    np.testing.assert_allclose(computed(model, SOURCE, BEFORE), found, atol=1e-5)


def test_decoding_word_by_word_gives_what_a_whole_sentence_gives(model):
    whole = computed(model, SOURCE, BEFORE)
    memory, real = model.encode(SOURCE), SOURCE != PADDING
    caches = model.decoder.empty_caches(2, 4)
    # A beginning at once, and then one word after the other.
    first, caches = model.decode(BEFORE[:, :2], caches, memory, real)
    np.testing.assert_allclose(first, whole[:, :2], atol=1e-4)
    for place in (2, 3):
        each, caches = model.decode(BEFORE[:, place : place + 1], caches, memory, real)
        np.testing.assert_allclose(each[:, 0], whole[:, place], atol=1e-4)


def test_a_language_model_decodes_what_it_scores():
    model = drawn(lambda **options: LanguageModel(9, SIZES, **options))
    whole = computed(model, SOURCE)

    def step(caches, word):
        logits, caches = model.decode(word[:, None], caches)
        return caches, logits[:, 0]

    _, steps = jax.lax.scan(step, model.decoder.empty_caches(2, 5), SOURCE.T)
    np.testing.assert_allclose(jnp.swapaxes(steps, 0, 1), whole, atol=1e-4)


def test_a_text_encoder_sees_all_real_words():
    model = drawn(lambda **options: TextEncoder(9, SIZES, **options))
    other = SOURCE.at[0, 4].set(8)
    assert abs(computed(model, SOURCE)[0, 0] - computed(model, other)[0, 0]).max() > 1e-3
    longer = jnp.pad(SOURCE, ((0, 0), (0, 2)), constant_values=PADDING)
    found = computed(model, longer)[1, :2]
    np.testing.assert_allclose(computed(model, SOURCE)[1, :2], found, atol=1e-5)


def test_every_attention_is_captured_under_its_path(model):
    recording = capture_attention(model, SOURCE, BEFORE)
    kinds = {each.name: each.kind for each in recording.examples[0].maps}
    assert kinds == {
        **{f"encoder.layers.{n}.attention": "self" for n in range(2)},
        **{f"decoder.layers.{n}.attention": "self" for n in range(2)},
        **{f"decoder.layers.{n}.cross_attention": "cross" for n in range(2)},
    }
    found = {each.name: each for each in recording.examples[1].maps}
    cross = found["decoder.layers.1.cross_attention"]
    assert np.asarray(cross.array())[..., 2:].max() == 0


@pytest.fixture(scope="module")
def gradients(model):
    graph, parameters, rest = nnx.split(model, nnx.Param, ...)

    def loss(parameters):
        logits = nnx.merge(graph, parameters, rest)(SOURCE, BEFORE)
        return jnp.sin(logits + jnp.arange(7)).sum()

    return jax.jit(jax.grad(loss))(parameters)


@pytest.mark.parametrize("part", ["source", "target", "encoder", "decoder"])
def test_gradients_reach_every_parameter(gradients, part):
    leaves = jax.tree.leaves(gradients[part])
    assert all(np.isfinite(leaf).all() and np.abs(leaf).max() > 0 for leaf in leaves)


def test_dropout_acts_in_training_only():
    sizes = TransformerSizes(features=8, heads=2, layers=1, feed_forward=12, dropout=0.5)
    model = LanguageModel(9, sizes, rngs=nnx.Rngs(0))
    assert not np.allclose(model(SOURCE), model(SOURCE))
    model.eval()
    assert np.array_equal(model(SOURCE), model(SOURCE))


def test_in_bfloat16_it_computes_in_bfloat16():
    model = LanguageModel(9, SIZES, dtype=jnp.bfloat16, rngs=nnx.Rngs(0))
    assert model(SOURCE).dtype == jnp.bfloat16


@pytest.mark.parametrize("end_of_first", [None, 2])
def test_greedy_words_are_the_likeliest_up_to_the_end(model, end_of_first):
    """Written with caches, and scored in one pass."""
    words = write_greedily(model, SOURCE, length=6, end=-1)
    # A word that it wrote stands for the end marker now.
    end = -1 if end_of_first is None else int(words[0, end_of_first])
    words = write_greedily(model, SOURCE, length=6, end=end)
    before = jnp.concatenate([jnp.ones((2, 1), words.dtype), words[:, :-1]], axis=1)
    logits = computed(model, SOURCE, before).at[..., :2].set(-jnp.inf)
    ended = jnp.cumsum(before == end, axis=1) > 0
    assert np.array_equal(words, jnp.where(ended, PADDING, logits.argmax(axis=-1)))
    assert (end_of_first is None) == (not ended[0].any())
