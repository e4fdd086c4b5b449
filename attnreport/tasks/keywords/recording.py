"""Records which words a trained text classifier went by."""

import dataclasses
import datetime
import importlib.metadata
from collections.abc import Iterator, Sequence
from os import PathLike

import jax.numpy as jnp

from attnreport.capture.capture import capture_attention
from attnreport.models.text_classifier import MEAN, TextClassifier
from attnreport.recording import (
    AttentionMap,
    Deletion,
    DeletionCurve,
    Example,
    ItemAxis,
    Metric,
    Recording,
    Source,
    TokenAxis,
)
from attnreport.tasks.demos import quick_notes
from attnreport.tasks.keywords.collection import Passage
from attnreport.tasks.keywords.measuring import (
    MOST_MEASURED,
    SHARES,
    Faithfulness,
    PassageQuality,
    Quality,
)
from attnreport.tasks.keywords.plan import KeywordsPlan, load_collection
from attnreport.tasks.keywords.task import Findings, KeywordsTask, keywords_recipe
from attnreport.tasks.keywords.truth import HEAVIEST, Precision
from attnreport.tasks.shown import shown_note
from attnreport.tasks.trained import TrainedModel, trained_model

GROUP = "attention pooling over words"
_NAMES = {
    "additive": "attention pooling (Yang et al., 2016)",
    "self-attentive": "structured self-attentive pooling (Lin et al., 2017)",
}
# The share of words after which a report says what is left.
_TAKEN = 0.2


def record_keywords(
    *,
    seed: int = 0,
    fresh: bool = False,
    progress: bool = True,
    quick: bool = False,
    data: "str | PathLike[str] | None" = None,
    attention: str = "additive",
) -> Recording:
    """A recording of the text classifier on passages it has not seen in training.

    Args:
        seed: Of data and training.
        fresh: Whether to train again although the trained model is in the cache.
        progress: Whether to show on standard error how training goes.
        quick: Whether a few labels and epochs will do.
        data: A folder of labelled texts, in place of the help of this Python.
        attention: How words are pooled: one of `attnreport.models.TEXT_ATTENTIONS`.

    Raises:
        DataError: The folder holds no labelled texts.
        MissingDependencyError: This Python came without its help topics.
    """
    collection = load_collection(data, seed=seed, quick=quick)
    plan = KeywordsPlan.of(collection, seed=seed, attention=attention, quick=quick)
    recipe = keywords_recipe(plan, collection)
    trained = trained_model(recipe, fresh=fresh, progress=progress)
    without = keywords_recipe(dataclasses.replace(plan, attention=MEAN), collection)
    mean = trained_model(without, fresh=fresh, progress=progress)
    task = KeywordsTask(plan, collection)
    found, baseline = Findings.of(trained.facts), Findings.of(mean.facts)
    return Recording(
        _examples(trained.model, task, [collection.test[place] for place in found.shown]),
        _source(trained, task, found, (*quick_notes(quick=quick), *_baseline_notes(mean))),
        tuple(_metrics(task, found, baseline.quality)),
        found.confusion,
        trained.training(),
        _deletion(found.quality.faithfulness),
    )


def _examples(
    model: TextClassifier, task: KeywordsTask, passages: Sequence[Passage]
) -> tuple[Example, ...]:
    measurer = task.measurer(model)
    reading = measurer.read(passages)
    longest = max(len(passage.words) for passage in passages)
    captured = capture_attention(
        model,
        jnp.asarray(task.encoding.texts(passages, longest).words),
        key_tokens=[TokenAxis(passage.words) for passage in passages],
        example_names=[passage.name for passage in passages],
        kind="pooling",
        group=GROUP,
    )
    return tuple(
        _example(
            passage,
            example.maps[0],
            task.encoding.labels[label],
            float(probabilities[label]),
            measurer.passage(passage, weights, int(label)),
        )
        for passage, example, label, probabilities, weights in zip(
            passages,
            captured.examples,
            reading.labels,
            reading.probabilities,
            reading.weights,
            strict=True,
        )
    )


def _example(
    passage: Passage,
    attention: AttentionMap,
    output: str,
    probability: float,
    quality: PassageQuality,
) -> Example:
    hops = attention.weights.shape[1]
    query = ItemAxis(tuple(f"hop {hop}" for hop in range(hops)) if hops > 1 else ("the topic",))
    scores = {
        "probability of the answer": probability,
        _WITHOUT: quality.faithfulness.attention[_PLACE],
    }
    for name, precision in (("title", quality.title), ("tf-idf", quality.tf_idf)):
        if precision is not None:
            scores[f"share of {name} words in heaviest {HEAVIEST}"] = precision.found
    return Example(
        passage.name,
        (dataclasses.replace(attention, query=query),),
        passage.text,
        output,
        passage.label,
        scores,
    )


def _source(
    trained: TrainedModel[TextClassifier],
    task: KeywordsTask,
    found: Findings,
    notes: Sequence[str],
) -> Source:
    packages = ("jax", "flax", "optax")
    return Source(
        model=f"Text classifier with {_NAMES[task.plan.attention]}",
        framework="Flax NNX",
        versions={package: importlib.metadata.version(package) for package in packages},
        step=trained.step,
        data=task.collection.origin,
        created=datetime.date.today().isoformat(),
        notes=(*notes, *trained.notes(), *_notes(trained, task, found)),
    )


