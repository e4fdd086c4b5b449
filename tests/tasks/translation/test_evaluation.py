import jax.numpy as jnp
import numpy as np
import pytest

from attnreport.analysis.alignment import alignment_error_rate
from attnreport.models.translator_decoding import translate_greedily
from attnreport.tasks.training import new_model
from attnreport.tasks.translation import evaluation
from attnreport.tasks.translation.batches import Languages
from attnreport.tasks.translation.corpus import make_corpus
from attnreport.tasks.translation.evaluation import measure, sentences_right, translate
from attnreport.tasks.translation.grammar import SentencePair
from attnreport.tasks.translation.task import TranslationTask

pytestmark = pytest.mark.usefixtures("compiled_quickly")


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


def test_batches_that_are_filled_up_change_nothing(monkeypatch, model, languages, pairs):
    monkeypatch.setattr(evaluation, "BATCH", 48)
    english = [pair.english for pair in pairs]
    found = translate(model, languages, english, 8, return_weights=True)
    source = jnp.asarray(languages.source.encode(english, 8))
    whole = translate_greedily(model, source, length=9, return_weights=True)
    assert np.array_equal(found.words, whole.words)
    np.testing.assert_allclose(found.weights, whole.weights, atol=1e-6)
    assert translate(model, languages, english, 8).weights is None


def test_a_sentence_is_right_only_if_every_word_and_its_end_are(model, languages, pairs):
    words = translate(model, languages, [pair.english for pair in pairs], 8).words
    written = [languages.target.decode(row) for row in words]
    # References made of what the model writes: all right, as far as it ends its sentences.
    own = [SentencePair(p.english, w[:7], ()) for p, w in zip(pairs, written, strict=True)]
    ends = np.array([len(each) < 8 for each in written])
    assert np.array_equal(sentences_right(model, languages, own, 8), ends)
    changed = [SentencePair(p.english, (*p.german[:-1], "fuchs"), ()) for p in own]
    assert not sentences_right(model, languages, changed, 8).any()


def test_quality_counts_words_sentences_and_links(model, languages, pairs):
    right = np.arange(len(pairs)) % 4 == 0
    quality = measure(model, languages, pairs, 8, right)
    assert quality.sentences == pytest.approx(0.25)
    assert 0 <= quality.words < 0.2
    assert 0.5 < quality.alignment_error <= 1
    # Short sentences run nearly in parallel, so the diagonal is much better than chance.
    assert quality.diagonal_error < 0.5 < quality.random_error < 1


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
