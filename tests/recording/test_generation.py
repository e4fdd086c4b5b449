"""What a model wrote token by token: its probabilities and entropies against plain sums."""

import dataclasses
import math

import numpy as np
import pytest

from attnreport import AttnReportError, Generation
from attnreport.recording import AttentionMap, Example, Recording, TokenAxis


def test_probability_and_entropy_are_those_of_the_softmax_in_bits():
    logits = np.random.default_rng(0).normal(0, 3, (4, 7))
    numbers = [2, 0, 6, 3]
    found = Generation.of_logits(list("abcd"), numbers, logits)
    for step in range(4):
        total = sum(math.exp(logit) for logit in logits[step])
        shares = [math.exp(logit) / total for logit in logits[step]]
        assert found.probabilities[step] == pytest.approx(shares[numbers[step]])
        assert found.entropies[step] == pytest.approx(-sum(p * math.log2(p) for p in shares))


def test_an_even_choice_of_eight_has_three_bits_and_a_sure_one_none():
    sure = np.where(np.arange(8) == 5, 0, -np.inf)
    found = Generation.of_logits(["a", "b"], [1, 5], np.stack([np.full(8, 900.0), sure]))
    assert found.probabilities == pytest.approx((0.125, 1))
    assert found.entropies == pytest.approx((3, 0))
    assert math.copysign(1, found.entropies[1]) == 1


def test_half_precision_is_widened():
    found = Generation.of_logits(["a"], [0], np.array([[1, 2]], np.float16))
    assert found.probabilities[0] == pytest.approx(1 / (1 + math.e), rel=1e-6)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"tokens": "abc"}, "are one text, 'abc'"),
        ({"tokens": []}, "are none"),
        ({"tokens": ["a", 3]}, "hold 3, which is not text"),
        ({"tokens": ["a"], "probabilities": (0.5, 0.5)}, "of 1 tokens has 2 probabilities"),
        ({"tokens": ["a"], "probabilities": (1.2,)}, "probabilities .* hold 1.2"),
        ({"tokens": ["a"], "probabilities": (math.nan,)}, "hold nan"),
        ({"tokens": ["a"], "entropies": (-1,)}, "entropies .* hold -1"),
        ({"tokens": ["a"], "entropies": (math.inf,)}, "hold inf"),
    ],
)
def test_what_cannot_be_is_refused(fields, message):
    with pytest.raises(AttnReportError, match=message):
        Generation(**fields)


@pytest.mark.parametrize(
    ("numbers", "logits", "message"),
    [
        ([0], np.zeros((2, 3)), r"1 tokens, their numbers have shape \(1,\) and the logits"),
        ([3], np.zeros((1, 3)), "from 0 to 2"),
        ([0.5], np.zeros((1, 3)), "whole numbers"),
        ([0], np.full((1, 3), -np.inf), "largest logit of step 0 is -inf"),
        ([0], np.full((1, 3), np.nan), "largest logit of step 0 is nan"),
        ([0], np.zeros((1, 3), int), "float16, bfloat16"),
    ],
)
def test_logits_that_do_not_fit_are_refused(numbers, logits, message):
    with pytest.raises(AttnReportError, match=message):
        Generation.of_logits(["a"], numbers, logits)


def attention(**fields) -> AttentionMap:
    axis = TokenAxis(("a", "b", "c"))
    return AttentionMap("map", np.full((1, 3, 3), 1 / 3, np.float32), axis, axis, **fields)


@pytest.mark.parametrize("step", [-1, 3, 0.5, True])
def test_the_first_step_is_a_row(step):
    with pytest.raises(AttnReportError, match=r"first step of .* is"):
        attention(first_step=step)


def test_rows_that_wrote_need_the_tokens_that_they_wrote():
    maps = (attention(first_step=1),)
    written = Generation(("d", "e"))
    assert Recording((Example("a", maps, generation=written),)).examples[0].generation is written
    for wrong in (None, Generation(("d", "e", "f"))):
        with pytest.raises(AttnReportError, match=r"leaves 2 rows, .* has [03] tokens"):
            Example("a", maps, generation=wrong)


def test_joined_recordings_keep_the_generation():
    written = Generation(("d", "e"))
    one = Recording((Example("a", (attention(),)),))
    two = Recording((Example("a", (attention(first_step=1),), generation=written),))
    joined = Recording.join_groups([one, two]).examples[0]
    assert joined.generation is written
    assert [each.first_step for each in joined.maps] == [None, 1]


def test_recordings_of_other_texts_are_not_joined(tiny_recording):
    one, two = (
        Recording(
            (dataclasses.replace(tiny_recording.examples[0], generation=Generation((text,))),)
        )
        for text in "uv"
    )
    with pytest.raises(AttnReportError, match="wrote 'u' in one recording and 'v' in another"):
        Recording.join_groups([one, two])
