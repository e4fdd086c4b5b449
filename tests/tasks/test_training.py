import dataclasses

import jax
import numpy as np
import pytest
from flax import nnx

from attnreport.tasks.batches import Languages
from attnreport.tasks.checkpoints import Checkpoints
from attnreport.tasks.corpus import make_corpus
from attnreport.tasks.training import (
    Trained,
    Trainer,
    TrainingPlan,
    bucket_widths,
    load_model,
    new_model,
    translator_sizes,
)

pytestmark = pytest.mark.usefixtures("compiled_quickly")


class Watcher:
    """Remembers what it was told, and interrupts at a step if it was asked to."""

    def __init__(self, interrupt_at: int | None = None) -> None:
        self.steps, self.scores, self.losses = 0, [], []
        self.interrupt_at = interrupt_at
        self.begun: tuple[int, int] | None = None

    def begin(self, steps, done):
        self.begun = steps, done

    def step(self, losses):
        self.steps += 1
        self.losses.append(float(losses.loss))
        if self.steps == self.interrupt_at:
            raise KeyboardInterrupt

    def validated(self, accuracy):
        self.scores.append(accuracy)


@pytest.fixture(scope="module")
def trainer(small_plan) -> Trainer:
    return trainer_of(small_plan)


def trainer_of(plan: TrainingPlan) -> Trainer:
    corpus = make_corpus(plan.corpus, seed=plan.seed)
    return Trainer(plan, corpus, Languages.of(corpus.train))


@pytest.fixture(scope="module")
def whole(trainer) -> tuple[Trained, Watcher]:
    """One training from its start to its end."""
    watcher = Watcher()
    return trainer.train(None, watcher), watcher


def parameters(trained: Trained) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(nnx.state(trained.model, nnx.Param))]


def same(one: Trained, other: Trained) -> bool:
    pairs = zip(parameters(one), parameters(other), strict=True)
    return all(np.array_equal(*pair) for pair in pairs)


def test_training_lowers_the_loss_and_reports_every_step_and_round(whole, small_plan):
    trained, watcher = whole
    assert watcher.begun == (watcher.steps, 0)
    assert watcher.scores == [score for score, _ in trained.history]
    assert len(watcher.scores) == small_plan.epochs * small_plan.rounds
    assert np.mean(watcher.losses[-5:]) < 0.9 * np.mean(watcher.losses[:5])
    assert not trained.interrupted


def test_the_same_seed_gives_the_same_model_twice(whole, small_plan):
    trained, watcher = whole
    again_watcher = Watcher()
    again = trainer_of(small_plan).train(None, again_watcher)
    assert same(trained, again)
    assert watcher.losses == again_watcher.losses
    assert watcher.scores == again_watcher.scores


def test_another_seed_gives_another_model_and_another_order(trainer, small_plan, monkeypatch):
    sizes = translator_sizes(small_plan, trainer.languages)
    first, second = (new_model(sizes, seed).encoder.embedding.embedding[...] for seed in (0, 1))
    assert not np.allclose(first, second)
    before = trainer._round(0)[0].source
    monkeypatch.setattr(trainer, "plan", dataclasses.replace(small_plan, seed=1))
    assert not np.array_equal(before, trainer._round(0)[0].source)


def test_an_interrupted_training_goes_on_to_the_same_end(trainer, whole, tmp_path):
    trained, watcher = whole
    two_rounds = sum(len(trainer._round(number)) for number in range(2))
    with Checkpoints(tmp_path / "states") as checkpoints:
        stopped = trainer.train(checkpoints, Watcher(interrupt_at=two_rounds + 3))
    assert stopped.interrupted
    assert len(stopped.history) == 2
    with Checkpoints(tmp_path / "states") as checkpoints:
        rest = Watcher()
        resumed = trainer.train(checkpoints, rest)
    assert rest.begun == (watcher.steps, two_rounds)
    assert rest.steps == watcher.steps - two_rounds
    assert [score for score, _ in resumed.history] == watcher.scores
    assert same(resumed, trained)


def test_an_interrupt_before_the_first_round_keeps_the_last_step(trainer):
    stopped = trainer.train(None, Watcher(interrupt_at=3))
    assert stopped.interrupted
    assert (stopped.best, stopped.history) == (0, [])
    first = jax.tree.leaves(trainer.first.parameters)
    assert not all(map(np.array_equal, parameters(stopped), first))


def scored(monkeypatch, trainer: Trainer, scores: list[float]) -> None:
    """Lets validation find the given scores, one a round."""
    left = iter(scores)
    monkeypatch.setattr(trainer, "_score", lambda state: next(left))


@pytest.mark.parametrize(
    ("scores", "rounds", "best"),
    [([0.5, 0.4, 0.3, 0.6], 4, 4), ([0.5, 0.5, 0.2, 0.1], 4, 2), ([0.3, 0.6, 0.5, 0.4], 4, 2)],
)
def test_the_best_round_is_kept_in_memory_and_on_disk(
    monkeypatch, trainer, tmp_path, small_plan, scores, rounds, best
):
    scored(monkeypatch, trainer, scores)
    with Checkpoints(tmp_path / "states") as checkpoints:
        trained = trainer.train(checkpoints, Watcher())
        assert (len(trained.history), trained.best) == (rounds, best)
        model = load_model(small_plan, trainer.languages, checkpoints)
    assert same(trained, dataclasses.replace(trained, model=model))


def test_training_stops_early_when_it_gets_no_better(monkeypatch, trainer, small_plan):
    monkeypatch.setattr(trainer, "plan", dataclasses.replace(small_plan, epochs=3, patience=2))
    scored(monkeypatch, trainer, [0.1, 0.4, 0.3, 0.2, 0.9, 0.9])
    trained = trainer.train(None, Watcher())
    assert [score for score, _ in trained.history] == [0.1, 0.4, 0.3, 0.2]
    assert trained.best == 2


def test_without_a_checkpoint_there_is_no_model_to_load(trainer, tmp_path, small_plan):
    with (
        Checkpoints(tmp_path / "states") as checkpoints,
        pytest.raises(LookupError, match="no checkpoint"),
    ):
        load_model(small_plan, trainer.languages, checkpoints)


def test_dropout_changes_from_step_to_step(small_plan):
    plan = dataclasses.replace(small_plan, dropout=0.5, epochs=1)
    trainer = trainer_of(plan)
    batch = trainer._round(0)[0]
    # Parameters as before, but the step counted on: what differs is only what was dropped.
    state, first = trainer._step(trainer.first, batch)
    _, second = trainer._step(trainer.first._replace(step=state.step), batch)
    _, again = trainer._step(trainer.first, batch)
    assert float(first.loss) != float(second.loss)
    assert float(first.loss) == float(again.loss)


def test_widths_of_batches_end_with_the_longest_sentence():
    assert bucket_widths(17) == (8, 12, 17)
    assert bucket_widths(11) == (8, 11)
    assert bucket_widths(6) == (6,)
