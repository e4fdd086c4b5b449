"""A trained translator: trained now, or found in the cache."""

import contextlib
import dataclasses
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
from flax import nnx

from attnreport.models.translator import Translator
from attnreport.tasks.batches import Languages
from attnreport.tasks.cache import cache_folder, cache_key, locked
from attnreport.tasks.checkpoints import Checkpoints, History
from attnreport.tasks.corpus import make_corpus
from attnreport.tasks.evaluation import Quality, measure, sentences_right
from attnreport.tasks.grammar import SentencePair
from attnreport.tasks.progress import TrainingProgress, announce
from attnreport.tasks.selection import choose_examples
from attnreport.tasks.training import Trainer, TrainingPlan, load_model
from attnreport.tasks.vocabulary import Vocabulary


@dataclasses.dataclass(frozen=True)
class TrainedTranslator:
    """A trained translator and what was measured about it.

    Attributes:
        plan: How it was trained.
        model: The model, in evaluation mode.
        languages: Its vocabularies.
        quality: Its quality on the test sentences.
        examples: Test sentences worth looking at.
        history: Share of validation sentences right after each round of training, and seconds.
        best: Number of the round whose parameters were kept; 0 if there was none.
        interrupted: Whether training was stopped before its end.
        kept: Whether it is in the cache for the next time.
    """

    plan: TrainingPlan
    model: Translator
    languages: Languages
    quality: Quality
    examples: tuple[SentencePair, ...]
    history: History
    best: int
    interrupted: bool = False
    kept: bool = True

    @property
    def parameters(self) -> int:
        """Number of parameters."""
        leaves = jax.tree.leaves(nnx.state(self.model, nnx.Param))
        return sum(leaf.size for leaf in leaves)

    @property
    def seconds(self) -> float:
        """Seconds of training, compilation included, data generation and tests not."""
        return sum(seconds for _, seconds in self.history)


def trained_translator(
    plan: TrainingPlan, *, fresh: bool = False, progress: bool = True
) -> TrainedTranslator:
    """The translator of a plan, from the cache if it has been trained before.

    Training that was interrupted goes on where it was. Where the cache cannot be written, the
    model is trained and not kept.

    Args:
        plan: How to train it.
        fresh: Whether to train again although it is in the cache.
        progress: Whether to show on standard error how it goes.
    """
    folder = _folder(plan)
    if folder is None:
        return _train(plan, None, progress=progress)
    with locked(folder):
        if fresh:
            _clear(folder)
        found = _load(plan, folder)
        if found is not None:
            announce("The translator was trained before.", shown=progress)
            return found
        return _train(plan, folder, progress=progress)


def _folder(plan: TrainingPlan) -> Path | None:
    folder = cache_folder() / f"translation-{cache_key(plan)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None


def _clear(folder: Path) -> None:
    (folder / "summary.json").unlink(missing_ok=True)
    shutil.rmtree(folder / "states", ignore_errors=True)


def _train(plan: TrainingPlan, folder: Path | None, *, progress: bool) -> TrainedTranslator:
    corpus = make_corpus(plan.corpus, seed=plan.seed)
    languages = Languages.of(corpus.train)
    with TrainingProgress(shown=progress) as watcher, _checkpoints(folder) as checkpoints:
        done = Trainer(plan, corpus, languages).train(checkpoints, watcher)
    if done.interrupted:
        announce("Interrupted: going on with the best so far.", shown=progress)
    right = sentences_right(done.model, languages, corpus.test, plan.width)
    trained = TrainedTranslator(
        plan,
        done.model,
        languages,
        measure(done.model, languages, corpus.test, plan.width, right),
        tuple(choose_examples(corpus.test, right.tolist())),
        done.history,
        done.best,
        interrupted=done.interrupted,
        kept=folder is not None and not done.interrupted,
    )
    if folder is not None and trained.kept:
        _write_summary(folder / "summary.json", trained)
    return trained


@contextlib.contextmanager
def _checkpoints(folder: Path | None) -> Iterator[Checkpoints | None]:
    if folder is None:
        yield None
        return
    with Checkpoints(folder / "states") as checkpoints:
        yield checkpoints


def _load(plan: TrainingPlan, folder: Path) -> TrainedTranslator | None:
    """The translator in the folder; None if there is none that was trained to the end."""
    path = folder / "summary.json"
    if not path.exists():
        return None
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
        return _from_summary(plan, summary, folder)
    # What is damaged, or not ours, is mended by training again.
    except (LookupError, OSError, TypeError, ValueError):
        _clear(folder)
        return None


def _from_summary(plan: TrainingPlan, summary: dict[str, Any], folder: Path) -> TrainedTranslator:
    languages = Languages(
        Vocabulary(tuple(summary["source words"])), Vocabulary(tuple(summary["target words"]))
    )
    examples = tuple(
        SentencePair(tuple(english), tuple(german), tuple(tuple(link) for link in links))
        for english, german, links in summary["examples"]
    )
    with Checkpoints(folder / "states") as checkpoints:
        model = load_model(plan, languages, checkpoints)
    return TrainedTranslator(
        plan,
        model,
        languages,
        Quality(**summary["quality"]),
        examples,
        [(score, seconds) for score, seconds in summary["history"]],
        summary["best"],
    )


def _write_summary(path: Path, trained: TrainedTranslator) -> None:
    """Writes what the next run needs besides the states; it is there whole or not at all."""
    summary = {
        "source words": trained.languages.source.words,
        "target words": trained.languages.target.words,
        "quality": dataclasses.asdict(trained.quality),
        "examples": [(pair.english, pair.german, pair.links) for pair in trained.examples],
        "history": trained.history,
        "best": trained.best,
    }
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(summary, ensure_ascii=False), encoding="utf-8")
    unfinished.replace(path)
