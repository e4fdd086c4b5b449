"""The task makes batches and measures; the one training loop does the rest."""

import dataclasses

import numpy as np
import pytest

from attnreport.models import IMAGE_ATTENTIONS
from attnreport.tasks import DEMOS
from attnreport.tasks.images.data import CanvasData, CanvasSizes
from attnreport.tasks.images.plan import MODELS, PatchSizes, quick_plan, usual_plan
from attnreport.tasks.images.task import ImageTask


@pytest.fixture
def task(tiny_plan):
    return ImageTask(tiny_plan("cbam"))


def test_the_choices_of_the_demo_are_those_of_the_models():
    options = DEMOS["images"].options
    assert options["model"] == MODELS
    assert set(options["attention"]) == set(IMAGE_ATTENTIONS)


def test_an_epoch_has_each_picture_once_in_an_order_of_its_own(task):
    data, batches = task.data.training(1), task.batches(1)
    assert [len(batch.classes) for batch in batches] == [32, 32]
    pixels = np.concatenate([batch.pixels for batch in batches])
    assert sorted(each.tobytes() for each in pixels) == sorted(
        each.tobytes() for each in data.pixels
    )
    assert (pixels != data.pixels).any()
    again = ImageTask(task.plan).batches(1)
    np.testing.assert_array_equal(again[0].pixels, batches[0].pixels)


def test_each_epoch_and_seed_has_canvases_of_its_own_and_the_tests_stay():
    first, other = (CanvasData(CanvasSizes(10, 10, 10), seed) for seed in (0, 1))
    assert (first.training(0).pixels != first.training(1).pixels).any()
    assert (first.training(0).pixels != other.training(0).pixels).any()
    np.testing.assert_array_equal(first.test.pixels, other.test.pixels)
    np.testing.assert_array_equal(first.validation.pixels, other.validation.pixels)


def test_learning_begins_with_little_clutter_and_ends_with_all():
    data = CanvasData(CanvasSizes(train=100, epochs=4), 0)
    ink = [data.training(epoch).pixels.mean() for epoch in range(5)]
    assert ink[0] < 0.8 * ink[4]
    assert ink[1] < ink[3]
    np.testing.assert_allclose(ink[4], data.validation.pixels.mean(), rtol=0.05)


def test_a_quick_plan_has_the_same_network():
    for model in MODELS:
        plan = usual_plan(model, "eca", 3)
        quick = quick_plan(plan)
        assert quick.sizes == plan.sizes
        assert quick.schedule.seed == 3
        assert quick.data.train < plan.data.train
    assert isinstance(usual_plan("vit", "eca", 3).sizes, PatchSizes)


def test_facts_are_numbers_that_json_keeps(task):
    from flax import nnx

    model = task.new_model(nnx.Rngs(0))
    facts = task.facts(model)
    counts = np.array(facts["counts"])
    assert counts.sum() == 80
    assert facts["accuracy"] == pytest.approx(np.trace(counts) / 80)
    shares = facts["shares"]
    assert shares["area"] < shares["ink"] < 0.6
    assert set(shares["attention"]) == set(shares["untrained"]) == {"layer 1"}
    assert shares["before"][0] == shares["after"][0]
    assert shares["before"][1] != shares["after"][1]


def test_without_boxes_there_are_no_shares(task):
    from flax import nnx

    test = task.data.test
    task.data.__dict__["test"] = test._replace(boxes=None)
    assert task.facts(task.new_model(nnx.Rngs(0)))["shares"] is None
    assert dataclasses.replace(task.plan) == task.plan
