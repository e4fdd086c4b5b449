"""The whole demo, trained for real on two labels that a few words tell apart."""

import dataclasses
import re
from types import SimpleNamespace

import numpy as np
import pytest

from attnreport.models import TEXT_ATTENTIONS
from attnreport.recording import Confusion, ItemAxis, Recording, TokenAxis
from attnreport.tasks import DEMOS, run_demo
from attnreport.tasks.keywords import recording as module
from attnreport.tasks.keywords.measuring import SHARES
from attnreport.tasks.keywords.plan import KeywordsPlan, load_collection
from attnreport.tasks.keywords.recording import record_keywords
from attnreport.tasks.keywords.task import KeywordsTask
from attnreport.tasks.keywords.words import word_key
from tests.tasks.keywords.conftest import SUBJECTS
from tests.tasks.keywords.conftest import collection as made


@pytest.fixture(scope="module")
def recording(tmp_path_factory) -> Recording:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ATTNREPORT_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(module, "load_collection", lambda data, **_: made())
        return record_keywords(quick=True, progress=False)


def metric(recording: Recording, name: str):
    return next(each for each in recording.metrics if each.name == name)


def test_it_learns_and_looks_at_the_words_that_tell(recording):
    assert metric(recording, "passages right").value == 1
    for example in recording.examples:
        (attention,) = example.maps
        heaviest = attention.key.labels[int(attention.array()[0, 0].argmax())]
        assert word_key(heaviest) in SUBJECTS[example.target]


def test_examples_are_passages_of_the_test(recording, collection):
    assert [each.name for each in recording.examples] == [each.name for each in collection.test]
    for example, passage in zip(recording.examples, collection.test, strict=True):
        (attention,) = example.maps
        assert example.input == passage.text
        assert example.target == passage.label
        assert example.output in collection.labels
        assert attention.key == TokenAxis(passage.words)
        assert attention.query == ItemAxis(("the topic",))
        assert (attention.kind, attention.group) == ("pooling", module.GROUP)
        np.testing.assert_allclose(attention.array().sum(axis=-1), 1, atol=1e-5)
        assert attention.checks.output_difference is not None
        assert attention.checks.output_difference < 1e-5


def test_scores_are_those_of_the_passage(recording):
    for example in recording.examples:
        assert 0.5 < example.scores["probability of the answer"] <= 1
        without = example.scores["without its heaviest 20% of words"]
        assert without < example.scores["probability of the answer"]
        assert 0 < example.scores["share of tf-idf words in heaviest 5"] <= 1
    named = "share of title words in heaviest 5"
    # Only some sentences have a word of their title.
    assert {named in example.scores for example in recording.examples} == {True, False}


def test_metrics_stand_beside_their_baselines(recording):
    names = [each.name for each in recording.metrics]
    assert names[:2] == [
        "passages right",
        "probability left without the heaviest 20% of words",
    ]
    right, left = recording.metrics[:2]
    without = metric(recording, "passages right without attention")
    assert right.percent
    assert without.percent
    assert f"Without attention: {without.value:.1%}" in right.detail
    assert "the most frequent label alone: 50.0%" in right.detail
    whole, random = re.findall(
        r"With all words: ([\d.]+); without random ones: ([\d.]+)", left.detail
    )[0]
    assert left.value < float(random) <= float(whole)
    for name in ("title words among the heaviest 5", "tf-idf words among the heaviest 5"):
        found = metric(recording, name)
        for baseline in ("Best possible:", "Equal weights:", "random weights, before training:"):
            assert baseline in found.detail
    fall = metric(recording, "mean fall as the heaviest words are taken out")
    assert "from 5% to 50%, as drawn above. In order of tf-idf: " in fall.detail


