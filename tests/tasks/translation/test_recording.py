import dataclasses

import numpy as np
import pytest

from attnreport.recording import Recording, TokenAxis
from attnreport.tasks.training import new_model
from attnreport.tasks.translation import record_translation
from attnreport.tasks.translation.batches import Languages
from attnreport.tasks.translation.corpus import make_corpus
from attnreport.tasks.translation.evaluation import Quality, translate
from attnreport.tasks.translation.grammar import SentencePair
from attnreport.tasks.translation.vocabulary import END_MARKER

pytestmark = pytest.mark.usefixtures("compiled_quickly")

QUALITY = Quality(0.96, 0.99, 0.07, 0.4, 0.9)


@pytest.fixture(scope="module")
def trained(small_plan) -> TrainedTranslator:
    """A model that was not trained, and sentences some of which it takes for right."""
    corpus = make_corpus(dataclasses.replace(small_plan.corpus, longest=9))
    plan = dataclasses.replace(small_plan, corpus=dataclasses.replace(small_plan.corpus, longest=9))
    languages = Languages.of(corpus.train)
    model = new_model(translator_sizes(plan, languages), 0)
    # Makes it end its sentences at some time.
    model.decoder.word.kernel[...] *= 8
    model.decoder.word.bias[...] = model.decoder.word.bias[...].at[2].set(2.0)
    model.eval()
    english = [pair.english for pair in corpus.test]
    words = translate(model, languages, english, plan.width).words
    written = [languages.target.decode(row) for row in words]
    pair, own = next(
        (pair, own) for pair, own in zip(corpus.test, written, strict=True) if 1 < len(own) < 9
    )
    right = SentencePair(pair.english, own, tuple((i % 3,) for i in range(len(own))))
    wrong = next(p for p, own in zip(corpus.test, written, strict=True) if p.german != own)
    return TrainedTranslator(plan, model, languages, QUALITY, (right, wrong), [(0.9, 12.3)], 1)


@pytest.fixture(scope="module")
def recording(trained) -> Recording:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(translation, "trained_translator", lambda plan, **_: trained)
        return record_translation()


def test_the_fox_comes_first(recording):
    fox = recording.examples[0]
    assert fox.name == fox.input == "the quick brown fox jumps over the lazy dog"
    assert fox.target == "der schnelle braune fuchs springt über den faulen hund"
    assert len(recording.examples) == 3


def test_axes_are_the_words_with_their_end_markers(recording, trained):
    for example in recording.examples:
        (attention,) = example.maps
        for axis in (attention.query, attention.key):
            assert isinstance(axis, TokenAxis)
        assert attention.key.labels[:-1] == tuple(example.input.replace("?", " ?").split())
        assert attention.key.special == (len(attention.key) - 1,)
        assert attention.key.labels[-1] == END_MARKER
    right = recording.examples[1].maps[0]
    assert right.query.labels == (*trained.examples[0].german, END_MARKER)
    assert right.query.special == (len(right.query) - 1,)


def test_a_right_translation_has_its_links_and_an_error_rate(recording, trained):
    right = recording.examples[1]
    assert np.array_equal(right.maps[0].reference, trained.examples[0].alignment())
    assert right.output == right.target
    assert set(right.scores) == {"AER"}
    assert 0 <= right.scores["AER"] <= 1


def test_a_wrong_translation_has_neither(recording):
    wrong = recording.examples[2]
    assert wrong.output != wrong.target
    assert wrong.maps[0].reference is None
    assert wrong.scores == {}


def test_maps_say_what_they_are_and_were_checked(recording):
    for example in recording.examples:
        (attention,) = example.maps
        assert (attention.name, attention.kind) == ("decoder.attention", "cross")
        assert attention.group == "cross-attention, German to English"
        assert attention.heads == 1
        np.testing.assert_allclose(attention.array().sum(axis=-1), 1, atol=1e-5)
        assert attention.checks.row_sum_error is not None
        assert attention.checks.row_sum_error < 1e-5
        assert attention.checks.output_difference is not None
        assert attention.checks.output_difference < 1e-5
        assert attention.checks.deterministic is True


def test_weights_are_those_that_the_model_returns(recording, trained):
    """Captured by the engine, and returned by the decoder itself."""
    english = [example.input.replace("?", " ?").split() for example in recording.examples]
    plan, languages = trained.plan, trained.languages
    own = translate(trained.model, languages, english, plan.width, return_weights=True).weights
    for example, returned in zip(recording.examples, own, strict=True):
        weights = example.maps[0].array()[0]
        rows, columns = weights.shape
        np.testing.assert_allclose(weights, returned[:rows, :columns], atol=1e-6)


def test_maps_say_how_they_were_found(recording):
    checks = {check.name: check for check in recording.examples[0].maps[0].checks.others}
    assert "softmax" in checks["form"].detail
    assert checks["weights times values"].held is True


def test_metrics_and_source_tell_what_a_reader_needs(recording, trained):
    metrics = {metric.name: metric for metric in recording.metrics}
    assert metrics["sentences translated exactly"].value == 0.96
    assert metrics["sentences translated exactly"].percent
    assert metrics["words right"].value == 0.99
    assert metrics["alignment error rate"].value == 0.07
    assert metrics["alignment error rate of the diagonal"].value == 0.4
    assert metrics["alignment error rate of chance"].value == 0.9
    assert metrics["training sentence pairs"].value == trained.plan.corpus.train
    source = recording.source
    assert source.framework == "Flax NNX"
    assert set(source.versions) == {"jax", "flax", "optax"}
    assert "grammar" in source.data
    assert source.notes[0] == (
        "Trained from scratch in 12 s: 0.5 epochs of 800 sentence pairs, "
        f"{trained.parameters:,} parameters, seed 0."
    )


@pytest.mark.parametrize(
    ("best", "says"),
    [(1, "this is the model of round 1 of 1."), (0, "the model of the last step.")],
)
def test_a_note_tells_of_an_interrupted_training(trained, best, says):
    stopped = dataclasses.replace(trained, interrupted=True, best=best)
    notes = list(translation._notes(stopped, stopped.plan))
    assert notes[1].startswith("Training was interrupted; ")
    assert says in notes[1]
    assert not any("interrupted" in note for note in translation._notes(trained, trained.plan))
