import dataclasses
import json
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
from flax import nnx

from attnreport._errors import DataError
from attnreport.tasks import trained as module
from attnreport.tasks.cache import cache_key
from attnreport.tasks.progress import TrainingProgress
from attnreport.tasks.trained import TrainedModel, trained_model
from tests.tasks.comparing import Comparing, ComparingPlan, comparing_recipe

PLAN = ComparingPlan()
RECIPE = comparing_recipe(PLAN)


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> tuple[TrainedModel, Path]:
    """A small model trained once, and the cache it lies in."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ATTNREPORT_CACHE", str(folder))
        return trained_model(RECIPE, progress=False), folder


@pytest.fixture
def filled(kept, cache) -> Path:
    """The folder of that model, in a cache that may be damaged."""
    shutil.copytree(kept[1], cache)
    return next(cache.glob("comparing-*"))


@pytest.fixture
def training(monkeypatch) -> list:
    """Stands for training: remembers the folder it was asked to keep the model in."""
    asked = []
    monkeypatch.setattr(module, "_train", lambda recipe, folder, progress: asked.append(folder))
    return asked


def test_a_trained_model_is_found_again_as_it_was(kept, filled, training):
    first = kept[0]
    made = Comparing.made
    again = trained_model(RECIPE, progress=False)
    assert training == []
    assert Comparing.made == made
    leaves = [jax.tree.leaves(nnx.state(each.model, nnx.Param)) for each in (first, again)]
    assert all(np.array_equal(*pair) for pair in zip(*leaves, strict=True))
    for name in ("facts", "history", "best", "parameters", "seconds", "epochs"):
        assert getattr(first, name) == getattr(again, name), name
    assert first.kept
    assert again.kept
    assert again.epochs == 4


def test_facts_are_those_of_the_task(kept):
    trained = kept[0]
    score = trained.history[trained.best - 1].score
    assert trained.facts == {"score": pytest.approx(score), "numbers": [5]}


def test_how_training_went_is_kept_for_the_report(kept):
    trained = kept[0]
    training = trained.training("numbers right", "largest found")
    assert [curve.name for curve in training.curves] == [
        "training loss",
        "training numbers right",
        "validation largest found",
    ]
    assert all(curve.steps == (5, 10, 15, 20, 25, 30, 35, 40) for curve in training.curves)
    columns = list(zip(*trained.history, strict=True))
    assert [curve.values for curve in training.curves] == columns[1:4]
    assert training.chosen == trained.step == trained.history[trained.best - 1].step
    early = dataclasses.replace(trained, best=0, history=())
    assert early.training() is None
    assert early.step is None


def test_a_task_is_given_the_facts_that_were_kept(filled, kept):
    given = []

    def task(facts):
        given.append(facts)
        return Comparing(PLAN)

    trained_model(module.Recipe("comparing", PLAN, (), task), progress=False)
    assert given == [kept[0].facts]


def test_what_was_found_is_said_on_standard_error(filled, capsys):
    trained_model(RECIPE)
    captured = capsys.readouterr()
    assert captured.err == "The model was trained before.\n"
    assert captured.out == ""


def test_fresh_trains_again_from_the_start(filled, training):
    trained_model(RECIPE, fresh=True, progress=False)
    assert training == [filled]
    assert not (filled / "summary.json").exists()
    assert not (filled / "states").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null"])
def test_a_damaged_summary_is_mended_by_training(filled, training, text):
    (filled / "summary.json").write_text(text)
    trained_model(RECIPE, progress=False)
    assert training == [filled]
    assert not (filled / "states").exists()


def test_a_damaged_state_is_mended_by_training(filled, training):
    for file in (filled / "states").rglob("*"):
        if file.is_file() and file.stat().st_size > 100:
            file.write_bytes(b"")
    trained_model(RECIPE, progress=False)
    assert training == [filled]


def test_a_summary_appears_whole_or_not_at_all(filled, monkeypatch):
    path = filled / "summary.json"
    before = path.read_bytes()
    monkeypatch.setattr(json, "dumps", lambda *_, **__: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        module._write_summary(path, {})
    assert path.read_bytes() == before


def test_without_a_place_to_keep_it_a_model_is_trained_and_not_kept(
    monkeypatch, tmp_path, training
):
    (tmp_path / "file").touch()
    monkeypatch.setenv("ATTNREPORT_CACHE", str(tmp_path / "file" / "cache"))
    trained_model(RECIPE, progress=False)
    assert training == [None]


def test_data_that_are_refused_leave_no_folder_behind(cache):
    def refuse(facts):
        raise DataError("These are no data.")

    with pytest.raises(DataError):
        trained_model(module.Recipe("comparing", PLAN, (), refuse), progress=False)
    assert list(cache.iterdir()) == []


def test_another_plan_does_not_find_it(filled):
    assert filled.name == f"comparing-{cache_key(PLAN)}"


def test_an_interrupt_ends_training_and_the_next_run_goes_on(kept, cache, monkeypatch, capsys):
    step, steps = TrainingProgress.step, []

    def interrupting(self, losses):
        step(self, losses)
        steps.append(losses)
        if len(steps) == 12:
            raise KeyboardInterrupt

    monkeypatch.setattr(TrainingProgress, "step", interrupting)
    stopped = trained_model(RECIPE)
    assert stopped.interrupted
    assert not stopped.kept
    assert len(stopped.history) == 2
    assert list(stopped.notes()) == [
        "Training was interrupted; this is the model of round 2 of 2. The next run goes on where "
        "this one stopped."
    ]
    assert "Interrupted: going on with the best so far." in capsys.readouterr().err
    assert not list(cache.glob("*/summary.json"))
    rest = trained_model(RECIPE, progress=False)
    assert rest.kept
    assert not rest.interrupted
    assert len(steps) == 12 + 30
    assert rest.facts == kept[0].facts
    assert list(rest.notes()) == []
    assert list(cache.glob("*/summary.json"))


def test_an_interrupt_before_the_first_round_is_told_too(kept):
    early = dataclasses.replace(kept[0], interrupted=True, best=0, history=())
    assert "this is the model of the last step." in next(early.notes())
