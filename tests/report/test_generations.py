"""What the page's scripts read of what was written token by token."""

import dataclasses

import numpy as np
import pytest

from attnreport.analysis import display_text, visible_text
from attnreport.recording import Generation, TokenAxis
from attnreport.report.generations import first_step, generation_entry, starting_row, written_at
from attnreport.report.page_data import build_page_data
from attnreport.report.specs import charts_for
from attnreport.report.stacks import stacks_of
from tests.report.generated_recordings import (
    ENTROPIES,
    PROBABILITIES,
    PROMPT,
    WRITTEN,
    generated_recording,
    hostile_generation,
    translation_recording,
)
from tests.report.recordings import HOSTILE, self_recording


def stack_of(recording, index=0):
    return stacks_of(recording)[index]


def test_tokens_are_visible_and_numbers_as_they_were_given():
    entry = generation_entry(generated_recording().examples[0].generation)
    assert entry["drawn"] == entry["read"] == list(WRITTEN)
    assert entry["probabilities"] == list(PROBABILITIES)
    assert entry["entropies"] == list(ENTROPIES)
    assert entry["special"] == [3]
    assert generation_entry(None) is None


def test_every_character_of_a_hostile_token_can_be_seen():
    entry = generation_entry(hostile_generation().examples[0].generation)
    assert entry["drawn"] == [visible_text(token) for token in HOSTILE[4:]]
    assert entry["read"] == [display_text(token) for token in HOSTILE[4:]]


def test_a_row_of_a_decoder_writes_the_token_after_its_own():
    stack = stack_of(generated_recording())
    assert (first_step(stack), written_at(stack)) == (len(PROMPT) - 1, len(PROMPT))


def test_rows_without_the_prompt_write_further_on():
    attention = generated_recording().examples[0].maps[0]
    tail = TokenAxis(attention.key.labels[2:])
    rows = dataclasses.replace(
        attention, query=tail, weights=attention.array()[:, 2:], mask=None, first_step=1
    )
    stack = dataclasses.replace(stack_of(generated_recording()), maps=(rows,))
    assert written_at(stack) == len(PROMPT)


def test_what_is_written_is_no_key_of_a_source_and_encoders_write_nothing():
    cross, decoder, encoder = stacks_of(translation_recording())
    assert (first_step(cross), written_at(cross)) == (0, None)
    assert (first_step(decoder), written_at(decoder)) == (0, 1)
    assert (first_step(encoder), written_at(encoder)) == (None, None)
    assert first_step(stack_of(self_recording())) is None


def test_the_page_opens_at_a_row_that_wrote_a_token():
    stack = stack_of(generated_recording())
    weights = stack.maps[1].head(0)
    assert starting_row(stack, (1, 0, 1, 0)) == (1, 0, 3, int(weights[3].argmax()))
    assert starting_row(stack, (1, 0, 5, 2)) == (1, 0, 5, 2)
    assert starting_row(stack_of(self_recording()), (0, 0, 1, 1)) == (0, 0, 1, 1)


def test_the_manifest_has_the_generation_of_its_example_and_the_rows_of_its_stacks():
    recording = translation_recording()
    stacks = stacks_of(recording)
    manifest = build_page_data(recording, stacks, "float32", first=0).manifest
    assert manifest["examples"][0]["generation"]["read"] == ["the", "cat", "sat"]
    assert [stack["firstStep"] for stack in manifest["stacks"]] == [0, 0, None]
    assert [stack["writtenAt"] for stack in manifest["stacks"]] == [None, 1, None]


@pytest.mark.parametrize(("make", "drawn"), [(generated_recording, True), (self_recording, False)])
def test_only_reports_of_generations_have_charts_of_steps(make, drawn):
    stacks = stacks_of(make())
    measures = build_page_data(make(), stacks, "float32", first=0).measures
    assert ("steps" in charts_for(make(), stacks, measures)) == drawn


def test_layers_that_differ_in_their_rows_have_no_scrubber():
    stack = stack_of(generated_recording())
    other = dataclasses.replace(stack.maps[1], first_step=2)
    assert first_step(dataclasses.replace(stack, maps=(stack.maps[0], other))) is None


def test_probabilities_are_rounded_for_the_page_only():
    third = Generation(("a",), (1 / 3,))
    assert generation_entry(third)["probabilities"] == [0.333333]
    assert np.isclose(third.probabilities[0], 1 / 3, rtol=1e-15)


def test_probabilities_of_rare_tokens_keep_their_digits():
    entry = generation_entry(Generation(("a", "b"), (4e-7, 1 / 3)))
    assert entry["probabilities"] == [4e-7, 0.333333]
