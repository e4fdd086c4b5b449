"""A trained model of any task: trained now, or found in the cache."""

import contextlib
import dataclasses
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, Protocol

from attnreport._errors import AttnReportError
from attnreport.recording import Curve, Training
from attnreport.tasks.cache import cache_folder, cache_key, locked
from attnreport.tasks.checkpoints import Checkpoints, Round
from attnreport.tasks.interrupts import Interrupts
from attnreport.tasks.progress import TrainingProgress, announce
from attnreport.tasks.training import Model, Task, Trainer, load_model, parameter_count

# What JSON can keep.
Facts = Mapping[str, Any]


class MeasuredTask(Task[Model], Protocol[Model]):
    """A task that can say of a trained model what is worth keeping with it."""

    def facts(self, model: Model) -> Facts:
        """What was measured, and what else the next run needs to know, for JSON to keep."""
        ...


@dataclasses.dataclass(frozen=True)
class Recipe(Generic[Model]):
    """How to come by a trained model.

    Attributes:
        name: What the model is called in the cache, such as the name of its demo.
        plan: Everything that training depends on besides code and machine: a dataclass of
            numbers and texts, told apart by its `repr`.
        sources: The code that only this task depends on, as paths inside of the package; see
            `attnreport.tasks.cache`.
        task: Makes the task. It gets the facts that were kept with a trained model, or None
            where there are none: so a task whose facts say enough need not make its data again.
    """

    name: str
    plan: Any
    sources: Sequence[str]
    task: Callable[[Facts | None], MeasuredTask[Model]]


@dataclasses.dataclass(frozen=True)
class TrainedModel(Generic[Model]):
    """A trained model and what was measured about it.

    Attributes:
        model: The model, in evaluation mode.
        task: Its task.
        facts: What the task says of the model, as JSON gives it back.
        history: Numbers about each round of training.
        best: Number of the round whose parameters were kept; 0 if there was none.
        interrupted: Whether training was stopped before its end.
        kept: Whether it is in the cache for the next time.
    """

    model: Model
    task: MeasuredTask[Model]
    facts: Facts
    history: tuple[Round, ...]
    best: int
    interrupted: bool = False
    kept: bool = True

    @property
    def parameters(self) -> int:
        """Number of parameters."""
        return parameter_count(self.model)

    @property
    def seconds(self) -> float:
        """Seconds of training, compilation included, data generation and tests not."""
        return sum(entry.seconds for entry in self.history)

    @property
    def epochs(self) -> float:
        """How many epochs it was trained."""
        return len(self.history) / self.task.schedule.rounds

    @property
    def step(self) -> int | None:
        """Steps of training up to the parameters that were kept; None if that is not known."""
        return self.history[self.best - 1].step if self.best else None

    def training(self, accuracy: str = "accuracy", score: str = "accuracy") -> Training | None:
        """How training went, for a recording; None if it was interrupted before the first round.

        Args:
            accuracy: What the accuracy of training batches is called.
            score: What the validation score is called; by another name it has an axis of its own.
        """
        if not self.history:
            return None
        steps, losses, accuracies, scores, _ = zip(*self.history, strict=True)
        curves = (
            Curve("training loss", steps, losses),
            Curve(f"training {accuracy}", steps, accuracies),
            Curve(f"validation {score}", steps, scores),
        )
        return Training(curves, self.step)

    def notes(self) -> Iterator[str]:
        """What a report should say about an interrupted training."""
        if self.interrupted:
            found = f"round {self.best} of {len(self.history)}" if self.best else "the last step"
            yield (
                f"Training was interrupted; this is the model of {found}. The next run goes on "
                "where this one stopped."
            )


def trained_model(
    recipe: Recipe[Model], *, fresh: bool = False, progress: bool = True
) -> TrainedModel[Model]:
    """The model of a recipe, from the cache if it has been trained before.

    Training that was interrupted goes on where it was. Where the cache cannot be written, the
    model is trained and not kept.

    Args:
        recipe: What to train, and how.
        fresh: Whether to train again although it is in the cache.
        progress: Whether to show on standard error how it goes.
    """
    folder = _folder(recipe)
    if folder is None:
        return _train(recipe, None, progress=progress)
    with locked(folder), _removed_if_refused(folder):
        if fresh:
            _clear(folder)
        found = _load(recipe, folder)
        if found is not None:
            announce("The model was trained before.", shown=progress)
            return found
        return _train(recipe, folder, progress=progress)


def _folder(recipe: Recipe[Model]) -> Path | None:
    key = cache_key(recipe.plan, sources=recipe.sources)
    folder = cache_folder() / f"{recipe.name}-{key}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None


@contextlib.contextmanager
def _removed_if_refused(folder: Path) -> Iterator[None]:
    """Leaves no empty folder behind where the data turn out to be no data to learn from."""
    try:
        yield
    except AttnReportError:
        states = folder / "states"
        if not (folder / "summary.json").exists() and not any(states.glob("*")):
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _clear(folder: Path) -> None:
    (folder / "summary.json").unlink(missing_ok=True)
    shutil.rmtree(folder / "states", ignore_errors=True)


def _train(recipe: Recipe[Model], folder: Path | None, *, progress: bool) -> TrainedModel[Model]:
    task = recipe.task(None)
    watcher = TrainingProgress(task.scored, shown=progress)
    with watcher, _checkpoints(folder) as checkpoints, Interrupts() as interrupts:
        done = Trainer(task).train(checkpoints, watcher, interrupts)
    if done.interrupted:
        announce("Interrupted: going on with the best so far.", shown=progress)
    summary = {
        # As JSON gives it back, so that it is the same the next time.
        "facts": json.loads(json.dumps(dict(task.facts(done.model)))),
        "history": done.history,
        "best": done.best,
    }
    kept = folder is not None and not done.interrupted
    if folder is not None and kept:
        _write_summary(folder / "summary.json", summary)
    return TrainedModel(
        done.model,
        task,
        summary["facts"],
        done.history,
        done.best,
        interrupted=done.interrupted,
        kept=kept,
    )


@contextlib.contextmanager
def _checkpoints(folder: Path | None) -> Iterator[Checkpoints | None]:
    if folder is None:
        yield None
        return
    with Checkpoints(folder / "states") as checkpoints:
        yield checkpoints


def _load(recipe: Recipe[Model], folder: Path) -> TrainedModel[Model] | None:
    """The model in the folder; None if there is none that was trained to the end."""
    path = folder / "summary.json"
    if not path.exists():
        return None
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
        history = tuple(Round(*entry) for entry in summary["history"])
        task = recipe.task(summary["facts"])
        with Checkpoints(folder / "states") as checkpoints:
            model = load_model(task, checkpoints)
        return TrainedModel(model, task, summary["facts"], history, summary["best"])
    # What is damaged, or not ours, is mended by training again.
    except (LookupError, OSError, TypeError, ValueError):
        _clear(folder)
        return None


def _write_summary(path: Path, summary: Mapping[str, Any]) -> None:
    """Writes what the next run needs besides the states; it is there whole or not at all."""
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(summary, ensure_ascii=False), encoding="utf-8")
    unfinished.replace(path)
