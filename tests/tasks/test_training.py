import dataclasses
import signal

import jax
import numpy as np
import pytest
from flax import nnx

from attnreport.tasks.checkpoints import Checkpoints, Round
from attnreport.tasks.interrupts import Interrupts
from attnreport.tasks.training import (
    Schedule,
    Trained,
    Trainer,
    load_model,
    new_model,
    parameter_count,
)
from tests.tasks.comparing import NUMBERS, Comparing, ComparingPlan


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
        self.losses.append((float(losses.loss), float(losses.accuracy)))
        if self.steps == self.interrupt_at:
            raise KeyboardInterrupt

    def validated(self, score):
        self.scores.append(score)


def trainer_of(plan: ComparingPlan) -> Trainer:
    return Trainer(Comparing(plan))


@pytest.fixture(scope="module")
def plan() -> ComparingPlan:
    return ComparingPlan()


@pytest.fixture
def trainer(plan) -> Trainer:
    return trainer_of(plan)


@pytest.fixture(scope="module")
def whole(plan) -> tuple[Trained, Watcher]:
    """One training from its start to its end."""
    watcher = Watcher()
    return trainer_of(plan).train(None, watcher), watcher


def parameters(trained: Trained) -> list[np.ndarray]:
    return [np.asarray(leaf) for leaf in jax.tree.leaves(nnx.state(trained.model, nnx.Param))]


def same(one: Trained, other: Trained) -> bool:
    pairs = zip(parameters(one), parameters(other), strict=True)
    return all(np.array_equal(*pair) for pair in pairs)


def numbers(trained: Trained) -> list[tuple[float, ...]]:
    """The history without the seconds, which nobody can repeat."""
    return [entry[:-1] for entry in trained.history]


def test_training_lowers_the_loss_and_reports_every_step_and_round(whole):
    trained, watcher = whole
    assert watcher.begun == (40, 0)
    assert watcher.steps == 40
    assert watcher.scores == [entry.score for entry in trained.history]
    assert len(watcher.scores) == 8
    losses = [loss for loss, _ in watcher.losses]
    assert np.mean(losses[-5:]) < 0.6 * np.mean(losses[:5])
    assert trained.history[-1].score > 0.8
    assert not trained.interrupted


def test_history_has_the_means_of_each_round(whole):
    trained, watcher = whole
    assert [entry.step for entry in trained.history] == [5, 10, 15, 20, 25, 30, 35, 40]
    for number, entry in enumerate(trained.history):
        found = np.mean(watcher.losses[5 * number : 5 * number + 5], axis=0)
        np.testing.assert_allclose([entry.loss, entry.accuracy], found, rtol=1e-5)
        assert entry.seconds > 0


def test_the_model_that_comes_out_is_in_evaluation_mode(plan):
    trained = trainer_of(dataclasses.replace(plan, dropout=0.9)).train(None, Watcher(1))
    ones = np.ones((1, NUMBERS), np.float32)
    np.testing.assert_allclose(trained.model(ones), trained.model.scores(ones), rtol=1e-6)


def test_the_same_seed_gives_the_same_model_twice(whole, plan):
    trained, watcher = whole
    again_watcher = Watcher()
    again = trainer_of(plan).train(None, again_watcher)
    assert same(trained, again)
    assert watcher.losses == again_watcher.losses
    assert numbers(trained) == numbers(again)


def test_another_seed_gives_another_model(plan):
    first, second = (new_model(Comparing(plan), seed).scores.kernel[...] for seed in (0, 1))
    assert not np.allclose(first, second)


def test_an_interrupted_training_goes_on_to_the_same_end(trainer, whole, tmp_path):
    trained, _ = whole
    with Checkpoints(tmp_path / "states") as checkpoints:
        stopped = trainer.train(checkpoints, Watcher(interrupt_at=13))
    assert stopped.interrupted
    assert (len(stopped.history), stopped.best) == (2, 2)
    with Checkpoints(tmp_path / "states") as checkpoints:
        rest = Watcher()
        resumed = trainer.train(checkpoints, rest)
    assert rest.begun == (40, 10)
    assert rest.steps == 30
    assert numbers(resumed) == numbers(trained)
    assert same(resumed, trained)


def test_an_interrupt_before_the_first_round_keeps_the_last_step(trainer):
    stopped = trainer.train(None, Watcher(interrupt_at=3))
    assert stopped.interrupted
    assert (stopped.best, stopped.history) == (0, ())
    first = jax.tree.leaves(trainer.first.parameters)
    assert not all(map(np.array_equal, parameters(stopped), first))


def test_an_interrupt_before_the_first_step_ends_it_all(trainer, monkeypatch):
    def interrupted(state, batch):
        raise KeyboardInterrupt

    monkeypatch.setattr(trainer, "_step", interrupted)
    with pytest.raises(KeyboardInterrupt, match="before the first training step"):
        trainer.train(None, Watcher())


