import jax
import jax.numpy as jnp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attnreport.capture.order import forward_positions


def order(function, *inputs):
    """Indices of the outputs, sorted by where they are made."""
    positions = forward_positions(jax.make_jaxpr(function)(*inputs))
    return sorted(range(len(positions)), key=lambda index: positions[index])


X = jnp.ones((2, 3))


def steps(x):
    first = x * x
    second = first + x
    return first, second, second * first


@settings(max_examples=30, deadline=None)
@given(st.permutations(range(6)), st.lists(st.sampled_from(["cast", "move", "stay"]), min_size=6))
def test_results_are_found_in_the_order_they_were_made(permutation, dressing):
    dress = {
        "cast": lambda value: value.astype(jnp.float16),
        "move": lambda value: jnp.moveaxis(value, 0, 1)[None],
        "stay": lambda value: value,
    }

    def function(x):
        made = [x * x]
        for _ in range(5):
            made.append(made[-1] + x)
        # What is done to a result afterwards, in any order, does not change when it was made.
        dressed = {i: dress[dressing[i]](made[i]) for i in permutation}
        return [dressed[i] for i in permutation]

    assert [permutation[i] for i in order(function, X)] == list(range(6))


def scanned(x):
    _, ys = jax.lax.scan(lambda carry, _: (carry + 1, steps(carry)), x, length=2)
    return tuple(jnp.moveaxis(y, 0, 1) for y in reversed(ys))[::-1]


@pytest.mark.parametrize(
    "function",
    [
        steps,
        jax.jit(steps),
        jax.checkpoint(steps),
        jax.jit(jax.jit(steps)),
        scanned,
        lambda x: jax.lax.cond(x.sum() > 0, steps, steps, x),
        lambda x: (jax.jit(steps)(x)[0], *jax.jit(steps)(x + 1)[1:]),
    ],
    ids=["plain", "jit", "checkpoint", "nested", "scan", "cond", "two calls"],
)
def test_order_holds_inside_nested_computations(function):
    def transposed(x):
        first, second, third = function(x)
        return third, jnp.swapaxes(second, -1, -2), first

    assert order(transposed, X) == [2, 1, 0]


def test_inputs_and_constants_come_first():
    positions = forward_positions(jax.make_jaxpr(lambda x: (x * x, x, 3.0, x.T))(X).jaxpr)
    assert positions[1] == positions[2] == ()
    assert positions[0] != ()


def test_a_while_loop_is_walked():
    def function(x):
        later = jax.lax.while_loop(lambda c: c[0] < 3, lambda c: (c[0] + 1, c[1] * 2), (0, x * 2))
        return later[1], x + 1

    positions = forward_positions(jax.make_jaxpr(function)(X).jaxpr)
    assert positions[0] < positions[1]
