"""Segments of keys that share one softmax are one attention; others stay apart."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from attnreport.capture import with_attention
from tests.capture.attending import numbers
from tests.capture.programs import PROGRAMS
from tests.capture.recognizing import analysis_of
from tests.compiling import run as quickly

JOINED = ["prefixes.scores_side_by_side", "prefixes.merged_by_shares", "prefixes.one_sum"]


@pytest.mark.parametrize("name", JOINED)
def test_segments_are_proved_one_by_one(name):
    program = PROGRAMS[name]()
    _, attention = quickly(with_attention(program.fn), *program.args)
    (found,) = attention.values()
    assert found.about.unproved == ""
    assert found.proof.product_error < 1e-5
    assert found.proof.row_error < 1e-5


def test_all_slices_of_a_softmax_sum_to_one():
    (site,) = analysis_of(*_of("prefixes.scores_side_by_side")).sites()
    assert site.sums == "one"
    (site,) = analysis_of(*_of("prefixes.merged_by_shares")).sites()
    assert site.sums == "at most one"  # of which the operations tell no more


def _of(name):
    program = PROGRAMS[name]()
    return program.fn, *program.args


def test_what_lies_in_several_arrays_cannot_be_had():
    program = PROGRAMS["prefixes.one_sum"]()
    want = ("weights", "logits", "mask")
    _, attention = quickly(with_attention(program.fn, want=want), *program.args)
    (found,) = attention.values()
    assert found.others["mask"].shape == found.weights.shape
    np.testing.assert_array_equal(found.others["mask"], np.asarray(found.weights) != 0)
    assert "There is no one logits: the keys lie in 2 arrays." in found.about.notes


def _with_sink(x):
    scores = x @ x.mT / 2
    row = jnp.concatenate([scores, jnp.zeros((*scores.shape[:-1], 1))], axis=-1)
    return jax.nn.softmax(row)[..., :-1] @ x


def test_layers_that_hang_on_each_other_stay_apart():
    def layers(x):
        x = x + _with_sink(x)
        return x + _with_sink(x)

    assert len(analysis_of(layers, numbers(2, 5, 4)).sites()) == 2


def test_two_softmaxes_of_the_same_queries_stay_apart():
    def both(x, y):
        return _with_sink(x) + jax.nn.softmax(x @ y.mT) @ y

    sites = analysis_of(both, numbers(2, 5, 4), numbers(2, 3, 4, seed=1)).sites()
    assert [site.layout.shape[3] for site in sites] == [5, 3]
