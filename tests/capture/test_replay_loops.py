import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from attnreport.capture.replay.replay import Probe, replay
from tests.capture.probing import added, addresses, equations, mark, probed, replayed

pytestmark = pytest.mark.optimized

X = np.array([0.5, -1.0, 2.0], np.float32)
ROWS = np.arange(12, dtype=np.float32).reshape(4, 3) - 5


def running_sum(carry, row):
    carry = mark(carry + row, "sum")
    return carry, carry * 2


@pytest.mark.parametrize("unroll", [1, 2, True])
def test_a_scan_stacks_its_iterations(unroll):
    values, _ = replayed(lambda x: lax.scan(running_sum, x, ROWS, unroll=unroll), X)
    np.testing.assert_array_equal(values["sum"], X + np.cumsum(ROWS, axis=0))


def test_a_backward_scan_keeps_the_order_of_its_rows():
    values, _ = replayed(lambda x: lax.scan(running_sum, x, ROWS, reverse=True), X)
    np.testing.assert_array_equal(values["sum"], X + np.cumsum(ROWS[::-1], axis=0)[::-1])


def test_a_scan_without_rows():
    values, _ = replayed(lambda x: lax.scan(running_sum, x, np.zeros((0, 3), np.float32)), X)
    assert values["sum"].shape == (0, 3)


def test_a_scan_over_nothing():
    def double(carry, _):
        return mark(carry * 2, "double"), None

    values, _ = replayed(lambda x: lax.scan(double, x, length=3), X)
    np.testing.assert_array_equal(values["double"], [X * 2, X * 4, X * 8])


def test_an_unmarked_loop_in_the_way_is_not_entered():
    def function(x):
        return lax.scan(lambda c, row: (c + row, c), mark(x * 2, "before"), ROWS)

    values, aux = replayed(function, X)
    np.testing.assert_array_equal(values["before"], X * 2)
    assert not aux.iterations


def test_a_carry_may_start_as_a_number_of_the_text():
    def count(carry, row):
        return carry + 1, mark(carry * row, "scaled")

    with jax.enable_x64(True):
        values, _ = replayed(lambda rows: lax.scan(count, 0, rows), ROWS)
    np.testing.assert_array_equal(values["scaled"], np.arange(4)[:, None] * ROWS)


def nested(x):
    def outer(carry, row):
        def inner(carry, number):
            return mark(carry * number, "inner"), None

        carry = mark(carry + row, "outer")
        return lax.scan(inner, carry, jnp.array([1.0, -1.0]))[0], None

    return lax.scan(jax.checkpoint(outer), x, ROWS)[0]


def nested_in_numpy(x, more=None):
    more = np.zeros((4, 2, 3), np.float32) if more is None else more
    outer, inner = [], []
    for row, deltas in zip(ROWS, more, strict=True):
        x = x + row
        outer.append(x)
        inner.append([])
        for number, delta in zip(np.float32([1, -1]), deltas, strict=True):
            x = x * number + delta
            inner[-1].append(x)
    return x, {"outer": np.array(outer), "inner": np.array(inner)}


def test_nested_scans_nest_their_axes():
    values, _ = replayed(nested, X)
    expected = nested_in_numpy(X)[1]
    assert values["inner"].shape == (4, 2, 3)
    for name in expected:
        np.testing.assert_array_equal(values[name], expected[name])


def test_edits_of_nested_scans_are_given_each_iteration_its_own():
    closed = jax.make_jaxpr(nested)(X)
    more = np.arange(24, dtype=np.float32).reshape(4, 2, 3)
    outputs, values, _ = probed(closed, edits=added(closed, "inner"))([X], {"inner": more})
    result, expected = nested_in_numpy(X, more)
    np.testing.assert_array_equal(outputs[0], result)
    for name in expected:
        np.testing.assert_array_equal(values[name], expected[name])


def test_edits_in_several_scopes_are_each_given_their_own():
    def function(x):
        return lax.scan(running_sum, mark(x * 2, "before"), ROWS)[0]

    closed = jax.make_jaxpr(function)(X)
    more = {"before": X, "sum": ROWS * 3}
    outputs, _, _ = replay(closed, [], added(closed, *more))([X], more)
    np.testing.assert_array_equal(outputs[0], X * 3 + ROWS.sum(axis=0) * 4)


def counting(limit, start=0, step=1):
    def function(x):
        def condition(state):
            return state[0] < limit

        def body(state):
            return state[0] + step, mark(state[1] * 2, "double")

        return lax.while_loop(condition, body, (start, x))

    return function


def doubles(count):
    return np.stack([X * 2**n for n in range(1, count + 1)])


def test_a_while_loop_that_counts_to_a_number_keeps_every_iteration():
    values, aux = replayed(counting(5, start=2), X)
    np.testing.assert_array_equal(values["double"], doubles(3))
    assert aux.bounded == {"0/body": 3}
    assert aux.iterations["0/body"] == 3


