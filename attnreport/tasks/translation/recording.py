"""Records what the trained translator looks at while it translates."""

import dataclasses
import datetime
import importlib.metadata
from collections.abc import Iterator, Sequence

import jax.numpy as jnp
import numpy as np

from attnreport.analysis.alignment import alignment_error_rate
from attnreport.capture.capture import capture_attention
from attnreport.models.translator import END, Translator
from attnreport.models.translator_decoding import translate_greedily
from attnreport.recording import (
    AttentionMap,
    Example,
    Metric,
    Recording,
    Source,
    TokenAxis,
)
from attnreport.tasks.demos import quick_notes
from attnreport.tasks.trained import TrainedModel, trained_model
from attnreport.tasks.training import Schedule
from attnreport.tasks.translation.corpus import held_out_pairs
from attnreport.tasks.translation.evaluation import translate
from attnreport.tasks.translation.grammar import SentencePair
from attnreport.tasks.translation.plan import (
    RecurrentSizes,
    TranslationPlan,
    quick_plan,
)
from attnreport.tasks.translation.task import Findings, translation_recipe
from attnreport.tasks.translation.vocabulary import END_MARKER, MARKERS, Vocabulary, text_of

_LUONG = "(Luong, Pham and Manning, 2015)"
_NAMES = {
    "additive": "attention (Bahdanau, Cho and Bengio, 2015)",
    "dot": f"dot-product attention {_LUONG}",
    "general": f"general attention {_LUONG}",
    "concat": f"concat attention {_LUONG}",
    "local-m": f"local monotonic attention {_LUONG}",
    "local-p": f"local predictive attention {_LUONG}",
}
# Scores without parameters would be named after a line of code.
NAME = "decoder.attention"
GROUP = "cross-attention, German to English"


def record_translation(
    *,
    seed: int = 0,
    fresh: bool = False,
    progress: bool = True,
    quick: bool = False,
    attention: str = "additive",
    plan: TranslationPlan | None = None,
) -> Recording:
    """A recording of the translator on sentences it has not seen in training.

    Args:
        seed: Of the training.
        fresh: Whether to train again although the trained model is in the cache.
        progress: Whether to show on standard error how training goes.
        quick: Whether little data and few steps will do.
        attention: How the decoder looks at the source: one of
            `attnreport.models.looking.ATTENTIONS`.
        plan: How to train, in place of what the other arguments say.
    """
    if plan is None:
        plan = TranslationPlan(schedule=Schedule(seed), sizes=RecurrentSizes(attention))
        plan = quick_plan(plan) if quick else plan
    trained = trained_model(translation_recipe(plan), fresh=fresh, progress=progress)
    found = Findings.of(trained.facts)
    pairs = [*held_out_pairs(), *found.examples]
    source = _source(trained, plan, quick_notes(quick=quick))
    return Recording(_examples(trained.model, found, plan, pairs), source, _metrics(found, plan))


def _examples(
    model: Translator, found: Findings, plan: TranslationPlan, pairs: Sequence[SentencePair]
) -> tuple[Example, ...]:
    english = [(*pair.english, END_MARKER) for pair in pairs]
    width, languages = plan.width, found.languages
    rows = translate(model, languages, [pair.english for pair in pairs], width)
    german = [_written(languages.target, row) for row in rows.words]
    captured = capture_attention(
        translate_greedily,
        model,
        jnp.asarray(languages.source.encode([pair.english for pair in pairs], _longest(english))),
        kwargs={"length": _longest(german)},
        tokens=[_axis(words) for words in german],
        key_tokens=[_axis(words) for words in english],
        group=GROUP,
    )
    return tuple(
        _example(pair, example.maps[0], words)
        for pair, example, words in zip(pairs, captured.examples, german, strict=True)
    )


def _written(german: Vocabulary, row: np.ndarray) -> tuple[str, ...]:
    """The words of a translation, with the end marker if the model wrote it."""
    words = german.decode(row.tolist())
    return (*words, END_MARKER) if END in row else tuple(words)


def _longest(sentences: Sequence[Sequence[str]]) -> int:
    return max(map(len, sentences))


def _example(pair: SentencePair, attention: AttentionMap, written: Sequence[str]) -> Example:
    words = tuple(word for word in written if word != END_MARKER)
    right = END_MARKER in written and words == tuple(pair.german)
    reference = pair.alignment() if right else None
    scores = {}
    if reference is not None:
        scores = {"AER": alignment_error_rate(attention.array()[0], reference)}
    return Example(
        text_of(pair.english),
        (dataclasses.replace(attention, name=NAME, reference=reference),),
        text_of(pair.english),
        text_of(words),
        text_of(pair.german),
        scores,
    )


def _axis(tokens: Sequence[str]) -> TokenAxis:
    special = tuple(i for i, token in enumerate(tokens) if token in MARKERS)
    return TokenAxis(tuple(tokens), special)


def _source(
    trained: TrainedModel[Translator], plan: TranslationPlan, notes: Sequence[str]
) -> Source:
    packages = ("jax", "flax", "optax")
    return Source(
        model=f"Recurrent translator with {_NAMES[plan.sizes.attention]}",
        framework="Flax NNX",
        versions={package: importlib.metadata.version(package) for package in packages},
        data=(
            "Test sentences of a small English-German storybook language. A seeded grammar that "
            "ships with attnreport makes them, with the links between their words; the model has "
            "seen none of them in training."
        ),
        created=datetime.date.today().isoformat(),
        notes=(*notes, *_notes(trained, plan)),
    )


def _notes(trained: TrainedModel[Translator], plan: TranslationPlan) -> Iterator[str]:
    yield (
        f"Trained from scratch in {trained.seconds:.0f} s: {trained.epochs:.3g} epochs of "
        f"{plan.corpus.train:,} sentence pairs, {trained.parameters:,} parameters, seed "
        f"{plan.schedule.seed}."
    )
    yield from trained.notes()
    yield (
        "A row of the attention is where the model looked to write that word. The end marker "
        "translates nothing and does not count in the alignment error rate."
    )


def _metrics(found: Findings, plan: TranslationPlan) -> tuple[Metric, ...]:
    quality, sizes = found.quality, plan.corpus
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
