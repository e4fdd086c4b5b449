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


def _with_sink_after(x, p):
    q, k, v = (x @ each for each in p)
    terms = jnp.exp(q @ k.mT / 2)
    return terms @ v / (terms.sum(-1, keepdims=True) + 1)


def test_layers_that_hang_on_each_other_stay_apart():
    def layers(x, p):
        x = x + _with_sink_after(x, p)
        return x + _with_sink_after(x, p)

    sites = analysis_of(layers, numbers(2, 5, 4), numbers(3, 4, 4, seed=1)).sites()
    assert [site.layout.shape for site in sites] == [(2, 1, 5, 5)] * 2


def test_blocks_of_queries_with_keys_of_their_own_stay_apart():
    def diagonal(x, p):
        q, k, v = (x @ each for each in p)
        w = jax.nn.softmax(q @ k.mT)
        return w[:, :3, :3] @ v[:, :3], w[:, 3:, 3:] @ v[:, 3:]

    sites = analysis_of(diagonal, numbers(2, 6, 4), numbers(3, 4, 4, seed=1)).sites()
    assert [site.layout.shape for site in sites] == [(2, 1, 3, 3)] * 2


def test_maps_that_are_cut_out_of_one_array_stay_apart():
    def two_maps(x, p):
        q, k, v = (jnp.einsum("btm,mhd->bhtd", x, each) for each in p)
        w = jax.nn.softmax(q @ k.mT)
        return w[:, 0] @ v[:, 0] - 0.5 * (w[:, 1] @ v[:, 0])

    sites = analysis_of(two_maps, numbers(2, 5, 4), numbers(3, 4, 2, 3, seed=1)).sites()
    assert all(not site.parts for site in sites)


def test_two_softmaxes_of_the_same_queries_stay_apart():
    def both(x, y):
        return _with_sink(x) + jax.nn.softmax(x @ y.mT) @ y

    sites = analysis_of(both, numbers(2, 5, 4), numbers(2, 3, 4, seed=1)).sites()
    assert [site.layout.shape[3] for site in sites] == [5, 3]
