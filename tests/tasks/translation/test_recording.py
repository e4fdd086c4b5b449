import dataclasses

import jax.numpy as jnp
import numpy as np
import pytest

from attnreport.analysis.alignment import alignment_error_rate
from attnreport.models.looking import ATTENTIONS
from attnreport.models.transformer import Transformer
from attnreport.models.translator_decoding import translate_greedily
from attnreport.recording import Deletion, DeletionCurve, Recording, TokenAxis
from attnreport.tasks.checkpoints import Round
from attnreport.tasks.trained import TrainedModel
from attnreport.tasks.training import new_model
from attnreport.tasks.translation import examples
from attnreport.tasks.translation import recording as module
from attnreport.tasks.translation.corpus import CorpusSizes, make_corpus
from attnreport.tasks.translation.evaluation import Alignment, Quality, translate
from attnreport.tasks.translation.examples import GROUP
from attnreport.tasks.translation.grammar import SentencePair
from attnreport.tasks.translation.plan import TranslationPlan, translation_plan
from attnreport.tasks.translation.recording import record_translation
from attnreport.tasks.translation.task import Findings, TranslationTask
from attnreport.tasks.translation.trust import Removals
from attnreport.tasks.translation.vocabulary import END_MARKER, text_of

QUALITY = Quality(0.96, 0.99, Alignment(0.07, 0, 0, ((0.07,),), 0.4, 0.9))

DELETION = Deletion("probability", "words", (0, 0.5), (DeletionCurve("first", (0.9, 0.3)),))
CUT = tuple(
    (f"{name}.layers.{n}.{attention}", (head,))
    for n in range(2)
    for name, attention in (
        ("encoder", "attention"),
        ("decoder", "attention"),
        ("decoder", "cross_attention"),
    )
    for head in range(2)
)
# Without a Transformer, and with one, whose heads are worth 0, 0.01, 0.02 and so on.
REMOVALS = (
    Removals(DELETION, (), ()),
    Removals(DELETION, CUT, tuple((1 - max(n, 0) / 100,) * 3 for n in range(-1, 12))),
)


def examples_of(model, plan, languages, corpus) -> tuple[SentencePair, SentencePair]:
    """A sentence that the model takes for right, and one that it gets wrong."""
    english = [pair.english for pair in corpus.test]
    words = translate(model, languages, english, plan.width)
    own = [languages.target.decode(row) for row in words]
    pairs = list(zip(corpus.test, own, strict=True))
    pair, said = next((pair, said) for pair, said in pairs if 1 < len(said) < 9)
    right = SentencePair(pair.english, said, tuple((i % 3,) for i in range(len(said))))
    return right, next(pair for pair, said in pairs if pair.german != said)


def longer(plan: TranslationPlan) -> TranslationPlan:
    """The plan with sentences of up to nine words."""
    return dataclasses.replace(plan, corpus=dataclasses.replace(plan.corpus, longest=9))


def trained_as(task: TranslationTask, model, quality: Quality, pairs) -> TrainedModel:
    """A model, with its quality and the sentences to look at."""
    facts = {
        "source": task.languages.source.words,
        "target": task.languages.target.words,
        "quality": dataclasses.asdict(quality),
        "examples": [(pair.english, pair.german, pair.links) for pair in pairs],
        "removals": dataclasses.asdict(REMOVALS[isinstance(model, Transformer)]),
    }
    return TrainedModel(model, task, facts, (Round(12, 2.0, 0.5, 0.9, 12.3),), 1)


@pytest.fixture(scope="module")
def trained(small_plan) -> TrainedModel:
    """A model that was not trained."""
    task = TranslationTask(longer(small_plan))
    model = new_model(task, 0)
    # Makes it end its sentences at some time.
    model.decoder.word.kernel[...] *= 8
    model.decoder.word.bias[...] = model.decoder.word.bias[...].at[2].set(2.0)
    model.eval()
    pairs = examples_of(model, task.plan, task.languages, task.corpus)
    return trained_as(task, model, QUALITY, pairs)


