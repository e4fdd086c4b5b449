"""Records what the trained translator looks at while it translates."""

import dataclasses
import datetime
import importlib.metadata
import math
from collections.abc import Iterator, Sequence

import jax
import numpy as np

from attnreport.analysis.alignment import alignment_error_rate
from attnreport.models.translator import END
from attnreport.models.translator_decoding import Translation
from attnreport.recording import (
    AttentionMap,
    Checks,
    Example,
    Metric,
    Recording,
    Source,
    TokenAxis,
)
from attnreport.tasks.corpus import held_out_pairs
from attnreport.tasks.evaluation import translate
from attnreport.tasks.grammar import SentencePair
from attnreport.tasks.trained import TrainedTranslator, trained_translator
from attnreport.tasks.training import TrainingPlan
from attnreport.tasks.vocabulary import END_MARKER, MARKERS, Vocabulary, text_of

GROUP = "cross-attention, German to English"


def record_translation(
    *, seed: int = 0, fresh: bool = False, progress: bool = True, plan: TrainingPlan | None = None
) -> Recording:
    """A recording of the translator on sentences it has not seen in training.

    Args:
        seed: Of the training.
        fresh: Whether to train again although the trained model is in the cache.
        progress: Whether to show on standard error how training goes.
        plan: How to train, in place of the usual plan with `seed`.
    """
    plan = plan or TrainingPlan(seed=seed)
    trained = trained_translator(plan, fresh=fresh, progress=progress)
    pairs = [*held_out_pairs(), *trained.examples]
    return Recording(_examples(trained, pairs), _source(trained), _metrics(trained))


def _examples(trained: TrainedTranslator, pairs: Sequence[SentencePair]) -> tuple[Example, ...]:
    sentences = [pair.english for pair in pairs]
    model, languages, width = trained.model, trained.languages, trained.plan.width
    # The attention of each sentence twice, and the same translation without it, to compare.
    first, again = (
        translate(model, languages, sentences, width, return_weights=True) for _ in range(2)
    )
    plain = translate(model, languages, sentences, width)
    return tuple(
        _example(pair, languages.target, _row(first, number), _checks(first, again, plain, number))
        for number, pair in enumerate(pairs)
    )


def _example(
    pair: SentencePair, german: Vocabulary, translation: Translation, checks: Checks
) -> Example:
    words = german.decode(translation.words.tolist())
    ended = END in translation.words
    tokens = (*words, END_MARKER) if ended else words
    weights = np.asarray(translation.weights)[: len(tokens), : len(pair.english) + 1]
    right = ended and words == pair.german
    reference = pair.alignment() if right else None
    error = np.abs(weights.sum(axis=-1, dtype=np.float64) - 1).max()
    attention = AttentionMap(
        "decoder.attention",
        weights[np.newaxis],
        _axis(tokens),
        _axis((*pair.english, END_MARKER)),
        kind="cross",
        group=GROUP,
        reference=reference,
        checks=dataclasses.replace(checks, row_sum_error=float(error)),
    )
    scores = {}
    if reference is not None:
        scores = {"AER": alignment_error_rate(weights, reference)}
    english = text_of(pair.english)
    return Example(english, (attention,), english, text_of(words), text_of(pair.german), scores)


def _checks(first: Translation, again: Translation, plain: Translation, number: int) -> Checks:
    """What two runs with attention and one without say about a sentence."""
    with_weights, without = _row(first, number), _row(plain, number)
    same = np.array_equal(with_weights.words, without.words)
    apart = np.abs(with_weights.log_probabilities - without.log_probabilities).max()
    return Checks(
        output_difference=float(apart) if same else math.inf,
        deterministic=bool(np.array_equal(_weights(first, number), _weights(again, number))),
    )


def _row(translation: Translation, number: int) -> Translation:
    return jax.tree.map(lambda part: part[number], translation)


def _weights(translation: Translation, number: int) -> np.ndarray:
    return np.asarray(_row(translation, number).weights)


def _axis(tokens: Sequence[str]) -> TokenAxis:
    special = tuple(i for i, token in enumerate(tokens) if token in MARKERS)
    return TokenAxis(tuple(tokens), special)


def _source(trained: TrainedTranslator) -> Source:
    plan = trained.plan
    packages = ("jax", "flax", "optax")
    return Source(
        model="Recurrent translator with attention (Bahdanau, Cho and Bengio, 2015)",
        framework="Flax NNX",
        versions={package: importlib.metadata.version(package) for package in packages},
        data=(
            "Test sentences of a small English-German storybook language. A seeded grammar that "
            "ships with attnreport makes them, with the links between their words; the model has "
            "seen none of them in training."
        ),
        created=datetime.date.today().isoformat(),
        notes=tuple(_notes(trained, plan)),
    )


def _notes(trained: TrainedTranslator, plan: TrainingPlan) -> Iterator[str]:
    rounds = len(trained.history)
    epochs = rounds / plan.rounds
    yield (
        f"Trained from scratch in {trained.seconds:.0f} s: {epochs:.3g} epochs of "
        f"{plan.corpus.train:,} sentence pairs, {trained.parameters:,} parameters, seed "
        f"{plan.seed}."
    )
    if trained.interrupted:
        found = f"round {trained.best} of {rounds}" if trained.best else "the last step"
        yield (
            f"Training was interrupted; this is the model of {found}. The next run goes on where "
            "this one stopped."
        )
    yield (
        "A row of the attention is where the model looked to write that word. The end marker "
        "translates nothing and does not count in the alignment error rate."
    )


def _metrics(trained: TrainedTranslator) -> tuple[Metric, ...]:
    quality, sizes = trained.quality, trained.plan.corpus
    on_test = f"of {sizes.test:,} test sentences"
    aer = (
        "0: every word looks most at a word it translates; 1: none does; "
        f"looking at random: {quality.random_error:.2f}."
    )
    return (
        Metric(
            "sentences translated exactly",
            quality.sentences,
            f"Share {on_test} whose translation is the reference, word for word.",
            percent=True,
        ),
        Metric(
            "alignment error rate",
            quality.alignment_error,
            f"Of the strongest attention in each row against the known links {on_test}. {aer}",
        ),
        Metric(
            "alignment error rate of the diagonal",
            quality.diagonal_error,
            "The same if each word looked at its own place in the other sentence.",
        ),
        Metric(
            "alignment error rate of chance",
            quality.random_error,
            "The same, on average, if each word looked at a word drawn at random.",
        ),
        Metric(
            "words right",
            quality.words,
            f"Share of the words {on_test} that are the likeliest, given the right words before.",
            percent=True,
        ),
        Metric("training sentence pairs", sizes.train, "All different."),
    )