def test_in_a_hurry_the_first_parameters_are_the_same_but_for_rounding(plan):
    hurried = dataclasses.replace(plan, schedule=dataclasses.replace(plan.schedule, hurried=True))
    first, other = (new_model(Comparing(each), 0) for each in (plan, hurried))
    np.testing.assert_allclose(first.scores.kernel[...], other.scores.kernel[...], atol=1e-6)


@pytest.mark.usefixtures("usual_interrupts")
@pytest.mark.parametrize("at", [1, 4])
def test_an_interrupt_is_obeyed_after_the_step_that_it_came_in(trainer, monkeypatch, at):
    step, steps = trainer._step, []

    def interrupted(state, batch):
        steps.append(batch)
        if len(steps) == at:
            signal.raise_signal(signal.SIGINT)
        return step(state, batch)

    monkeypatch.setattr(trainer, "_step", interrupted)
    with Interrupts() as interrupts:
        if at == 1:
            with pytest.raises(KeyboardInterrupt, match="before the first training step"):
                trainer.train(None, Watcher(), interrupts)
        else:
            stopped = trainer.train(None, Watcher(), interrupts)
            assert (stopped.interrupted, stopped.best) == (True, 0)
    assert len(steps) == at


def test_what_an_interrupt_left_half_written_is_removed(tmp_path, caplog):
    states = tmp_path / "states"
    half = states / "2.orbax-checkpoint-tmp"
    (half / "state").mkdir(parents=True)
    with Checkpoints(states) as checkpoints:
        assert not half.exists()
        checkpoints.save([Round(5, 1.0, 0.5, 0.5, 0.1)] * 2, {"a": np.ones(3)})
        assert checkpoints.last({"a": np.ones(3)}) is not None
    assert "temporary directory" not in caplog.text


def scored(monkeypatch, trainer: Trainer, scores: list[float]) -> None:
    """Lets validation find the given scores, one a round."""
    left = iter(scores)
    monkeypatch.setattr(trainer, "_score", lambda state: next(left))


@pytest.fixture
def few_rounds() -> Trainer:
    return trainer_of(ComparingPlan(Schedule(epochs=2)))


@pytest.mark.parametrize(
    ("scores", "rounds", "best"),
    [
        ([0.5, 0.4, 0.3, 0.6], 4, 4),
        ([0.5, 0.5, 0.2, 0.1], 4, 2),
        ([0.3, 0.6, 0.5, 0.4], 4, 2),
        ([-0.3, -0.6, -0.5, -0.4], 4, 1),
    ],
)
def test_the_best_round_is_kept_in_memory_and_on_disk(
    monkeypatch, few_rounds, tmp_path, scores, rounds, best
):
    scored(monkeypatch, few_rounds, scores)
    with Checkpoints(tmp_path / "states") as checkpoints:
        trained = few_rounds.train(checkpoints, Watcher())
        assert (len(trained.history), trained.best) == (rounds, best)
        model = load_model(few_rounds.task, checkpoints)
    assert same(trained, dataclasses.replace(trained, model=model))


def test_training_stops_early_when_it_gets_no_better(monkeypatch):
    trainer = trainer_of(ComparingPlan(Schedule(epochs=3, patience=2)))
    scored(monkeypatch, trainer, [0.1, 0.4, 0.3, 0.2, 0.9, 0.9])
    trained = trainer.train(None, Watcher())
    assert [entry.score for entry in trained.history] == [0.1, 0.4, 0.3, 0.2]
    assert trained.best == 2


def test_without_a_checkpoint_there_is_no_model_to_load(trainer, tmp_path):
    with (
        Checkpoints(tmp_path / "states") as checkpoints,
        pytest.raises(LookupError, match="no checkpoint"),
    ):
        load_model(trainer.task, checkpoints)


def test_dropout_and_keys_change_from_step_to_step(plan, monkeypatch):
    trainer = trainer_of(dataclasses.replace(plan, dropout=0.5))
    usual = trainer.task.loss

    def with_key(model, batch, key):
        return usual(model, batch, key)._replace(accuracy=jax.random.uniform(key))

    monkeypatch.setattr(trainer.task, "loss", with_key)
    batch = trainer.task.batches(0)[0]
    # Parameters as before, but the step counted on: what differs is only what was drawn.
    state, first = trainer._step(trainer.first, batch)
    _, second = trainer._step(trainer.first._replace(step=state.step), batch)
    _, again = trainer._step(trainer.first, batch)
    assert float(first.loss) != float(second.loss)
    assert float(first.accuracy) != float(second.accuracy)
    assert tuple(map(float, first)) == tuple(map(float, again))


def test_weight_decay_takes_parameters_away():
    sizes = []
    for decay in (0.0, 0.5):
        trained = trainer_of(ComparingPlan(Schedule(epochs=2, weight_decay=decay))).train(
            None, Watcher()
        )
        sizes.append(sum(float(np.square(each).sum()) for each in parameters(trained)))
    assert sizes[1] < sizes[0]


def test_parameters_are_counted(trainer):
    assert parameter_count(new_model(trainer.task, 0)) == NUMBERS * NUMBERS + NUMBERS
