"""The translation demo: trains a translator and records what it looks at."""

import dataclasses
import datetime
import importlib.metadata
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from attnreport.analysis import recorded_importance
from attnreport.models.transformer_layers import TransformerSizes
from attnreport.recording import Metric, Recording, Source
from attnreport.tasks.demos import quick_notes
from attnreport.tasks.trained import TrainedModel, trained_model
from attnreport.tasks.translation.corpus import held_out_pairs
from attnreport.tasks.translation.evaluation import Alignment, Quality
from attnreport.tasks.translation.examples import record_examples
from attnreport.tasks.translation.own_data import read_sentence_pairs
from attnreport.tasks.translation.plan import TranslationPlan, translation_plan
from attnreport.tasks.translation.systems import System
from attnreport.tasks.translation.task import Findings, translation_recipe
from attnreport.tasks.translation.trust import Removals

_LUONG = "(Luong, Pham and Manning, 2015)"
_NAMES = {
    "additive": "attention (Bahdanau, Cho and Bengio, 2015)",
    "dot": f"dot-product attention {_LUONG}",
    "general": f"general attention {_LUONG}",
    "concat": f"concat attention {_LUONG}",
    "local-m": f"local monotonic attention {_LUONG}",
    "local-p": f"local predictive attention {_LUONG}",
}


def record_translation(
    *,
    seed: int = 0,
    fresh: bool = False,
    progress: bool = True,
    quick: bool = False,
    data: Path | None = None,
    model: str = "gru",
    attention: str = "additive",
    plan: TranslationPlan | None = None,
) -> Recording:
    """A recording of a translator on sentences it has not seen in training.

    Args:
        seed: Of the training.
        fresh: Whether to train again although the trained model is in the cache.
        progress: Whether to show on standard error how training goes.
        quick: Whether little data and few steps will do.
        data: A file or folder of sentence pairs to learn from, as
            `attnreport.tasks.translation.own_data` reads them; None for the grammar's.
        model: `gru` for the recurrent translator, or `transformer`.
        attention: How the decoder of the recurrent one looks at the source: one of
            `attnreport.models.looking.ATTENTIONS`.
        plan: How to train, in place of what the other arguments say.

    Raises:
        DataError: The data are not sentence pairs.
    """
    plan = plan or translation_plan(model, attention, seed=seed, quick=quick)
    own = None if data is None else read_sentence_pairs(data)
    if own is not None:
        plan = own.plan(plan)
    recipe = translation_recipe(plan, own)
    trained = trained_model(recipe, fresh=fresh, progress=progress)
    found = Findings.of(trained.facts)
    pairs = found.examples if own else (*held_out_pairs(), *found.examples)
    examples = record_examples(
        trained.model,
        found.languages,
        pairs,
        width=plan.width,
        alignment=found.quality.alignment,
    )
    source = dataclasses.replace(
        _source(trained, plan),
        notes=(*quick_notes(quick=quick), *_notes(trained, plan, found.quality.alignment)),
    )
    recording = Recording(
        examples,
        source,
        tuple(_metrics(found.quality, plan)),
        training=trained.training("words right", "sentences right"),
        deletion=found.removals.deletion,
    )
    return _with_importance(recording, found.removals)


def _with_importance(recording: Recording, removals: Removals) -> Recording:
    """The recording with what the model loses without each of several heads."""
    if not removals.heads:
        return recording
    importance = recorded_importance(
        recording,
        removals.heads,
        np.array(removals.scores),
        score="probability of the right words",
        data=f"{len(removals.scores[0])} test sentences, mean",
    )
    return dataclasses.replace(recording, importance=importance)


def _source(trained: TrainedModel[System], plan: TranslationPlan) -> Source:
    packages = ("jax", "flax", "optax")
    return Source(
        model=_model_name(plan),
        framework="Flax NNX",
        versions={package: importlib.metadata.version(package) for package in packages},
        step=trained.step,
        data=plan.data
        or (
            "Test sentences of a small English-German storybook language. A seeded grammar that "
            "ships with attnreport makes them, with the links between their words; the model has "
            "seen none of them in training."
        ),
        created=datetime.date.today().isoformat(),
    )


def _model_name(plan: TranslationPlan) -> str:
    sizes = plan.sizes
    if isinstance(sizes, TransformerSizes):
        return (
            f"Encoder-decoder Transformer (Vaswani et al., 2017), {sizes.layers} layers of "
            f"{sizes.heads} heads each"
        )
    return f"Recurrent translator with {_NAMES[sizes.attention]}"


def _notes(
    trained: TrainedModel[System], plan: TranslationPlan, alignment: Alignment | None
) -> Iterator[str]:
    yield (
        f"Trained from scratch in {trained.seconds:.0f} s: {trained.epochs:.3g} epochs of "
        f"{plan.corpus.train:,} sentence pairs, {trained.parameters:,} parameters, seed "
        f"{plan.schedule.seed}."
    )
    yield from trained.notes()
    yield "A row of the cross-attention is where the model looked to write that word."
    if isinstance(plan.sizes, TransformerSizes):
        yield (
            "A row of the decoder's self-attention belongs to a word that was read, and looks at "
            "it and those before it to write the next word."
        )
    if alignment is None:
        yield (
            "Nobody has linked the words of these sentences, so how well attention aligns them "
            "was not measured."
        )
        return
    yield "The end marker translates nothing and does not count in the alignment error rate."
    if isinstance(plan.sizes, TransformerSizes):
        yield (
            f"AER of an example is that of layer {alignment.layer}, head {alignment.head}, which "
            "aligns best on the validation sentences."
        )


def _metrics(quality: Quality, plan: TranslationPlan) -> Iterator[Metric]:
    on_test = f"of {plan.corpus.test:,} test sentences"
    yield Metric(
        "sentences translated exactly",
        quality.sentences,
        f"Share {on_test} whose translation is the reference, word for word.",
        percent=True,
    )
    if quality.alignment is not None:
        yield from _alignment_metrics(quality.alignment, on_test)
    yield Metric(
        "words right",
        quality.words,
        f"Share of the words {on_test} that are the likeliest, given the right words before.",
        percent=True,
    )
    yield Metric("training sentence pairs", plan.corpus.train, "All different.")


def _alignment_metrics(alignment: Alignment, on_test: str) -> Iterator[Metric]:
    several = sum(map(len, alignment.heads)) > 1
    of_head = (
        f" This is layer {alignment.layer}, head {alignment.head}, the best one on the validation "
        "sentences."
    )
    yield Metric(
        "alignment error rate",
        alignment.error,
        f"Of the strongest attention in each row against the known links {on_test}. 0: every word "
        "looks most at a word it translates; 1: none does. Looking along the diagonal gives "
        f"{alignment.diagonal_error:.3g}, looking at random {alignment.random_error:.3g}."
        + of_head
        * several,
    )
    if several:
        yield Metric(
            "alignment error rate, mean of heads",
            alignment.mean_error,
            "The same over all heads of all cross-attention: what a head drawn at random has.",
        )
    yield Metric(
        "alignment error rate of the diagonal",
        alignment.diagonal_error,
        "The same if each word looked at its own place in the other sentence.",
    )
    yield Metric(
        "alignment error rate of chance",
        alignment.random_error,
        "The same, on average, if each word looked at a word drawn at random.",
    )