def recorded(trained: TrainedModel, **options) -> Recording:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "trained_model", lambda recipe, **_: trained)
        return record_translation(plan=trained.task.plan, **options)


@pytest.fixture(scope="module")
def recording(trained) -> Recording:
    return recorded(trained)


@pytest.fixture(scope="module")
def found(trained) -> Findings:
    return Findings.of(trained.facts)


def test_the_fox_comes_first(recording):
    fox = recording.examples[0]
    assert fox.name == fox.input == "the quick brown fox jumps over the lazy dog"
    assert fox.target == "der schnelle braune fuchs springt über den faulen hund"
    assert len(recording.examples) == 3


def test_axes_are_the_words_with_their_end_markers(recording, found):
    for example in recording.examples:
        (attention,) = example.maps
        for axis in (attention.query, attention.key):
            assert isinstance(axis, TokenAxis)
        assert attention.key.labels[:-1] == tuple(example.input.replace("?", " ?").split())
        assert attention.key.special == (len(attention.key) - 1,)
        assert attention.key.labels[-1] == END_MARKER
    right = recording.examples[1].maps[0]
    assert right.query.labels == (*found.examples[0].german, END_MARKER)
    assert right.query.special == (len(right.query) - 1,)


def test_a_right_translation_has_its_links_and_an_error_rate(recording, found):
    right = recording.examples[1]
    assert np.array_equal(right.maps[0].reference, found.examples[0].alignment())
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


def test_weights_are_those_that_the_model_returns(recording, trained, found):
    """Captured by the engine, and returned by the decoder itself."""
    english = [example.input.replace("?", " ?").split() for example in recording.examples]
    source = jnp.asarray(found.languages.source.encode(english, 10))
    own = translate_greedily(trained.model, source, length=11, return_weights=True).weights
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
    detail = metrics["alignment error rate"].detail
    assert "along the diagonal gives 0.4, looking at random 0.9." in detail
    assert metrics["training sentence pairs"].value == trained.task.plan.corpus.train
    source = recording.source
    assert source.framework == "Flax NNX"
    assert set(source.versions) == {"jax", "flax", "optax"}
    assert "grammar" in source.data
    assert source.notes[0] == (
        "Trained from scratch in 12 s: 0.5 epochs of 800 sentence pairs, "
        f"{trained.parameters:,} parameters, seed 0."
    )


def test_what_the_reader_should_know_is_noted(trained):
    stopped = dataclasses.replace(trained, interrupted=True)
    notes = recorded(stopped, quick=True).source.notes
    assert "quick" in notes[0]
    assert notes[2].startswith("Training was interrupted; ")
    assert not any("interrupted" in note for note in recorded(trained).source.notes)


HEADS = ((0.3, 0.2), (0.5, 0.1))


@pytest.fixture(scope="module")
def of_transformer(transformer_plan) -> Recording:
    quality = Quality(0.96, 0.99, Alignment(0.1, 1, 1, HEADS, 0.4, 0.9))

    task = TranslationTask(longer(transformer_plan))
    model = new_model(task, 0)
    model.eval()
    right, wrong = task.corpus.train[:2]

    def translated(model, languages, sentences, width):
        """Stands for decoding: what was not trained never ends a sentence."""
        said = {right.english: right.german}
        words = [said.get(tuple(sentence), right.german[:2]) for sentence in sentences]
        return languages.target.encode(words, width + 1)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(examples, "translate", translated)
        return recorded(trained_as(task, model, quality, (right, wrong)))


def test_a_transformer_shows_all_of_its_attention_the_one_between_languages_first(of_transformer):
    for example in of_transformer.examples:
        assert [(each.name, each.kind, each.group, each.heads) for each in example.maps] == [
            *((f"decoder.layers.{n}.cross_attention", "cross", GROUP, 2) for n in range(2)),
            *(
                (f"{side}.layers.{n}.attention", "self", f"{side} self-attention", 2)
                for side in ("encoder", "decoder")
                for n in range(2)
            ),
        ]
        assert all(each.checks.output_difference < 1e-5 for each in example.maps)


