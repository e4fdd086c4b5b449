"""Generation with a cache, against one pass over prompt and output."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from attnreport import Generation, capture_attention, stitch_steps
from attnreport.models.language_generation import continue_greedily
from attnreport.models.transformer import LanguageModel, Transformer
from attnreport.models.transformer_decoding import write_greedily
from attnreport.models.transformer_layers import TransformerSizes
from attnreport.models.translator import Translator, TranslatorSizes
from attnreport.models.translator_decoding import translate_greedily

SIZES = TransformerSizes(features=16, heads=2, layers=2, feed_forward=32)
PROMPT = jnp.array([[3, 1, 4, 1], [5, 9, 2, 6]])
LENGTH = 5


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    found = LanguageModel(11, SIZES, rngs=nnx.Rngs(0))
    # Features of the word that was read would win every time, and one word be written for ever.
    for layer in found.decoder.layers:
        layer.down.kernel[...] *= 20
    return found


@pytest.fixture(scope="module")
def written(model):
    return continue_greedily(model, PROMPT, length=LENGTH)


def whole_text(words) -> jax.Array:
    return jnp.concatenate([PROMPT, words], axis=1)


def texts(words) -> list[list[str]]:
    return [[f"word {int(word)}" for word in row] for row in words]


def generations(words) -> list[Generation]:
    return [Generation(row) for row in texts(words)]


def assert_one_pass(recording, model, words, *, rows: int) -> None:
    """Every map has the weights of a pass over the whole text, which reads all at once."""
    expected = capture_attention(model, whole_text(words)[:, :rows])
    for found, one_pass in zip(recording.examples, expected.examples, strict=True):
        assert [m.name for m in found.maps] == [m.name for m in one_pass.maps]
        for attention, other in zip(found.maps, one_pass.maps, strict=True):
            assert attention.kind == "self"
            np.testing.assert_allclose(attention.array(), other.array(), atol=1e-6)


def test_words_and_logits_are_those_of_reading_everything_anew(model, written):
    text = PROMPT
    for step in range(LENGTH):
        logits = model(text)[:, -1]
        np.testing.assert_allclose(written.logits[:, step], logits, atol=1e-4)
        np.testing.assert_array_equal(written.words[:, step], logits.argmax(-1))
        text = jnp.concatenate([text, logits.argmax(-1)[:, None]], axis=1)
    assert len(set(np.asarray(written.words).ravel().tolist())) > 2


def test_one_word_needs_no_loop(model, written):
    one = continue_greedily(model, PROMPT, length=1)
    np.testing.assert_array_equal(one.words, written.words[:, :1])


def test_the_stitched_matrix_is_that_of_one_teacher_forced_pass(model, written):
    captured = capture_attention(continue_greedily, model, PROMPT, kwargs={"length": LENGTH})
    recording = stitch_steps(captured, texts(PROMPT), generations(written.words))
    assert_one_pass(recording, model, written.words, rows=PROMPT.shape[1] + LENGTH - 1)
    attention = recording.examples[1].maps[0]
    assert attention.first_step == PROMPT.shape[1] - 1
    assert attention.query.labels[:4] == ("word 5", "word 9", "word 2", "word 6")


def test_a_python_loop_over_compiled_steps_is_stitched(model, written):
    def generate(model, words):
        caches = model.decoder.empty_caches(2, 12)
        found = []
        for _ in range(LENGTH):
            logits, caches = model.decode(words, caches)
            words = logits[:, -1:].argmax(-1)
            found.append(words)
        return jnp.concatenate(found, axis=1)

    captured = capture_attention(generate, model, PROMPT)
    recording = stitch_steps(captured, texts(PROMPT), generations(written.words))
    assert_one_pass(recording, model, written.words, rows=PROMPT.shape[1] + LENGTH - 1)


def test_a_loop_that_feeds_the_prompt_token_by_token_is_stitched(model, written):
    """It also reads the last word, and its cache has room to spare."""
    total = PROMPT.shape[1] + LENGTH

    def generate(model, prompt):
        def go_on(state):
            return state[0] < total

        def step(state):
            number, caches, text = state
            logits, caches = model.decode(
                jax.lax.dynamic_slice_in_dim(text, number, 1, axis=1), caches
            )
            known = number + 1 < prompt.shape[1]
            following = jnp.where(known, text[:, number + 1], logits[:, 0].argmax(-1))
            return number + 1, caches, text.at[:, number + 1].set(following, mode="drop")

        empty = jnp.zeros((2, LENGTH), prompt.dtype)
        start = 0, model.decoder.empty_caches(2, total + 3), jnp.concatenate([prompt, empty], 1)
        return jax.lax.while_loop(go_on, step, start)[2]

    np.testing.assert_array_equal(generate(model, PROMPT), whole_text(written.words))
    captured = capture_attention(generate, model, PROMPT, steps=total)
    recording = stitch_steps(captured, texts(PROMPT), generations(written.words))
    assert_one_pass(recording, model, written.words, rows=total)


def test_keys_that_are_appended_are_stitched():
    """A loop without a cache of fixed size, as in plain Python: each step has one key more."""
    random = np.random.default_rng(0)
    query, key, value, embed = (
        jnp.asarray(random.normal(size=shape), jnp.float32)
        for shape in ((8, 2, 4), (8, 2, 4), (8, 2, 4), (11, 8))
    )

    def attend(queries, keys, values, mask):
        scores = jnp.einsum("bqhd,bkhd->bhqk", queries, keys) / 2
        return jnp.einsum("bhqk,bkhd->bqhd", jax.nn.softmax(jnp.where(mask, scores, -1e9)), values)

    def decode(queries, keys, values):
        before = keys.shape[1] - queries.shape[1]
        mask = jnp.tri(queries.shape[1], keys.shape[1], before, dtype=bool)
        return attend(queries, keys, values, mask)

    def generate(embed, tokens):
        keys = values = jnp.zeros((2, 0, 2, 4))
        found = []
        for step in (tokens[:, :3], tokens[:, 3:4], tokens[:, 4:5]):
            x = embed[step]
            keys = jnp.concatenate([keys, jnp.einsum("btm,mhd->bthd", x, key)], axis=1)
            values = jnp.concatenate([values, jnp.einsum("btm,mhd->bthd", x, value)], axis=1)
            found.append(decode(jnp.einsum("btm,mhd->bthd", x, query), keys, values))
        return jnp.concatenate(found, axis=1)

    tokens = jnp.array([[3, 1, 4, 1, 5], [9, 2, 6, 5, 3]])
    captured = capture_attention(generate, embed, tokens)
    recording = stitch_steps(captured, texts(tokens[:, :3]), generations(tokens[:, 3:]))
    for row, example in zip(np.asarray(tokens), recording.examples, strict=True):
        x = np.asarray(embed)[row]
        logits = np.einsum("qm,mhd,kn,nhd->hqk", x, query, x, key, optimize=True) / 2
        exponentials = np.where(np.tri(5, dtype=bool), np.exp(logits), 0)
        expected = exponentials / exponentials.sum(-1, keepdims=True)
        np.testing.assert_allclose(example.maps[0].array(), expected, atol=1e-6)


def test_the_rows_of_an_encoder_decoder_are_stitched_on_both_sides():
    model = Transformer(11, 12, SIZES, rngs=nnx.Rngs(1))
    model.target.words.embedding[...] *= 4
    words = write_greedily(model, PROMPT, length=LENGTH, end=99)
    captured = capture_attention(
        write_greedily,
        model,
        PROMPT,
        kwargs={"length": LENGTH, "end": 99},
        key_tokens=texts(PROMPT),
    )
    recording = stitch_steps(captured, [["<s>"], ["<s>"]], generations(words))
    start = jnp.full_like(words[:, :1], 1)
    before = jnp.concatenate([start, words[:, :-1]], axis=1)
    expected = capture_attention(model, PROMPT, before)
    for found, one_pass in zip(recording.examples, expected.examples, strict=True):
        for attention in found.maps:
            other = next(each for each in one_pass.maps if each.name == attention.name)
            np.testing.assert_allclose(attention.array(), other.array(), atol=1e-6)
            steps = None if "encoder" in attention.name else 0
            assert attention.first_step == steps, attention.name
        (self_map, cross) = found.maps[-2:]
        assert self_map.query == cross.query
        assert cross.key.labels == tuple(texts(PROMPT)[recording.examples.index(found)])


def test_the_recurrent_translator_has_a_row_for_each_word_that_it_writes():
    model = Translator(TranslatorSizes(11, 12, 8, 8, 8), rngs=nnx.Rngs(2))
    written = translate_greedily(model, PROMPT, length=LENGTH, return_weights=True)
    captured = capture_attention(
        translate_greedily, model, PROMPT, kwargs={"length": LENGTH}, key_tokens=texts(PROMPT)
    )
    recording = stitch_steps(captured, [], generations(written.words))
    for number, example in enumerate(recording.examples):
        (attention,) = example.maps
        assert (attention.first_step, attention.query.labels) == (0, example.generation.tokens)
        np.testing.assert_allclose(attention.head(0), written.weights[number], atol=1e-6)