def _notes(
    trained: TrainedModel[TextClassifier], task: KeywordsTask, found: Findings
) -> Iterator[str]:
    plan, collection = task.plan, task.collection
    yield (
        f"Trained from scratch in {trained.seconds:.0f} s: {trained.epochs * plan.passes:.3g} "
        f"times through {len(collection.train):,} passages, {trained.parameters:,} parameters, "
        f"seed {plan.schedule.seed}. {len(collection.validation):,} passages chose the checkpoint."
    )
    tests = len(collection.test)
    yield shown_note("test passages", tests, tests - found.right, len(found.shown))
    yield (
        "The model pools the words themselves, in no order: none knows its neighbours before it "
        "is weighed. So the same word has the same weight wherever it stands in a passage."
    )
    if plan.attention == "self-attentive":
        yield (
            f"There are {plan.hops} hops, trained without the paper's penalty on hops that look "
            "alike. What is measured about the heaviest words is measured on the mean of the hops."
        )
    yield (
        f"The model tells {len(task.encoding.keys):,} words apart. Those that stand in fewer than "
        "two training passages are all the same to it."
    )
    if len(collection.labels) > len(found.confusion.labels):
        yield (
            f"The confusion matrix has the {len(found.confusion.labels)} labels of "
            f"{len(collection.labels)} that are confused most."
        )


def _baseline_notes(mean: TrainedModel[TextClassifier]) -> Iterator[str]:
    """What a report says of a baseline that was not trained to its end."""
    if mean.interrupted:
        yield (
            "The training of the model without attention was interrupted, so what is said of it "
            "is of a model that may not have learned all it could."
        )


def _deletion(curves: Faithfulness) -> Deletion:
    return Deletion(
        "probability of the predicted label",
        "words",
        SHARES,
        (
            DeletionCurve("heaviest words first", curves.attention),
            DeletionCurve("highest tf-idf first", curves.tf_idf),
            DeletionCurve(f"random order, {len(curves.draws)} draws", curves.random, curves.spread),
        ),
    )


def _metrics(task: KeywordsTask, found: Findings, mean: Quality) -> Iterator[Metric]:
    """All numbers over the test passages; a page tells the first two at its top."""
    quality, collection = found.quality, task.collection
    tests = len(collection.test)
    measured = f"over {min(tests, MOST_MEASURED):,} test passages"
    yield Metric(
        "passages right",
        quality.accuracy,
        f"Share of {tests:,} test passages whose likeliest label is right. Without attention: "
        f"{mean.accuracy:.1%}; the most frequent label alone: {collection.most_frequent:.1%}.",
        percent=True,
    )
    yield _left_metric(quality.faithfulness, measured)
    yield _precision_metric(
        f"title words among the heaviest {HEAVIEST}",
        f"{collection.titled} ({quality.titled:,} of {tests:,} test passages have any)",
        quality.title,
        found.untrained and found.untrained.title,
    )
    yield _precision_metric(
        f"tf-idf words among the heaviest {HEAVIEST}",
        f"the {HEAVIEST} words of highest tf-idf of their passage, {measured}",
        quality.tf_idf,
        found.untrained and found.untrained.tf_idf,
    )
    yield _fall_metric(quality.faithfulness, measured)
    yield Metric(
        "passages right without attention",
        mean.accuracy,
        "Of a model that was trained the same way and takes the mean of all words.",
        percent=True,
    )


def _left_metric(curves: Faithfulness, measured: str) -> Metric:
    return Metric(
        f"probability left without the heaviest {_TAKEN:.0%} of words",
        curves.attention[_PLACE],
        f"Of the label that is predicted for the whole passage, {measured}: the less, the more the "
        f"model goes by them. With all words: {curves.attention[0]:.3g}; without random ones: "
        f"{curves.random[_PLACE]:.3g}; without those of highest tf-idf: "
        f"{curves.tf_idf[_PLACE]:.3g}.",
    )


def _fall_metric(curves: Faithfulness, measured: str) -> Metric:
    return Metric(
        "mean fall as the heaviest words are taken out",
        curves.fall("attention"),
        f"Of the probability of the predicted label, {measured} and over the shares of words taken "
        f"out from {SHARES[1]:.0%} to {SHARES[-1]:.0%}, as drawn above. In order of tf-idf: "
        f"{curves.fall('tf_idf'):.3g}; in random order: {curves.fall('random'):.3g}.",
    )


def _precision_metric(
    name: str, right: str, found: Precision, untrained: Precision | None
) -> Metric:
    before = (
        "" if untrained is None else f"; random weights, before training: {untrained.found:.3g}"
    )
    return Metric(
        name,
        found.found,
        f"Share of the {HEAVIEST} heaviest words (precision at {HEAVIEST}) that are {right}. Best "
        f"possible: {found.best:.3g}. Equal weights: {found.chance:.3g}{before}.",
    )


_PLACE = SHARES.index(_TAKEN)
_WITHOUT = f"without its heaviest {_TAKEN:.0%} of words"