def test_what_is_left_without_words_and_heads_is_kept(of_transformer, recording):
    assert recording.deletion == DELETION
    assert recording.importance is None
    found = of_transformer.importance
    assert {(each.group, each.layer) for each in found.layers} == {
        (group, layer)
        for group in (GROUP, "encoder self-attention", "decoder self-attention")
        for layer in range(2)
    }
    assert found.of(GROUP, 1).falls == pytest.approx((0.1, 0.11))
    assert found.of(GROUP, 1).errors == pytest.approx((0, 0), abs=1e-12)
    assert found.data == "3 test sentences, mean"


def test_rows_of_a_transformer_are_words_written_read_and_translated(of_transformer):
    for example in of_transformer.examples:
        cross, encoder, decoder = example.maps[0], example.maps[2], example.maps[4]
        words = tuple(example.output.replace("?", " ?").replace(",", " ,").split())
        assert cross.query.labels in (words, (*words, END_MARKER))
        assert cross.key.labels == encoder.query.labels == encoder.key.labels
        assert cross.key.labels[-1] == END_MARKER
        assert decoder.query.labels == ("<s>", *cross.query.labels[:-1])
        assert decoder.query == decoder.key
        assert not np.triu(decoder.array(), 1).any()


def test_a_transformer_is_scored_by_its_best_head(of_transformer):
    right = of_transformer.examples[1]
    references = [each.reference is not None for each in right.maps]
    assert references == [True, True, False, False, False, False]
    best = alignment_error_rate(right.maps[1].head(1), right.maps[1].reference)
    assert right.scores == {"AER": best}
    metrics = {metric.name: metric for metric in of_transformer.metrics}
    assert metrics["alignment error rate"].value == 0.1
    assert "layer 1, head 1" in metrics["alignment error rate"].detail
    assert metrics["alignment error rate, mean of heads"].value == pytest.approx(0.275)
    assert "Transformer" in of_transformer.source.model
    assert any("layer 1, head 1" in note for note in of_transformer.source.notes)
    assert of_transformer.source.step == of_transformer.training.chosen == 12


def test_languages_of_equal_width_are_told_apart(transformer_plan):
    """As in a corpus whose longest sentences happen to have as many words in both languages."""
    task = TranslationTask(transformer_plan)
    model = new_model(task, 0)
    model.eval()
    rows = np.array([[5, 6, 7, 2], [8, 9, 2, 0]])
    words = [("a", "b", "c", END_MARKER), ("d", "e", END_MARKER)]
    found = examples._captured(model, examples._Sentences(rows, rows, words, words))
    for example in found.examples:
        assert [each.kind for each in example.maps] == ["cross", "cross", *["self"] * 4]
        assert {each.group for each in example.maps[:2]} == {GROUP}
        assert all(each.checks.output_difference < 1e-5 for each in example.maps)


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_every_attention_has_a_name_for_the_report(attention):
    plan = translation_plan("gru", attention)
    assert module._model_name(plan).startswith("Recurrent translator with ")


def test_own_sentences_are_learned_and_recorded_without_an_error_rate(cache, tmp_path, small_plan):
    made = make_corpus(CorpusSizes(train=600, validation=0, test=0, longest=7)).train
    folder = tmp_path / "pairs"
    folder.mkdir()
    lines = [f"{text_of(pair.english)}\t{text_of(pair.german)}\tCC-BY" for pair in made]
    (folder / "deu.txt").write_text("\n".join(lines), encoding="utf-8")
    plan = dataclasses.replace(
        small_plan, schedule=dataclasses.replace(small_plan.schedule, epochs=1)
    )
    recording = record_translation(data=folder, plan=plan, progress=False)
    own = {text_of(pair.english) for pair in made}
    assert {example.input for example in recording.examples} <= own
    assert all(not example.scores for example in recording.examples)
    assert all(example.maps[0].reference is None for example in recording.examples)
    assert not any("alignment" in metric.name for metric in recording.metrics)
    assert recording.source.data.startswith("Sentence pairs of pairs: ")
    assert any("was not measured" in note for note in recording.source.notes)
    again = record_translation(data=folder, plan=plan, progress=False)
    assert again.metrics == recording.metrics
