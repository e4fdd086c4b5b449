"""A recording of the demo says what was trained, where it looked, and what that is worth."""

import dataclasses

import numpy as np
import pytest

from attnreport._errors import DataError, UnknownNameError
from attnreport.recording import Recording
from attnreport.tasks import run_demo
from attnreport.tasks.images.data import CifarFolder
from attnreport.tasks.images.plan import ConvolutionalSizes
from attnreport.tasks.images.recording import record_images
from attnreport.tasks.images.truth import share_in_box
from attnreport.tasks.training import Schedule
from tests.tasks.images.pickles import cifar10


@pytest.fixture(scope="module")
def recordings(tiny_plan, tmp_path_factory) -> dict[str, Recording]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ATTNREPORT_CACHE", str(tmp_path_factory.mktemp("cache")))
        return {
            kind: record_images(plan=tiny_plan(kind), progress=False)
            for kind in ("cbam", "none", "vit")
        }


def test_examples_show_their_picture_and_both_classes(recordings):
    recording = recordings["cbam"]
    assert len(recording.examples) <= 64
    for example in recording.examples:
        assert example.name.startswith("test ")
        assert example.output in set("0123456789")
        assert example.target in set("0123456789")
        assert example.picture is not None
        assert example.maps[0].key.picture == example.picture
    assert {each.right for each in recording.examples} == {True, False}


def test_the_score_of_an_example_is_the_share_of_its_own_map_in_its_own_box(recordings):
    from attnreport.tasks.images.data import CanvasSizes

    test = CanvasSizes(test=80).data(0).test
    for example in recordings["cbam"].examples[:5]:
        row = int(example.name.removeprefix("test "))
        gate = example.maps[0].array().reshape(1, 8, 8)
        share = share_in_box(gate, test.boxes[row : row + 1], (32, 32))
        assert example.scores["attention of layer 1 in box"] == pytest.approx(share[0], abs=1e-4)


def test_confusion_and_accuracy_are_of_all_test_pictures(recordings):
    for recording in recordings.values():
        confusion = recording.confusion
        assert confusion.counts.sum() == 80
        accuracy = np.trace(confusion.counts) / 80
        assert recording.metrics[0].value == pytest.approx(accuracy)


def test_the_curves_say_which_state_was_kept(recordings):
    for recording in recordings.values():
        training = recording.training
        assert [curve.steps for curve in training.curves] == [(2, 4)] * 3
        assert training.chosen == recording.source.step
        assert training.chosen in (2, 4)


def test_attention_stands_beside_what_one_gets_without_it(recordings):
    names = {kind: [m.name for m in each.metrics] for kind, each in recordings.items()}
    floor = ["brightness in the digit’s box", "area of the digit’s box"]
    assert names["cbam"][1:] == [
        "attention of layer 1 in the digit’s box",
        "activations after layer 1 in the digit’s box",
        *floor,
    ]
    assert names["none"][1:] == ["activations of layer 1 in the digit’s box", *floor]
    assert names["vit"][1:] == [
        "rollout in the digit’s box",
        "attention of single heads in the digit’s box",
        *floor,
    ]
    detail = recordings["vit"].metrics[1].detail
    area, ink = (recordings["vit"].metrics[place].value for place in (-1, -2))
    assert f"Looking everywhere alike gives {area:.1%}" in detail
    assert f"looking at whatever is bright {ink:.1%}" in detail
    assert "and the network before training" in detail
    for metric in recordings["none"].metrics[1:2] + recordings["cbam"].metrics[2:3]:
        assert f"the same everywhere give {area:.1%}." in metric.detail


def test_activations_say_which_layer_they_are_of(recordings):
    assert "activations after layer 1 in box" in recordings["cbam"].examples[0].scores
    assert "activations of layer 1 in box" in recordings["none"].examples[0].scores


def test_it_says_what_the_data_are_and_that_activations_are_no_attention(recordings):
    for recording in recordings.values():
        assert "scikit-learn" in recording.source.data
        assert "took no part in training" in recording.source.data
    notes = " ".join(recordings["none"].source.notes)
    assert "no attention, so the report shows only its activations" in notes
    notes = " ".join(recordings["vit"].source.notes)
    assert "Rollout multiplies the attention of all layers" in notes
    assert "patch of 8 by 8 pixels comes from convolutions over 15 by 15 pixels" in notes


def test_cifar_has_no_boxes_and_so_no_shares(tmp_path, cache, tiny_plan):
    folder = cifar10(tmp_path, count=8)
    plan = dataclasses.replace(
        tiny_plan("cbam"),
        data=CifarFolder.of(folder),
        schedule=Schedule(epochs=1, rounds=1),
        sizes=ConvolutionalSizes("se", features=4, stages=2),
        batch=12,
    )
    recording = record_images(plan=plan, progress=False)
    assert recording.confusion.labels[0] == "airplane"
    assert [metric.name for metric in recording.metrics] == ["pictures right"]
    assert recording.examples[0].picture.channels == 3
    assert recording.examples[0].scores == {}
    assert "CIFAR-10" in recording.source.data
    assert not any("box" in note for note in recording.source.notes)


def test_other_pictures_in_the_folder_make_another_plan(tmp_path):
    before = CifarFolder.of(cifar10(tmp_path, count=2))
    assert CifarFolder.of(tmp_path) == before
    assert CifarFolder.of(cifar10(tmp_path, count=3)).digest != before.digest


def test_a_folder_without_cifar_is_refused(tmp_path, cache):
    with pytest.raises(DataError, match=r"cifar-10-batches-py"):
        run_demo("images", data=tmp_path, progress=False)


def test_an_attention_for_the_transformer_is_refused():
    with pytest.raises(
        UnknownNameError, match=r"with the model 'cnn'; the model 'vit' has its own"
    ):
        run_demo("images", model="vit", attention="se")
