"""Trains the translator with each attention, and measures which of them aligns best."""

import argparse
import statistics
from collections.abc import Sequence

from printing import print_heading, print_table

from attnreport.models.looking import ATTENTIONS, BASELINE
from attnreport.tasks.translation.evaluation import Quality
from attnreport.tasks.trained import trained_translator
from attnreport.tasks.training import TrainingPlan


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each attention")
    seeds = range(parser.parse_args().seeds)
    print_heading("Attention of the translator")
    found = {name: measured(name, seeds) for name in (*ATTENTIONS, BASELINE)}
    first = found["additive"]
    rows = [
        [name, spread(q.sentences for q in qualities), spread(q.alignment_error for q in qualities)]
        for name, qualities in found.items()
        if name != BASELINE
    ]
    rows.append([f"{BASELINE} (baseline)", spread(q.sentences for q in found[BASELINE]), "–"])
    rows.append(["the diagonal (baseline)", "–", spread(q.diagonal_error for q in first)])
    rows.append(["chance (baseline)", "–", spread(q.random_error for q in first)])
    print_table(["attention", "sentences translated exactly", "alignment error rate"], rows)


def measured(attention: str, seeds: Sequence[int]) -> list[Quality]:
    """The quality after each training, from the cache if it was trained before."""
    plans = [TrainingPlan(seed=seed, attention=attention) for seed in seeds]
    return [trained_translator(plan).quality for plan in plans]


def spread(values) -> str:
    """Mean and standard deviation."""
    numbers = list(values)
    deviation = statistics.stdev(numbers) if len(numbers) > 1 else 0.0
    return f"{statistics.mean(numbers):.3f} ± {deviation:.3f}"


if __name__ == "__main__":
    main()
