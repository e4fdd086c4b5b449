"""Dimensions as factors: splitting, merging, and copies that know their source."""

import math

from hypothesis import given
from hypothesis import strategies as st

from attnreport.capture.dimensions.factors import (
    Factor,
    ancestry,
    canonical,
    copied,
    fresh_axis,
    keep_apart,
    origins_of,
    stems_from,
    taken,
    unify,
    whole,
)


def test_unify_splits_the_coarser_side():
    merged, (head, feature) = Factor(6), (Factor(2), Factor(3))
    unify((merged,), (head, feature))
    assert whole((merged,)) == (canonical(head), canonical(feature))


def test_unify_is_transitive():
    a, b, c = Factor(4), Factor(4), Factor(4)
    unify((a,), (b,))
    unify((b,), (c,))
    assert canonical(a) is canonical(c)


def test_sizes_that_do_not_divide_stay_apart():
    a, b = (Factor(4), Factor(3)), (Factor(6), Factor(2))
    unify(a, b)
    assert {factor.size for factor in (*whole(a), *whole(b))} == {4, 3, 6, 2}


def test_copies_of_one_dimension_stay_apart():
    time = Factor(5)
    queries, keys = copied((time,)), copied((time,))
    assert canonical(queries[0]) is not canonical(keys[0])
    assert stems_from(queries[0], (time,))
    assert stems_from(keys[0], (time,))
    assert not stems_from(queries[0], keys)


def test_a_copy_that_is_split_splits_its_original_alike():
    original = Factor(6)
    (copy,) = copied((original,))
    unify((copy,), (Factor(2), Factor(3)))
    first, second = whole((copy,))
    assert [f.size for f in whole((original,))] == [2, 3]
    assert stems_from(first, whole((original,))[:1])
    assert not stems_from(second, whole((original,))[:1])


def test_a_copy_that_turns_out_to_be_its_original_makes_no_circle():
    time = Factor(5)
    (query,) = copied((time,))
    (result,) = copied((query,))
    unify((time,), (result,))
    assert stems_from(query, (time,))
    assert not stems_from(time, (query,))


def test_taken_fails_where_no_front_part_has_the_size():
    assert taken([Factor(4), Factor(3)], 6) is None
    assert fresh_axis(1) == ()


def test_origins_come_through_copies():
    marker = object()
    source = Factor(4, origins={marker})
    assert origins_of(copied(copied((source,)))) == {marker}


@given(st.lists(st.sampled_from([2, 3, 4, 6]), min_size=1, max_size=4), st.data())
def test_taken_axes_have_the_sizes_that_were_asked_for(sizes, data):
    total = math.prod(sizes)
    divisors = [n for n in range(1, total + 1) if total % n == 0]
    first = data.draw(st.sampled_from(divisors))
    factors = [Factor(size) for size in sizes]
    front = taken(factors, first)
    if front is not None:
        assert math.prod(f.size for f in whole(front)) == first
        assert math.prod(f.size for f in whole(factors)) == total // first


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12))
def test_no_sequence_of_merges_makes_a_dimension_its_own_ancestor(pairs):
    factors = [Factor(4)]
    for _ in range(5):
        factors.extend(copied(factors[-1:]))
    for a, b in pairs:
        unify((factors[a],), (factors[b],))
    for factor in map(canonical, factors):
        above = {id(each) for source in factor.sources for each in ancestry(source)}
        assert id(factor) not in above


def test_dimensions_of_one_array_never_become_one():
    time = Factor(5)
    queries, keys = copied((time,)), copied((time,))
    keep_apart([queries, keys])
    unify(queries, (time,))
    unify(keys, (time,))
    assert canonical(queries[0]) is canonical(time)
    assert canonical(keys[0]) is not canonical(time)


def test_parts_stay_apart_from_what_the_whole_is_apart_from():
    rows, columns = (Factor(6),), (Factor(6),)
    keep_apart([rows, columns])
    unify(rows, (Factor(2), Factor(3)))
    unify(columns, (Factor(2), Factor(3)))
    unify(rows, columns)
    assert not {id(each) for each in whole(rows)} & {id(each) for each in whole(columns)}
