import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from attnreport._errors import UnknownNameError
from attnreport.models import (
    Translator,
    TranslatorSizes,
    translate_greedily,
    translate_with_beam,
)
from attnreport.models.looking import ATTENTIONS, BASELINE
from attnreport.models.translator import END, PADDING, START, Encoded

SIZES = TranslatorSizes(source_words=20, target_words=9, embedding=6, hidden=5, scoring=7)
LENGTH = 6


@pytest.fixture(scope="module")
def model() -> Translator:
    """A translator with random parameters, sure enough of its words to end some sentences."""
    model = nnx.jit(lambda: Translator(SIZES, rngs=nnx.Rngs(3)))()
    model.decoder.word.kernel[...] *= 3
    model.decoder.word.bias[...] = jnp.zeros(9).at[END].set(0.5)
    model.eval()
    return model


@pytest.fixture(scope="module")
def source() -> jax.Array:
    words = np.random.default_rng(0).integers(4, 20, (6, 7))
    for row, length in enumerate((7, 3, 5, 2, 6, 4)):
        words[row, length - 1] = END
        words[row, length:] = PADDING
    return jnp.asarray(words)


forced = nnx.jit(lambda model, source, target: model(source, target, return_weights=True))


def log_probabilities(model, source, target) -> np.ndarray:
    """Of each word of `target`, given those before it; 0 for padding."""
    logits, _ = forced(model, source, target)
    scores = jax.nn.log_softmax(logits)
    chosen = jnp.take_along_axis(scores, target[..., None], axis=-1)[..., 0]
    return np.asarray(jnp.where(target == PADDING, 0.0, chosen))


def slow_step(model: Translator, encoded: Encoded, state, previous: int):
    """One step for one sentence, by Bahdanau et al. (2015), equations 4 to 6 and appendix A.2."""

    def array(variable):
        return np.asarray(variable[...], np.float64)

    def sigmoid(value):
        return 1 / (1 + np.exp(-value))

    decoder = model.decoder
    attention, unit = decoder.attention.score, decoder.unit
    annotations = np.asarray(encoded.annotations[0], np.float64)
    energies = []
    for annotation in annotations[np.asarray(encoded.real[0])]:
        seen = annotation @ array(attention.key.kernel) + array(attention.key.bias)
        looking = state @ array(attention.query.kernel)
        energies.append(np.tanh(looking + seen) @ array(attention.score.kernel)[:, 0])
    weights = np.exp(energies) / np.exp(energies).sum()
    context = sum(w * h for w, h in zip(weights, annotations, strict=False))
    word = array(decoder.embedding.embedding)[previous]
    given = word @ array(unit.inputs.kernel) + array(unit.inputs.bias)
    given = np.split(given + context @ array(decoder.context.kernel), 3)
    kept = np.split(state @ array(unit.recurrent.kernel), 3)
    reset, update = sigmoid(given[0] + kept[0]), sigmoid(given[1] + kept[1])
    state = (1 - update) * np.tanh(given[2] + reset * kept[2]) + update * state
    together = np.concatenate([state, word, context])
    pairs = together @ array(decoder.maxout.kernel) + array(decoder.maxout.bias)
    best = np.maximum(pairs[0::2], pairs[1::2])
    logits = best @ array(decoder.word.kernel) + array(decoder.word.bias)
    return state, logits, weights


def test_each_step_computes_the_equations_of_the_paper(model, source):
    one, target = source[1:2], jnp.array([[5, 8, 4, END]])
    logits, weights = forced(model, one, target)
    encoded = model.encode(one)
    state = np.asarray(encoded.state[0], np.float64)
    for place, previous in enumerate([START, 5, 8, 4]):
        state, expected, expected_weights = slow_step(model, encoded, state, previous)
        np.testing.assert_allclose(logits[0, place], expected, atol=1e-4)
        np.testing.assert_allclose(weights[0, place, :3], expected_weights, atol=1e-5)
        assert (weights[0, place, 3:] == 0).all()


def test_a_word_does_not_depend_on_what_is_written_after_it(model, source):
    first = jnp.array([[5, 8, 4, 7]] * 6)
    second = first.at[:, 2:].set(3)
    for one, other in zip(forced(model, source, first), forced(model, source, second), strict=True):
        np.testing.assert_allclose(one[:, :3], other[:, :3], atol=1e-6)


def test_teacher_forcing_agrees_with_writing_word_by_word(model, source):
    written = translate_greedily(model, source, length=LENGTH, return_weights=True)
    logits, weights = forced(model, source, written.words)
    np.testing.assert_allclose(
        written.log_probabilities, log_probabilities(model, source, written.words), atol=1e-5
    )
    real = np.asarray(written.words) != PADDING
    np.testing.assert_allclose(np.asarray(written.weights)[real], weights[real], atol=1e-6)
    allowed = np.asarray(logits).copy()
    allowed[..., [PADDING, START]] = -np.inf
    assert np.array_equal(allowed.argmax(axis=-1)[real], np.asarray(written.words)[real])