def test_a_bound_on_the_steps_leaves_zeros_or_drops_iterations():
    values, aux = replayed(counting(3), X, steps=5)
    np.testing.assert_array_equal(values["double"], np.concatenate([doubles(3), np.zeros((2, 3))]))
    assert aux.iterations["0/body"] == 3
    values, aux = replayed(counting(3), X, steps={(0, "body"): 2, (9, "body"): 1})
    np.testing.assert_array_equal(values["double"], doubles(2))
    assert aux.bounded == {"0/body": 2}
    assert aux.iterations["0/body"] == 3


@pytest.mark.parametrize("function", [counting(5, step=2), counting(5.0, start=0.0)])
def test_a_while_loop_without_a_bound_keeps_the_last_iteration(function):
    values, aux = replayed(function, X)
    assert aux.bounded == {"0/body": None}
    np.testing.assert_array_equal(values["double"], doubles(int(aux.iterations["0/body"]))[-1:])


@pytest.mark.parametrize("start", [2, 5])
def test_a_loop_that_never_runs(start):
    values, aux = replayed(counting(2, start=start), X)
    np.testing.assert_array_equal(values["double"], np.zeros((1, 3)))
    assert aux.iterations["0/body"] == 0
    assert aux.bounded == {"0/body": 1}


def loop(condition, step=lambda count: count + 1, start=0):
    def function(x):
        def body(state):
            return step(state[0]), mark(state[1] * 2, "double")

        return lax.while_loop(condition, body, (start, x))

    return function


@pytest.mark.parametrize(
    ("function", "bound"),
    [
        (loop(lambda s: s[0] <= 3), 4),
        (loop(lambda s: lax.gt(3, s[0])), 3),
        (loop(lambda s: lax.ge(3, s[0])), 4),
        (loop(lambda s: s[0] < 3, step=lambda count: 1 + count), 3),
        (loop(lambda s: (s[0] < 3) & (s[1][0] < 99)), 3),
        (loop(lambda s: jnp.logical_and(s[1][0] < 99, s[0] < 3)), 3),
        (loop(lambda s: (s[0] < 9) & (s[0] < 3)), 3),
        (loop(jax.jit(lambda s: s[0] < 3), step=jax.jit(lambda count: count + 1)), 3),
        (jax.jit(lambda x: jax.jit(loop(lambda s: s[0] < 3))(x)), 3),
        (lambda x: jax.jit(lambda n, x: loop(lambda s: s[0] < 3, start=n)(x))(1, x), 2),
        (loop(lambda s: (s[0] < 3) | (s[1][0] < 1)), None),
        (loop(lambda s: s[0] > -3, step=lambda count: count - 1), None),
        (loop(lambda s: s[0] < 3, step=lambda count: count * 2 + 1), None),
        (loop(lambda s: s[1][0] < 8), None),
        (lambda x: loop(lambda s: s[0] < 3, start=x[2].astype(int) - 1)(x), None),
        (lambda x: loop(lambda s: s[0] < x[2].astype(int))(x), None),
    ],
)
def test_the_bound_is_read_only_where_it_is_certain(function, bound):
    values, aux = replayed(function, X)
    (name,) = aux.bounded
    count = int(aux.iterations[name])
    assert aux.bounded[name] == bound
    expected = doubles(count)[-1:] if bound is None else doubles(count)
    np.testing.assert_array_equal(values["double"], expected)


def test_an_early_exit_is_counted():
    values, aux = replayed(loop(lambda s: (s[0] < 6) & (s[1][2] < 10)), X)
    assert aux.bounded == {"0/body": 6}
    assert aux.iterations["0/body"] == 3
    np.testing.assert_array_equal(values["double"], np.concatenate([doubles(3), np.zeros((3, 3))]))


def decode(prompt_length, cache):
    """Attends from each new position to all positions before it, from a dynamic start."""

    def body(state):
        position, cache = state
        query = cache[position - 1]
        seen = jnp.arange(len(cache)) < position
        weights = mark(jax.nn.softmax(jnp.where(seen, cache @ query, -jnp.inf)), "weights")
        return position + 1, cache.at[position].set(weights @ cache)

    return lax.while_loop(lambda state: state[0] < len(cache), body, (prompt_length, cache))


def test_a_decoding_loop_with_a_dynamic_start():
    cache = np.zeros((6, 3), np.float32)
    cache[:2] = np.random.default_rng(0).normal(size=(2, 3))
    values, aux = replayed(decode, 2, cache, steps=5)
    (name,) = aux.bounded
    assert aux.iterations[name] == 4
    expected = np.zeros((5, 6))
    for number, position in enumerate(range(2, 6)):
        weights = np.exp(cache[:position] @ cache[position - 1])
        expected[number, :position] = weights / weights.sum()
        cache[position] = expected[number] @ cache
    np.testing.assert_allclose(values["weights"], expected, rtol=1e-5, atol=1e-7)


