"""Trains the translators, and measures which attention aligns best and where each fails."""

import argparse
import dataclasses
import statistics
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from printing import print_heading, print_table, spread
from word_classes import CLASSES, word_class

from attnreport.analysis.alignment import corpus_alignment_error_rate
from attnreport.models.looking import ATTENTIONS, BASELINE
from attnreport.tasks.trained import trained_model
from attnreport.tasks.translation.corpus import CorpusSizes, make_corpus
from attnreport.tasks.translation.evaluation import Quality, read, references_of
from attnreport.tasks.translation.grammar import SentencePair
from attnreport.tasks.translation.plan import TranslationPlan, translation_plan
from attnreport.tasks.translation.task import Findings, translation_recipe

TRANSFORMER = "Transformer"
SMALL = CorpusSizes(train=10_000, validation=500, test=1_000, longest=10)
SMALL_EPOCHS = {True: 10, False: 6}


class Measured(NamedTuple):
    """What one trained translator is worth.

    Attributes:
        quality: On all test sentences.
        classes: Alignment error rate of the words of each class.
        lengths: Alignment error rate of short, medium and long sentences.
    """

    quality: Quality
    classes: dict[str, float]
    lengths: list[float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each translator")
    parser.add_argument(
        "--small", action="store_true", help="learn from 10,000 short sentences, not from 40,000"
    )
    arguments = parser.parse_args()
    print_heading("Attention of the translators")
    names = (*ATTENTIONS, TRANSFORMER, BASELINE)
    plans = {
        name: [plan_of(name, seed, small=arguments.small) for seed in range(arguments.seeds)]
        for name in names
    }
    found = {name: [measured(plan) for plan in plans[name]] for name in names}
    sizes = plans[TRANSFORMER][0].corpus
    print(
        f"{arguments.seeds} trainings of each, on {sizes.train:,} sentence pairs of up to "
        f"{sizes.longest} words, with seeds of their own for sentences and parameters: mean ± "
        f"standard deviation. Measured on {sizes.test:,} other sentences. The best head is the "
        f"one with the lowest error on {sizes.validation:,} validation sentences; the recurrent "
        "translators have only one.\n"
    )
    print_quality(found)
    print("Alignment error rate of the best head, by the kind of the German word:\n")
    print_classes(found)
    print("The same, by the length of the English sentence:\n")
    print_lengths(found, sizes)


def plan_of(name: str, seed: int, *, small: bool) -> TranslationPlan:
    transformer = name == TRANSFORMER
    plan = translation_plan("transformer" if transformer else "gru", name, seed=seed)
    if not small:
        return plan
    schedule = dataclasses.replace(plan.schedule, epochs=SMALL_EPOCHS[transformer], rounds=1)
    return dataclasses.replace(plan, corpus=SMALL, schedule=schedule)


def measured(plan: TranslationPlan) -> Measured:
    """What a translator is worth after its training, or from the cache if it was trained before."""
    trained = trained_model(translation_recipe(plan), progress=False)
    findings = Findings.of(trained.facts)
    print(plan.sizes, plan.schedule.seed, findings.quality.sentences, file=sys.stderr, flush=True)
    alignment = findings.quality.alignment
    test = make_corpus(plan.corpus, seed=plan.schedule.seed).test
    looked = read(trained.model, findings.languages, test, plan.width).looks
    weights = [each[alignment.layer, alignment.head] for each in looked]

    def error(counts: Callable[[SentencePair, int], bool]) -> float:
        """Alignment error rate of the words that count, each given by sentence and place."""
        pairs = []
        for pair, reference, each in zip(test, references_of(test), weights, strict=True):
            rows = [counts(pair, place) for place in range(len(pair.german))]
            pairs.append((each, reference & np.array([*rows, False])[:, None]))
        return corpus_alignment_error_rate(pairs)

    return Measured(
        findings.quality,
        {
            kind: error(lambda pair, place, kind=kind: word_class(pair.german, place) == kind)
            for kind in CLASSES
        },
        [
            error(lambda pair, _, low=low, high=high: low <= len(pair.english) <= high)
            for low, high in thirds(plan.corpus)
        ],
    )


def thirds(sizes: CorpusSizes) -> list[tuple[int, int]]:
    """Fewest and most words of short, medium and long sentences."""
    parts = np.array_split(np.arange(sizes.shortest, sizes.longest + 1), 3)
    return [(int(part[0]), int(part[-1])) for part in parts]


def print_quality(found: dict[str, list[Measured]]) -> None:
    columns = ["attention", "sentences translated exactly"]
    columns += ["alignment error rate, best head", "a head at random"]
    rows = []
    for name, runs in found.items():
        qualities = [run.quality for run in runs]
        alignments = [quality.alignment for quality in qualities]
        exact = spread(quality.sentences for quality in qualities)
        if name == BASELINE:
            rows.append(["none: the mean of all words (baseline)", exact, "–", "–"])
            rows.append(
                ["the diagonal (baseline)", "–", spread(a.diagonal_error for a in alignments), "–"]
            )
            rows.append(["chance (baseline)", "–", spread(a.random_error for a in alignments), "–"])
        else:
            mean = spread(a.mean_error for a in alignments) if name == TRANSFORMER else "–"
            rows.append([name, exact, spread(a.error for a in alignments), mean])
    print_table(columns, rows)


def print_classes(found: dict[str, list[Measured]]) -> None:
    rows = []
    for name, runs in with_attention(found):
        means = {kind: statistics.mean(run.classes[kind] for run in runs) for kind in CLASSES}
        worst = max(CLASSES, key=means.__getitem__)
        rows.append([name, *(spread(run.classes[kind] for run in runs) for kind in CLASSES), worst])
    print_table(["attention", *CLASSES, "worst"], rows)


def print_lengths(found: dict[str, list[Measured]], sizes: CorpusSizes) -> None:
    columns = [f"{low} to {high} words" for low, high in thirds(sizes)]
    rows = [
        [name, *(spread(run.lengths[part] for run in runs) for part in range(len(columns)))]
        for name, runs in with_attention(found)
    ]
    print_table(["attention", *columns], rows)


def with_attention(found: dict[str, list[Measured]]) -> list[tuple[str, Sequence[Measured]]]:
    return [(name, runs) for name, runs in found.items() if name != BASELINE]


if __name__ == "__main__":
    main()
