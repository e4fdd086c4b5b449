"""Which operands of a kernel are queries, keys and values, by shapes, names and blocks."""

import dataclasses

import pytest

from attnreport.capture.kernels.readings import Signature, readings


def signature(*operands, result=None, names=(), grids=(), result_grid=None):
    """A kernel with one result, which has the shape of the first operand if none is given."""
    count = len(operands)
    return Signature(
        operands=operands,
        results=(result or operands[0],),
        names=tuple(names) or ("",) * count,
        grids=tuple(grids) or (None,) * count,
        result_grids=(result_grid,),
    )


def slots(reading):
    return reading.query, reading.key, reading.value


def places(axes):
    return axes.others, axes.tokens, axes.features


def first(*operands, **options):
    return readings(signature(*operands, **options))[0]


def test_heads_before_tokens():
    reading = first((2, 3, 6, 8), (2, 3, 7, 8), (2, 3, 7, 5), result=(2, 3, 6, 5))
    assert slots(reading) == (0, 1, 2)
    assert places(reading.output_axes) == ((0, 1), 2, 3)
    assert places(reading.value_axes) == ((0, 1), 2, 3)


def test_tokens_before_heads():
    reading = first((2, 6, 3, 8), (2, 7, 3, 8), (2, 7, 3, 8))
    assert places(reading.query_axes) == ((0, 2), 1, 3)
    assert places(reading.key_axes) == ((0, 2), 1, 3)
    assert reading.partners == (0, 1)


def test_queries_and_keys_in_different_orders():
    reading = first((2, 5, 3, 8), (2, 3, 7, 8), (2, 3, 7, 8))
    assert places(reading.output_axes) == ((0, 2), 1, 3)
    assert places(reading.value_axes) == ((0, 1), 2, 3)


def test_transposed_keys_and_values():
    reading = first((2, 3, 6, 8), (2, 3, 8, 7), (2, 3, 8, 7))
    assert places(reading.key_axes) == ((0, 1), 3, 2)
    assert places(reading.value_axes) == ((0, 1), 3, 2)


def test_heads_in_groups():
    reading = first((2, 6, 12, 8), (2, 7, 3, 8), (2, 7, 3, 8))
    assert reading.ratios == (1, 4)


def test_heads_that_the_keys_do_not_have():
    reading = first((2, 12, 6, 8), (2, 7, 8), (2, 7, 8))
    assert reading.partners == (0, None)
    assert reading.ratios == (1, 12)


def test_a_single_query_of_each_head():
    reading = first((2, 3, 8), (2, 7, 3, 8), (2, 7, 3, 8))
    assert places(reading.output_axes) == ((0, 1), None, 2)


def test_other_operands_are_left_alone():
    reading = first((7, 7), (2, 3, 6, 8), None, (2, 3, 7, 8), (2, 3, 7, 8), result=(2, 3, 6, 8))
    assert slots(reading) == (1, 3, 4)


def test_names_tell_operands_of_one_shape():
    shape = (2, 3, 6, 8)
    assert slots(first(shape, shape, shape)) == (0, 1, 2)
    assert slots(first(shape, shape, shape, names=("v_ref", "q_ref", "k_ref"))) == (1, 2, 0)


@pytest.mark.parametrize("heads", [1, 2])
def test_blocks_tell_axes_of_one_size(heads):
    batch, head, asked, whole = map(frozenset, ([0], [1], [2], []))
    asking = (batch, head, asked, whole) if heads == 1 else (batch, asked, head, whole)
    answering = tuple(whole if each == asked else each for each in asking)
    shape = (4, 4, 4, 4)
    reading = first(shape, shape, shape, grids=(asking, answering, answering), result_grid=asking)
    assert places(reading.output_axes) == ((0, heads), 3 - heads, 3)
    assert places(reading.value_axes) == ((0, heads), 3 - heads, 3)


@pytest.mark.parametrize(
    "operands",
    [
        ((6, 8), (8, 7), (6, 7)),
        ((2, 3, 6, 8), (2, 3, 7, 8)),
        ((2, 3, 6, 8), (2, 3, 7, 8), (2, 3, 9, 8)),
        ((2, 3, 6, 8), (5, 3, 7, 8), (5, 3, 7, 8)),
        ((8,), (8,), (8,)),
    ],
)
def test_shapes_that_are_no_attention(operands):
    assert readings(signature(*operands, result=operands[-1])) == ()


def test_a_result_that_nothing_uses_is_not_read():
    of = signature((2, 6, 8), (2, 7, 8), (2, 7, 8))
    assert readings(dataclasses.replace(of, results=(None,))) == ()
