import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from attnreport.capture.replay.replay import replay
from tests.capture.probing import added, mark, probed, replayed

pytestmark = pytest.mark.optimized

X = np.array([0.5, -1.0, 2.0], np.float32)
NUMBERS = np.array([2, 0, 1, 0], np.int32)


def three_ways(number, x):
    def twice(x):
        return mark(x * 2, "twice")

    def wide(x):
        return mark(jnp.outer(x, x), "wide").sum(0)

    return lax.switch(number, [twice, lambda x: x + 1, wide], x)


EXPECTED = {0: {"twice": X * 2}, 1: {}, 2: {"wide": np.outer(X, X)}}
SHAPES = {"twice": (3,), "wide": (3, 3)}


def expected(number):
    return {name: EXPECTED[number].get(name, np.zeros(shape)) for name, shape in SHAPES.items()}


@pytest.mark.parametrize("number", [0, 1, 2])
def test_the_branch_that_ran_gives_its_values_and_the_others_zeros(number):
    values, aux = replayed(three_ways, number, X)
    for name, value in expected(number).items():
        np.testing.assert_array_equal(values[name], value)
    assert sorted(key.rpartition("/")[2] for key in aux.branches) == [
        "branch0",
        "branch1",
        "branch2",
    ]
    assert {int(taken) for taken in aux.branches.values()} == {number}


@pytest.mark.parametrize("sign", [1, -1])
def test_two_branches_share_what_they_are_given(sign):
    def function(x):
        return lax.cond(
            x[0] > 0, lambda x, y: mark(x, "yes") * y, lambda x, y: mark(x - y, "no"), x, x * 3
        )

    values, aux = replayed(function, X * sign)
    np.testing.assert_array_equal(values["yes"], X if sign > 0 else X * 0)
    np.testing.assert_array_equal(values["no"], X * 0 if sign > 0 else X * 2)
    assert {int(taken) for taken in aux.branches.values()} == {int(sign > 0)}


def test_a_branch_may_return_a_number_of_the_text():
    def function(x):
        return lax.cond(x[0] > 0, lambda: 0.0, lambda: mark(x[1] * 2, "no"))

    with jax.enable_x64(True):
        values, _ = replayed(function, X.astype(np.float64))
    assert values["no"] == 0


def test_branches_in_a_scan_say_which_ran_in_each_iteration():
    def function(x):
        return lax.scan(lambda c, number: (three_ways(number, c), None), x, NUMBERS)

    values, aux = replayed(function, X)
    for taken in aux.branches.values():
        np.testing.assert_array_equal(taken, NUMBERS)
    x = X
    for number, chosen in enumerate(NUMBERS):
        np.testing.assert_array_equal(values["twice"][number], x * 2 if chosen == 0 else x * 0)
        wide = np.outer(x, x) if chosen == 2 else np.zeros((3, 3))
        np.testing.assert_allclose(values["wide"][number], wide, rtol=1e-6)
        x = [x * 2, x + 1, np.outer(x, x).sum(0)][chosen]


@pytest.mark.parametrize("taken", [True, False])
def test_a_scan_in_a_branch(taken):
    def yes(x):
        return lax.scan(lambda c, n: (mark(c + n, "sum"), None), x, jnp.arange(2.0))[0]

    values, _ = replayed(lambda x, go: lax.cond(go, yes, lambda x: x, x), X, taken)
    np.testing.assert_array_equal(values["sum"], np.stack([X, X + 1]) * taken)


@pytest.mark.parametrize("taken", [True, False])
def test_a_loop_in_a_branch_is_counted_where_it_ran(taken):
    def yes(x):
        return lax.while_loop(lambda s: s[0] < 2, lambda s: (s[0] + 1, mark(s[1] * 2, "x")), (0, x))

    values, aux = replayed(lambda x, go: lax.cond(go, yes, lambda x: (1, x), x), X, taken)
    np.testing.assert_array_equal(values["x"], np.stack([X * 2, X * 4]) * taken)
    assert list(aux.iterations.values()) == [2 * taken]
    assert list(aux.bounded.values()) == [2]


@pytest.mark.parametrize(("first", "second"), [(True, True), (True, False), (False, True)])
def test_branches_in_branches(first, second):
    def function(x, first, second):
        return lax.cond(
            first,
            lambda x: lax.cond(second, lambda x: mark(x * 2, "inner"), lambda x: x, x),
            lambda x: x + 1,
            x,
        )

    values, aux = replayed(function, X, first, second)
    np.testing.assert_array_equal(values["inner"], X * 2 * (first and second))
    inner = [int(taken) for name, taken in aux.branches.items() if name.count("branch") == 2]
    assert inner == [int(first and second)] * 2


def test_an_edit_in_a_branch_is_given_whole():
    closed = jax.make_jaxpr(three_ways)(0, X)
    run = replay(closed, [], added(closed, "wide"))
    more = np.ones((3, 3), np.float32)
    (changed,), _, _ = jax.jit(run)([2, X], {"wide": more})
    np.testing.assert_allclose(changed, (np.outer(X, X) + 1).sum(0), rtol=1e-6)
    (unchanged,), _, _ = jax.jit(run)([1, X], {"wide": more})
    np.testing.assert_array_equal(unchanged, X + 1)


def test_the_gradient_flows_through_the_branch_that_ran():
    closed = jax.make_jaxpr(three_ways)(0, X)
    run = probed(closed, edits=added(closed, "twice"))

    def loss(number, more):
        return (run([number, X], {"twice": more})[0][0] * X).sum()

    zeros = np.zeros(3, np.float32)
    np.testing.assert_array_equal(jax.grad(loss, argnums=1)(0, zeros), X)
    np.testing.assert_array_equal(jax.grad(loss, argnums=1)(1, zeros), zeros)


def test_a_mapped_choice_gives_each_example_its_own():
    closed = jax.make_jaxpr(three_ways)(0, X)
    _, values, aux = jax.vmap(lambda number: probed(closed)([number, X], {}))(NUMBERS)
    for number, chosen in enumerate(NUMBERS):
        for name, value in expected(int(chosen)).items():
            np.testing.assert_array_equal(values[name][number], value)
    for taken in aux.branches.values():
        np.testing.assert_array_equal(taken, NUMBERS)