def test_deletion_curves_are_those_of_the_metrics(recording):
    found = recording.deletion
    assert found.shares == SHARES
    attention, tf_idf, random = found.curves
    left = metric(recording, "probability left without the heaviest 20% of words")
    assert attention.scores[SHARES.index(0.2)] == left.value
    assert (attention.spread, tf_idf.spread) == ((), ())
    assert random.name == "random order, 5 draws"
    assert all(
        least <= score <= greatest
        for score, (least, greatest) in zip(random.scores, random.spread, strict=True)
    )
    # Without any word gone all are the whole; draws differ where some are gone.
    assert random.spread[0][0] == random.spread[0][1] == pytest.approx(attention.scores[0])
    assert random.spread[3][0] < random.spread[3][1]


def test_confusion_and_training_are_recorded(recording, collection):
    assert recording.confusion is not None
    assert recording.confusion.labels == collection.labels
    assert recording.confusion.counts.tolist() == [[5, 0], [0, 5]]
    assert recording.training is not None
    names = [curve.name for curve in recording.training.curves]
    assert names == ["training loss", "training accuracy", "validation accuracy"]
    assert recording.training.chosen in recording.training.curves[0].steps
    assert recording.source.step == recording.training.chosen


def test_the_source_says_where_the_texts_are_from_and_how_it_was_trained(recording, collection):
    source = recording.source
    assert source.data == collection.origin
    assert source.model == "Text classifier with attention pooling (Yang et al., 2016)"
    assert set(source.versions) == {"jax", "flax", "optax"}
    assert "quick look" in source.notes[0]
    assert any(note.startswith("Trained from scratch in") for note in source.notes)
    assert any("none knows its neighbours" in note for note in source.notes)
    assert not any("confusion" in note for note in source.notes)


def test_a_note_says_that_a_confusion_matrix_is_not_whole(collection):
    task = KeywordsTask(KeywordsPlan.of(collection), collection)
    trained = SimpleNamespace(seconds=1.0, epochs=2, parameters=3)
    confused = Confusion(("rec.boats",), np.array([[5]]))
    found = SimpleNamespace(confusion=confused, right=8, shown=range(10))
    *_, note = module._notes(trained, task, found)
    assert note == "The confusion matrix has the 1 labels of 2 that are confused most."


def test_hops_look_each_for_itself(cache, newsgroups):
    """On a folder, through the demo: every option is a choice of the command line, too."""
    found = run_demo(
        "keywords", progress=False, quick=True, data=newsgroups, attention="self-attentive"
    )
    (attention,) = found.examples[0].maps
    assert attention.query == ItemAxis(("hop 0", "hop 1", "hop 2", "hop 3"))
    assert attention.weights.shape[1] == 4
    assert "Lin et al., 2017" in found.source.model
    assert any(note.startswith("There are 4 hops") for note in found.source.notes)
    assert "`20news`" in found.source.data
    assert [path.name.partition("-")[0] for path in cache.iterdir()] == ["keywords"] * 2


def test_the_choices_are_those_of_the_model():
    assert DEMOS["keywords"].options["attention"] == TEXT_ATTENTIONS


def test_a_plan_depends_on_the_texts_and_goes_less_often_through_more(collection, newsgroups):
    plan = KeywordsPlan.of(collection)
    assert (plan.schedule.epochs, plan.passes) == (20, 3)
    assert KeywordsPlan.of(collection, quick=True).schedule.epochs == 5
    assert KeywordsPlan.of(load_collection(newsgroups)).digest != plan.digest
    for times, epochs in ((10, 12), (1000, 2)):
        many = dataclasses.replace(collection, train=collection.train * times)
        found = KeywordsPlan.of(many)
        assert (found.schedule.epochs, found.passes) == (epochs, 1)


def test_every_epoch_has_other_batches_of_the_same_size(collection):
    task = KeywordsTask(KeywordsPlan.of(collection), collection)
    first, second = task.batches(0), task.batches(1)
    assert [each.words.shape for each in first] == [(32, collection.width)] * 30
    assert not np.array_equal(first[0].words, second[0].words)
    rows = [sorted(tuple(row) for batch in each for row in batch.words) for each in (first, second)]
    assert rows[0] == rows[1] == sorted([*rows[0][::3]] * 3)
