import dataclasses
import json

import jax.numpy as jnp
import numpy as np
import pytest

from attnreport.analysis.alignment import alignment_error_rate
from attnreport.capture.capture import capture_attention
from attnreport.tasks.training import new_model
from attnreport.tasks.translation import evaluation
from attnreport.tasks.translation.batches import Languages
from attnreport.tasks.translation.corpus import make_corpus
from attnreport.tasks.translation.evaluation import Quality, measure, sentences_right, translate
from attnreport.tasks.translation.grammar import SentencePair
from attnreport.tasks.translation.systems import looks, words_before, written
from attnreport.tasks.translation.task import TranslationTask


@pytest.fixture(scope="module")
def pairs(small_plan):
    return make_corpus(small_plan.corpus).test


@pytest.fixture(scope="module")
def languages(pairs) -> Languages:
    return Languages.of(pairs)


@pytest.fixture(scope="module")
def model(small_plan, languages):
    model = new_model(TranslationTask(small_plan, languages), 0)
    model.eval()
    return model


@pytest.fixture(scope="module")
def transformer(transformer_plan, languages):
    model = new_model(TranslationTask(transformer_plan, languages), 0)
    model.eval()
    return model


@pytest.mark.parametrize("kind", ["model", "transformer"])
def test_batches_that_are_filled_up_change_nothing(kind, monkeypatch, languages, pairs, request):
    model = request.getfixturevalue(kind)
    english = [pair.english for pair in pairs]
    source = jnp.asarray(languages.source.encode(english, 8))
    whole = np.asarray(written(model, source, 9))
    monkeypatch.setattr(evaluation, "BATCH", 48)
    assert np.array_equal(translate(model, languages, english, 8), whole)


@pytest.mark.parametrize("kind", ["model", "transformer"])
def test_what_a_model_writes_is_what_it_finds_likeliest_behind_it(kind, languages, pairs, request):
    """Decoding word by word, and one pass over the result, agree."""
    model = request.getfixturevalue(kind)
    source = jnp.asarray(languages.source.encode([pair.english for pair in pairs[:20]], 8))
    words = written(model, source, 9)
    likeliest, weights = looks(model, source, words)
    behind_end = np.asarray(words) == 0
    assert np.array_equal(np.where(behind_end, 0, likeliest), words)
    np.testing.assert_allclose(weights.sum(axis=-1), 1, atol=1e-5)


def test_a_sentence_is_right_only_if_every_word_and_its_end_are(model, languages, pairs):
    words = translate(model, languages, [pair.english for pair in pairs], 8)
    written = [languages.target.decode(row) for row in words]
    # References made of what the model writes: all right, as far as it ends its sentences.
    own = [SentencePair(p.english, w[:7], ()) for p, w in zip(pairs, written, strict=True)]
    ends = np.array([len(each) < 8 for each in written])
    assert np.array_equal(sentences_right(model, languages, own, 8), ends)
    changed = [SentencePair(p.english, (*p.german[:-1], "fuchs"), ()) for p in own]
    assert not sentences_right(model, languages, changed, 8).any()


def test_quality_counts_words_sentences_and_links(model, languages, pairs):
    right = np.arange(len(pairs)) % 4 == 0
    quality = measure(model, languages, validation=pairs, test=pairs, width=8, right=right)
    assert quality.sentences == pytest.approx(0.25)
    assert 0 <= quality.words < 0.2
    found = quality.alignment
    assert 0.5 < found.error <= 1
    assert found.heads == ((found.error,),)
    assert (found.layer, found.head, found.mean_error) == (0, 0, found.error)
    # Short sentences run nearly in parallel, so the diagonal is much better than chance.
    assert found.diagonal_error < 0.5 < found.random_error < 1


def test_without_links_there_is_no_error_rate(model, languages, pairs):
    unlinked = [dataclasses.replace(p, links=((),) * len(p.german)) for p in pairs]
    right = np.zeros(len(pairs), dtype=bool)
    quality = measure(model, languages, validation=unlinked, test=unlinked, width=8, right=right)
    assert quality.alignment is None
    assert Quality.of(json.loads(json.dumps(dataclasses.asdict(quality)))) == quality


def test_quality_passes_through_json(transformer, languages, pairs):
    right = np.zeros(len(pairs), dtype=bool)
    quality = measure(transformer, languages, validation=pairs, test=pairs, width=8, right=right)
    assert Quality.of(json.loads(json.dumps(dataclasses.asdict(quality)))) == quality
    assert np.shape(quality.alignment.heads) == (2, 2)


def test_weights_of_all_heads_are_those_that_the_layers_compute(transformer, languages, pairs):
    """Read through `nnx.capture`, and found by the engine that knows nothing of the modules."""
    batch = languages.batch(pairs[:3], 8)
    _, weights = looks(transformer, jnp.asarray(batch.source), jnp.asarray(batch.target))
    before = words_before(jnp.asarray(batch.target))
    captured = capture_attention(transformer, jnp.asarray(batch.source), before, kinds=["cross"])
    for number, example in enumerate(captured.examples):
        found = np.stack([each.array() for each in example.maps])
        np.testing.assert_allclose(found, weights[number], atol=1e-6)


def test_the_head_is_chosen_on_other_sentences_than_it_is_measured_on(pairs):
    references = evaluation.references_of(pairs)
    right = [reference.astype(np.float32) for reference in references]
    wrong = [1 - each for each in right]
    # Two layers of two heads; only the second head of the second layer is right.
    looked = [np.stack([[w, w], [w, r]]) for w, r in zip(wrong, right, strict=True)]
    errors = evaluation.head_errors(looked, references)
    # One link a row, where some rows have several.
    assert errors[1, 1] < 0.1 < errors[0, 0]
    found = evaluation.measure_alignment(errors, looked, references)
    assert (found.layer, found.head, found.error) == (1, 1, errors[1, 1])
    assert found.mean_error == pytest.approx(errors.mean())
    misled = evaluation.measure_alignment(-errors, looked, references)
    assert (misled.layer, misled.head) == (0, 0)
    assert misled.error == errors[0, 0]


def test_a_reading_has_the_sizes_of_the_sentences(transformer, languages, pairs):
    reading = evaluation.read(transformer, languages, pairs, 8)
    assert len(reading.looks) == len(reading.right) == len(pairs)
    for pair, weights, right in zip(pairs, *reading[::-1], strict=True):
        queries = len(pair.german) + 1
        assert weights.shape == (2, 2, queries, len(pair.english) + 1)
        assert right.shape == (queries,)
        np.testing.assert_allclose(weights.sum(axis=-1), 1, atol=1e-5)


def test_the_error_of_chance_is_that_of_many_random_draws(pairs):
    references = [pair.alignment() for pair in pairs[:30]]
    random = np.random.default_rng(0)
    drawn = [
        np.mean(
            [
                alignment_error_rate(
                    np.eye(r.shape[1])[random.integers(r.shape[1], size=len(r))], r
                )
                for _ in range(200)
            ]
        )
        for r in references
    ]
    expected = [evaluation._random_error([reference]) for reference in references]
    np.testing.assert_allclose(np.mean(expected), np.mean(drawn), atol=0.01)


def test_the_diagonal_runs_from_corner_to_corner():
    weights, _ = evaluation._diagonal(np.ones((3, 5), dtype=bool))
    assert weights.argmax(axis=1).tolist() == [0, 2, 4]
    one, _ = evaluation._diagonal(np.ones((1, 4), dtype=bool))
    assert one.argmax(axis=1).tolist() == [0]
