"""Every truth of the corpus is consistent: wrong weights could not have made the output."""

from typing import Any

import jax
import numpy as np
import pytest

from tests.capture.programs import PROGRAMS, random_choices
from tests.capture.programs.agreement import leaves
from tests.capture.programs.products import PRODUCTS
from tests.capture.programs.program import Disturb
from tests.capture.programs.random_programs import random_program

CHOICES = {
    "loop": random_choices.LOOPS,
    "scale": random_choices.SCALES,
    "bias": random_choices.BIASES,
    "mask": random_choices.MASKS,
    "masking": random_choices.MASKINGS,
    "softmax": random_choices.SOFTMAXES,
    "group": random_choices.GROUPS,
    "projection": random_choices.PROJECTIONS,
    "score_product": PRODUCTS,
    "value_product": PRODUCTS,
    "cross": (False, True),
    "rematerialized": (False, True),
    "heads_in_batch": (False, True),
}

POSITIVE = pytest.mark.parametrize("name", [name for name in PROGRAMS if "negatives" not in name])


@POSITIVE
def test_the_output_hangs_on_every_part_of_every_truth(name):
    """Every index of every axis is disturbed alone, for which only zeros may have no effect."""
    program = PROGRAMS[name]()
    output, truths = program.run_reference()
    generator = np.random.default_rng(0)
    for number, truth in enumerate(truths):
        if not truth.weights.any():
            assert truth.optional  # a branch that is not taken
            continue
        shape = truth.weights.shape
        for axis, place in ((axis, i) for axis, length in enumerate(shape) for i in range(length)):
            noise = generator.uniform(0.5, 1.5, shape)
            noise *= one_place(len(shape), axis, place, shape[axis])
            noise = noise * truth.weights if program.case.unused else noise
            if not noise.any():
                continue
            other, _ = program.run_reference(adding(number, noise))
            assert far(output, other), f"truth {number}, axis {axis}, index {place}"


def one_place(axes: int, axis: int, place: int, length: int) -> np.ndarray:
    """One at an index of an axis, else zero; the other axes have length one."""
    return (np.arange(length) == place).reshape([-1 if a == axis else 1 for a in range(axes)])


def adding(number: int, noise: np.ndarray) -> Disturb:
    def disturb(which: int, index: tuple[int, ...], weights: np.ndarray) -> np.ndarray:
        return weights + noise[index] if which == number else weights

    return disturb


def far(one: Any, other: Any) -> bool:
    pairs = zip(leaves(one), leaves(other), strict=True)
    return any(not np.allclose(a, b, rtol=0, atol=1e-9) for a, b in pairs)


@POSITIVE
def test_truths_are_weights(name):
    program = PROGRAMS[name]()
    for truth in program.expected():
        assert np.isfinite(truth.weights).all()
        assert truth.weights.ndim == len(truth.axes)
        assert truth.kind in {"self", "cross", "pooling", "gate", "router", "memory"}


def test_the_corpus_is_large():
    assert len(PROGRAMS) >= 300
    assert sum("negatives" in name for name in PROGRAMS) >= 50


def test_random_programs_are_traced_and_known_quickly():
    for seed in range(40, 140):
        program = random_program(seed)
        shape = jax.eval_shape(program.fn, *program.args)
        output, truths = program.run_reference()
        assert output.shape == shape.shape
        for truth in truths:
            np.testing.assert_allclose(truth.weights.sum(-1), 1, atol=1e-9)


def test_a_random_program_is_the_same_each_time():
    one, other = random_program(7), random_program(7)
    assert one.notes == other.notes
    assert all(
        np.array_equal(a, b) for a, b in zip(leaves(one.args), leaves(other.args), strict=True)
    )


def test_random_programs_make_every_choice():
    chosen = [random_choices.draw_choices(np.random.default_rng(seed)) for seed in range(500)]
    for field, options in CHOICES.items():
        assert {getattr(choices, field) for choices in chosen} == set(options)
