"""Batches that hold more than the examples: windows of pictures, and models side by side."""

import jax
import numpy as np
import pytest

from attnreport.capture import capture_attention, plan_attention
from tests.capture.programs import PROGRAMS, SHARDED


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("vision.windows", 4),
        ("field_windows.shifted_windows", 4),
        ("field_pairs.masked_windows", 4),
    ],
)
def test_each_window_is_a_map(name, parts):
    program = PROGRAMS[name]()
    (truth,) = program.expected()
    recording = capture_attention(program.fn, *program.args)
    assert len(recording.examples) == len(truth.weights) // parts
    for number, example in enumerate(recording.examples):
        expected = truth.weights.reshape(-1, parts, *truth.weights.shape[1:])[number]
        found = np.stack([each.array() for each in example.maps])
        np.testing.assert_allclose(found, expected, atol=1e-5)
    names = [each.name for each in recording.examples[0].maps]
    assert names == [f"fn (part {part + 1})" for part in range(parts)]


def test_each_model_of_an_ensemble_is_a_map():
    program = PROGRAMS["field_normalizing.ensemble"]()
    recording = capture_attention(program.fn, *program.args)
    assert [each.name for each in recording.examples[1].maps] == ["fn[0]", "fn[1]", "fn[2]"]
    assert all(each.layer is None for each in recording.examples[1].maps)


def test_examples_that_are_twice_in_a_batch_have_two_maps():
    program = PROGRAMS["field_vision.guided_without_classifier"]()
    (truth,) = program.expected()
    recording = capture_attention(program.fn, *program.args)
    assert len(recording.examples) == 3
    for number, example in enumerate(recording.examples):
        assert [each.name for each in example.maps] == ["fn[0]", "fn[1]"]
        found = np.stack([each.array() for each in example.maps])
        np.testing.assert_allclose(
            found, truth.weights.reshape(2, 3, 2, 5, 4)[:, number], atol=1e-5
        )


@pytest.mark.parametrize(
    ("name", "models", "parts"),
    [
        ("field_normalizing.ensemble", 3, 1),
        ("edges.values_of_pairs", 1, 1),
        ("field_vision.guided_without_classifier", 2, 1),
    ],
)
def test_a_plan_tells_models_and_parts_from_examples(name, models, parts):
    program = PROGRAMS[name]()
    (about,) = (each.about for each in plan_attention(program.fn, *program.args).attentions)
    assert (about.models, about.parts) == (models, parts)


def test_windows_are_parts_where_a_loop_or_a_device_has_one_example_each():
    def fn(x):
        windows = jax.vmap(lambda y: jax.nn.softmax(y @ y.T) @ y)
        return jax.lax.map(lambda example: windows(example.reshape(4, 3, 8)), x)

    (about,) = (each.about for each in plan_attention(fn, np.ones((5, 12, 8))).attentions)
    assert about.parts == 4
    program = SHARDED["sharded.windows_of_one_example"]()
    (about,) = (each.about for each in plan_attention(program.fn, *program.args).attentions)
    assert about.parts == 4


def test_beams_are_parts_of_an_example():
    program = PROGRAMS["field_decoding.beams_of_examples"]()
    recording = capture_attention(program.fn, *program.args)
    assert len(recording.examples) == 3
    names = [each.name for each in recording.examples[0].maps]
    assert names[:2] == ["fn (call 1) (part 1)", "fn (call 1) (part 2)"]
