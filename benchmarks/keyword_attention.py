"""Trains the text classifier with each attention, and measures which looks at the right words."""

import argparse
import statistics
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from printing import print_heading, print_table, spread

from attnreport.models.text_classifier import MEAN, TEXT_ATTENTIONS
from attnreport.tasks.keywords.collection import Collection
from attnreport.tasks.keywords.measuring import SHARES
from attnreport.tasks.keywords.plan import KeywordsPlan, load_collection
from attnreport.tasks.keywords.task import Findings, keywords_recipe
from attnreport.tasks.trained import trained_model

COLUMNS = (
    "attention",
    "passages right",
    "precision at 5, title words",
    "precision at 5, tf-idf words",
    "probability without 20 % of words",
    "mean fall",
)
TAKEN = SHARES.index(0.2)
NONE = "–"


class Run(NamedTuple):
    """One seed: its passages, and what was found with each attention."""

    collection: Collection
    found: dict[str, Findings]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each attention")
    parser.add_argument("--data", help="a folder of labelled texts, in place of Python's help")
    arguments = parser.parse_args()
    print_heading("Attention of the text classifier")
    runs = [measured(seed, arguments.data) for seed in range(arguments.seeds)]
    first = runs[0].collection
    print(
        f"{len(runs)} trainings of each, with seeds of their own for what is held out and for the "
        f"parameters: mean ± standard deviation. {len(first.labels)} labels; seed 0 learns from "
        f"{len(first.train):,} passages, chooses the checkpoint on {len(first.validation):,} and "
        f"is measured on {len(first.test):,}. {first.origin}\n"
    )
    print_table(COLUMNS, [*of_models(runs), *of_baselines(runs)])
    print_curves(runs)


def measured(seed: int, data: str | None) -> Run:
    """What each attention is worth after its training, from the cache if it was trained before."""
    collection = load_collection(data, seed=seed)
    found = {}
    for attention in (*TEXT_ATTENTIONS, MEAN):
        plan = KeywordsPlan.of(collection, seed=seed, attention=attention)
        trained = trained_model(keywords_recipe(plan, collection), progress=False)
        found[attention] = Findings.of(trained.facts)
    return Run(collection, found)


def of_models(runs: Sequence[Run]) -> Iterable[list[str]]:
    for attention in TEXT_ATTENTIONS:
        qualities = [run.found[attention].quality for run in runs]
        yield [
            attention,
            spread(each.accuracy for each in qualities),
            spread(each.title.found for each in qualities),
            spread(each.tf_idf.found for each in qualities),
            spread(each.faithfulness.attention[TAKEN] for each in qualities),
            spread(each.faithfulness.fall("attention") for each in qualities),
        ]


def of_baselines(runs: Sequence[Run]) -> Iterable[list[str]]:
    additive = [run.found["additive"] for run in runs]
    untrained = [each.untrained for each in additive if each.untrained is not None]
    means = [run.found[MEAN].quality for run in runs]
    yield [
        "none: the mean of all words (baseline)",
        spread(each.accuracy for each in means),
        spread(each.title.chance for each in means),
        spread(each.tf_idf.chance for each in means),
        *(NONE, NONE),
    ]
    yield [
        "random weights: additive, before training (baseline)",
        spread(each.accuracy for each in untrained),
        spread(each.title.found for each in untrained),
        spread(each.tf_idf.found for each in untrained),
        *(NONE, NONE),
    ]
    for name, order in (("highest tf-idf", "tf_idf"), ("random", "random")):
        faithful = [each.quality.faithfulness for each in additive]
        yield [
            f"{name} words first, taken from additive (baseline)",
            *(NONE, NONE, NONE),
            spread(getattr(each, order)[TAKEN] for each in faithful),
            spread(each.fall(order) for each in faithful),
        ]
    best = [run.found["additive"].quality for run in runs]
    yield [
        "best possible",
        NONE,
        spread(each.title.best for each in best),
        spread(each.tf_idf.best for each in best),
        *(NONE, NONE),
    ]
    yield [
        "most frequent label (baseline)",
        spread(run.collection.most_frequent for run in runs),
        *(NONE, NONE, NONE, NONE),
    ]


def print_curves(runs: Sequence[Run]) -> None:
    print("Mean probability of the predicted label, without a share of the words:\n")
    rows = []
    for attention in TEXT_ATTENTIONS:
        faithful = [run.found[attention].quality.faithfulness for run in runs]
        for name, order in (
            ("heaviest", "attention"),
            ("highest tf-idf", "tf_idf"),
            ("random", "random"),
        ):
            values = zip(*(getattr(each, order) for each in faithful), strict=True)
            rows.append([attention, name, *(f"{statistics.mean(each):.3f}" for each in values)])
    print_table(["attention", "words taken out first", *(f"{share:.0%}" for share in SHARES)], rows)


if __name__ == "__main__":
    main()