def test_after_the_end_come_padding_and_rows_of_zeros(model, source):
    written = translate_greedily(model, source, length=LENGTH, return_weights=True)
    words, weights = np.asarray(written.words), np.asarray(written.weights)
    ended = [row for row in words.tolist() if END in row[:-1]]
    assert ended
    assert all(set(row[row.index(END) + 1 :]) == {PADDING} for row in ended)
    assert (weights[words == PADDING] == 0).all()
    np.testing.assert_allclose(weights[words != PADDING].sum(axis=-1), 1, atol=1e-6)
    assert START not in words


def test_padding_of_the_source_changes_nothing(model, source):
    padded = jnp.pad(source, ((0, 0), (0, 4)), constant_values=PADDING)
    narrow, wide = (
        translate_greedily(model, one, length=LENGTH, return_weights=True)
        for one in (source, padded)
    )
    assert np.array_equal(narrow.words, wide.words)
    np.testing.assert_allclose(narrow.log_probabilities, wide.log_probabilities, atol=1e-5)
    np.testing.assert_allclose(narrow.weights, wide.weights[:, :, :7], atol=1e-6)
    assert (wide.weights[:, :, 7:] == 0).all()


def test_a_sentence_is_translated_alike_alone_and_in_a_batch(model, source):
    together = translate_greedily(model, source, length=LENGTH)
    alone = translate_greedily(model, source[1:2, :3], length=LENGTH)
    assert np.array_equal(together.words[1], alone.words[0])


def test_a_beam_of_one_is_greedy(model, source):
    greedy = translate_greedily(model, source, length=LENGTH, return_weights=True)
    beam = translate_with_beam(model, source, length=LENGTH, width=1)
    assert np.array_equal(greedy.words, beam.words[:, 0])
    np.testing.assert_allclose(greedy.log_probabilities, beam.log_probabilities[:, 0], atol=1e-5)
    np.testing.assert_allclose(greedy.weights, beam.weights[:, 0], atol=1e-6)


def test_a_wider_beam_finds_likelier_sentences(model, source):
    """On average: of one sentence, a wider beam may still drop the best beginning."""
    totals = [
        np.asarray(translate_with_beam(model, source, length=LENGTH, width=width).log_probabilities)
        .sum(axis=-1)
        .max(axis=-1)
        .mean()
        for width in (1, 3, 8)
    ]
    assert totals[1] >= totals[0] - 1e-5
    assert totals[2] >= totals[1] - 1e-5
    assert (totals[2] > totals[0] + 1e-3).any()


def test_a_beam_that_drops_nothing_finds_the_likeliest_of_all_sentences(model, source):
    # Beginnings of one and two words: no beam of 64 has to drop any.
    beam = translate_with_beam(model, source[:2], length=3, width=64)
    words = [word for word in range(9) if word not in (PADDING, START)]
    for row in range(2):
        sentences = {
            (*itertools.takewhile(lambda word: word != END, words), END)[:3]
            for words in itertools.product(words, repeat=3)
        }
        target = jnp.array([(*s, *[PADDING] * (3 - len(s))) for s in sorted(sentences)])
        rows = jnp.repeat(source[row : row + 1], len(target), axis=0)
        totals = log_probabilities(model, rows, target).sum(axis=-1)
        assert np.array_equal(beam.words[row, 0], target[totals.argmax()])
        np.testing.assert_allclose(
            np.sort(totals)[::-1][:20], beam.log_probabilities[row].sum(axis=-1)[:20], atol=1e-4
        )


def test_hypotheses_are_told_apart_sorted_and_scored_as_the_model_scores_them(model, source):
    beam = translate_with_beam(model, source, length=LENGTH, width=4)
    totals = np.asarray(beam.log_probabilities).sum(axis=-1)
    assert (np.diff(totals, axis=1) <= 1e-6).all()
    assert all(len({tuple(s) for s in row}) == 4 for row in np.asarray(beam.words).tolist())
    for hypothesis in range(4):
        target = beam.words[:, hypothesis]
        expected = log_probabilities(model, source, target)
        np.testing.assert_allclose(beam.log_probabilities[:, hypothesis], expected, atol=1e-4)
        _, weights = forced(model, source, target)
        real = np.asarray(target) != PADDING
        np.testing.assert_allclose(beam.weights[:, hypothesis][real], weights[real], atol=1e-5)


def test_captured_weights_are_the_returned_ones(model, source):
    target = jnp.array([[5, 8, 4, END]] * 6)
    _, weights = forced(model, source, target)
    _, stored = nnx.capture(model, nnx.Intermediate)(source, target)
    (found,) = stored["decoder"]["attention"]["attention_weights"].get_value()
    np.testing.assert_allclose(found[:, 0], weights, atol=1e-6)