def test_a_counted_loop_with_a_static_and_with_a_dynamic_end():
    def function(end):
        return lambda x: lax.fori_loop(0, end, lambda n, x: mark(x * n, "product"), x)

    values, aux = replayed(function(3), X)
    np.testing.assert_array_equal(values["product"], [X * 0, X * 0, X * 0])
    assert not aux.bounded  # JAX makes it a scan
    values, aux = replayed(lambda x, end: function(end)(x), X, 3, steps=4)
    assert values["product"].shape == (4, 3)
    assert list(aux.iterations.values()) == [3]
    values, aux = replayed(lambda x, end: function(end)(x), X, 3)
    assert values["product"].shape == (1, 3)


def test_loops_in_loops():
    def step(x, row):
        return counting(2)(x + row)[1], None

    def outer(state):
        return state[0] + 1, lax.scan(step, state[1], ROWS)[0]

    values, aux = replayed(
        lambda x: lax.while_loop(lambda state: state[0] < 2, outer, (0, x)), X, steps=3
    )
    expected = np.zeros((3, 4, 3, 3), np.float32)
    x = X
    for turn in range(2):
        for number, row in enumerate(ROWS):
            expected[turn, number, :2] = [(x + row) * 2, (x + row) * 4]
            x = (x + row) * 4
    np.testing.assert_array_equal(values["double"], expected)
    outer_name, inner_name = sorted(aux.iterations, key=len)
    assert aux.iterations[outer_name] == 2
    np.testing.assert_array_equal(aux.iterations[inner_name], [[2] * 4, [2] * 4, [0] * 4])


def test_an_edit_in_a_while_loop_is_given_whole():
    closed = jax.make_jaxpr(counting(3))(X)
    outputs, _, aux = replay(closed, [], added(closed, "double"))([X], {"double": np.float32(1)})
    np.testing.assert_array_equal(outputs[1], ((X * 2 + 1) * 2 + 1) * 2 + 1)
    assert aux.iterations == {"0/body": 3}


def test_a_mapped_while_loop_counts_for_each_example():
    def function(x):
        return loop(lambda s: (s[0] < 5) & (s[1][0] < 4))(x)

    batch = np.stack([X, X * 4])
    closed = jax.make_jaxpr(function)(X)
    _, values, aux = jax.vmap(lambda x: probed(closed)([x], {}))(batch)
    np.testing.assert_array_equal(aux.iterations["0/body"], [3, 1])
    np.testing.assert_array_equal(values["double"][1, :2], [X * 8, X * 0])
    assert aux.bounded == {"0/body": 5}


def test_the_gradient_of_a_scan_is_unchanged_and_given_for_each_iteration():
    def function(x):
        return lax.scan(lambda c, row: (mark(c * row, "product"), None), x, ROWS)[0].sum()

    closed = jax.make_jaxpr(function)(X)
    run = probed(closed, edits=added(closed, "product"))
    zeros = np.zeros((4, 3), np.float32)
    by_x, by_product = jax.grad(lambda x, more: run([x], {"product": more})[0][0], argnums=(0, 1))(
        X, zeros
    )
    np.testing.assert_array_equal(by_x, jax.grad(function)(X))
    after = np.cumprod(np.concatenate([ROWS[1:], np.ones((1, 3), np.float32)])[::-1], axis=0)
    np.testing.assert_allclose(by_product, after[::-1], rtol=1e-6)


def test_a_scan_probe_may_reduce_and_combine():
    def function(x):
        return lax.scan(lambda c, row: (mark(c + row, "sum"), mark(c * row, "product")), x, ROWS)

    closed = jax.make_jaxpr(function)(X)
    at = addresses(closed)
    probe = Probe(
        "both",
        (at["sum"], at["product"]),
        lambda a, b: (jnp.max(a), jnp.min(b).astype(jnp.bfloat16)),
    )
    _, values, _ = jax.jit(replay(closed, [probe]))([X], {})
    sums = X + np.cumsum(ROWS, axis=0)
    products = np.concatenate([X[None], sums[:-1]]) * ROWS
    np.testing.assert_array_equal(values["both"][0], sums.max(axis=1))
    assert values["both"][1].dtype == jnp.bfloat16
    np.testing.assert_allclose(
        values["both"][1].astype(np.float32), products.min(axis=1), rtol=2**-8
    )


def test_only_what_a_probe_computes_leaves_a_loop():
    closed = jax.make_jaxpr(lambda x: lax.scan(running_sum, x, ROWS)[0])(X)
    (before,) = [each for _, each in equations(closed) if each.primitive.name == "scan"]
    run = replay(closed, [Probe("max", (addresses(closed)["sum"],), jnp.max)])
    again = jax.make_jaxpr(run)([X], {})
    (after,) = [each for _, each in equations(again) if each.primitive.name == "scan"]
    assert len(after.outvars) == len(before.outvars) + 1
    assert after.outvars[-1].aval.shape == (4,)


def test_loop_options_are_kept():
    def function(x):
        return lax.scan(running_sum, x, ROWS, reverse=True, unroll=2)

    closed = jax.make_jaxpr(function)(X)
    again = jax.make_jaxpr(probed(closed))([X], {})
    (loop,) = [each for _, each in equations(again) if each.primitive.name == "scan"]
    assert (loop.params["reverse"], loop.params["unroll"], loop.params["length"]) == (True, 2, 4)
