import json
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
from flax import nnx

from attnreport.tasks import trained as module
from attnreport.tasks.cache import cache_key
from attnreport.tasks.progress import TrainingProgress
from attnreport.tasks.trained import TrainedTranslator, trained_translator

pytestmark = pytest.mark.usefixtures("compiled_quickly")


@pytest.fixture(scope="module")
def kept(small_plan, tmp_path_factory) -> tuple[TrainedTranslator, Path]:
    """A small model trained once, and the cache it lies in."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ATTNREPORT_CACHE", str(folder))
        return trained_translator(small_plan, progress=False), folder


@pytest.fixture
def filled(kept, cache) -> Path:
    """The folder of that model, in a cache that may be damaged."""
    shutil.copytree(kept[1], cache)
    return next(cache.glob("translation-*"))


@pytest.fixture
def training(monkeypatch) -> list:
    """Stands for training: remembers the folder it was asked to keep the model in."""
    asked = []
    monkeypatch.setattr(module, "_train", lambda plan, folder, progress: asked.append(folder))
    return asked


def test_a_trained_model_is_found_again_as_it_was(kept, filled, small_plan, training):
    first = kept[0]
    again = trained_translator(small_plan, progress=False)
    assert training == []
    leaves = [jax.tree.leaves(nnx.state(each.model, nnx.Param)) for each in (first, again)]
    assert all(np.array_equal(*pair) for pair in zip(*leaves, strict=True))
    for name in ("plan", "languages", "quality", "examples", "history", "best", "parameters"):
        assert getattr(first, name) == getattr(again, name), name
    assert first.kept
    assert again.kept


def test_what_was_found_is_said_on_standard_error(filled, small_plan, capsys):
    trained_translator(small_plan)
    captured = capsys.readouterr()
    assert captured.err == "The translator was trained before.\n"
    assert captured.out == ""


def test_fresh_trains_again_from_the_start(filled, small_plan, training):
    trained_translator(small_plan, fresh=True, progress=False)
    assert training == [filled]
    assert not (filled / "summary.json").exists()
    assert not (filled / "states").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null"])
def test_a_damaged_summary_is_mended_by_training(filled, small_plan, training, text):
    (filled / "summary.json").write_text(text)
    trained_translator(small_plan, progress=False)
    assert training == [filled]
    assert not (filled / "states").exists()


def test_a_damaged_state_is_mended_by_training(filled, small_plan, training):
    for file in (filled / "states").rglob("*"):
        if file.is_file() and file.stat().st_size > 1000:
            file.write_bytes(b"")
    trained_translator(small_plan, progress=False)
    assert training == [filled]


def test_a_summary_appears_whole_or_not_at_all(filled, kept, monkeypatch):
    path = filled / "summary.json"
    before = path.read_bytes()
    monkeypatch.setattr(json, "dumps", lambda *_, **__: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        module._write_summary(path, kept[0])
    assert path.read_bytes() == before


def test_without_a_place_to_keep_it_a_model_is_trained_and_not_kept(
    monkeypatch, tmp_path, small_plan, training
):
    (tmp_path / "file").touch()
    monkeypatch.setenv("ATTNREPORT_CACHE", str(tmp_path / "file" / "cache"))
    trained_translator(small_plan, progress=False)
    assert training == [None]


def test_another_plan_does_not_find_it(filled, small_plan):
    assert filled.name == f"translation-{cache_key(small_plan)}"


def test_an_interrupt_ends_training_and_the_next_run_goes_on(
    kept, cache, small_plan, monkeypatch, capsys
):
    step, steps = TrainingProgress.step, []

    def interrupting(self, losses):
        step(self, losses)
        steps.append(losses)
        if len(steps) == 40:
            raise KeyboardInterrupt

    monkeypatch.setattr(TrainingProgress, "step", interrupting)
    stopped = trained_translator(small_plan)
    assert stopped.interrupted
    assert not stopped.kept
    assert 0 < len(stopped.history) < 4
    assert "Interrupted: going on with the best so far." in capsys.readouterr().err
    assert not list(cache.glob("*/summary.json"))
    rest = trained_translator(small_plan, progress=False)
    assert rest.kept
    assert not rest.interrupted
    assert len(steps) < 40 + 45
    assert rest.quality == kept[0].quality
    assert list(cache.glob("*/summary.json"))