def test_weights_are_captured_out_of_compiled_decoding(model, source):
    written = translate_greedily(model, source, length=LENGTH, return_weights=True)

    def translate(model, source):
        return translate_greedily(model, source, length=LENGTH)

    result, stored = nnx.capture(translate, nnx.Intermediate)(model, source)
    attention = stored["decoder"]["attention"]
    (found,), (mask,) = (
        attention[name].get_value() for name in ("attention_weights", "attention_mask")
    )
    assert result.weights is None
    assert np.array_equal(result.words, written.words)
    np.testing.assert_allclose(found[:, 0], written.weights, atol=1e-6)
    np.testing.assert_allclose(found.sum(axis=-1), mask.any(axis=-1), atol=1e-6)


def test_time_is_a_loop_of_the_compiler_not_of_python(model, source):
    graph, state = nnx.split(model)

    def operations(width, length):
        target = jnp.full((6, length), 5)
        wide = jnp.pad(source, ((0, 0), (0, width - 7)))
        ways = (
            lambda model: model(wide, target),
            lambda model: translate_greedily(model, wide, length=length),
            lambda model: translate_with_beam(model, wide, length=length, width=2),
        )
        traced = [
            jax.make_jaxpr(lambda state, f=f: f(nnx.merge(graph, state)))(state) for f in ways
        ]
        return [str(one).count(" = ") for one in traced]

    assert operations(8, 4) == operations(16, 12)


def test_dropout_acts_in_training_only(source):
    sizes = TranslatorSizes(20, 9, 6, 5, 7, dropout=0.5)
    model = nnx.jit(lambda: Translator(sizes, rngs=nnx.Rngs(params=0, dropout=1)))()
    target = jnp.array([[5, 8, 4, END]] * 6)
    model.eval()
    assert np.array_equal(*(forced(model, source, target)[0] for _ in range(2)))
    model.train()
    assert not np.allclose(*(forced(model, source, target)[0] for _ in range(2)))


@pytest.fixture(
    scope="module", params=[*(name for name in ATTENTIONS if name != "additive"), BASELINE]
)
def other(request) -> Translator:
    sizes = dataclasses.replace(SIZES, attention=request.param, reach=1)
    model = nnx.jit(lambda: Translator(sizes, rngs=nnx.Rngs(3)))()
    model.decoder.word.kernel[...] *= 3
    model.eval()
    return model


def test_every_attention_writes_what_it_scores(other, source):
    """Greedy words are the likeliest under teacher forcing, with the same weights."""
    written = translate_greedily(other, source, length=LENGTH, return_weights=True)
    logits, weights = forced(other, source, written.words)
    never = jnp.zeros(9).at[jnp.array([PADDING, START])].set(-jnp.inf)
    real = np.asarray(written.words) != PADDING
    assert np.array_equal((logits + never).argmax(axis=-1)[real], written.words[real])
    np.testing.assert_allclose(np.asarray(weights)[real], written.weights[real], atol=1e-5)
    assert (np.asarray(weights)[source[:, None].repeat(LENGTH, 1) == PADDING] == 0).all()


def test_every_attention_is_found_by_a_beam_of_one(other, source):
    one = translate_with_beam(other, source, length=LENGTH, width=1)
    greedy = translate_greedily(other, source, length=LENGTH, return_weights=True)
    assert np.array_equal(one.words[:, 0], greedy.words)
    np.testing.assert_allclose(one.weights[:, 0], greedy.weights, atol=1e-5)


def test_local_attention_looks_around_its_place(source):
    sizes = dataclasses.replace(SIZES, attention="local-m", reach=1)
    model = nnx.jit(lambda: Translator(sizes, rngs=nnx.Rngs(3)))()
    _, weights = forced(model, source[:1], jnp.array([[5, 8, 4, 7, 3]]))
    seen = np.asarray(weights[0] > 0)
    assert seen.tolist() == [[abs(key - query) <= 1 for key in range(7)] for query in range(5)]


def test_dot_compares_states_with_annotations_as_they_are():
    sizes = dataclasses.replace(SIZES, attention="dot")
    model = nnx.eval_shape(lambda: Translator(sizes, rngs=nnx.Rngs(3)))
    assert (sizes.state, sizes.annotation) == (10, 10)
    assert not jax.tree.leaves(nnx.state(model.decoder.attention, nnx.Param))


def test_an_unknown_attention_is_refused():
    sizes = dataclasses.replace(SIZES, attention="soft")
    with pytest.raises(UnknownNameError, match=r"no attention 'soft'\. Choose one of additive"):
        Translator(sizes, rngs=nnx.Rngs(0))
