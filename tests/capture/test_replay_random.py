"""Random programs, replayed, against an evaluation of the same statements in plain NumPy."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

from tests import compiling
from tests.capture.probing import added, assert_same_bits, mark, probed

pytestmark = pytest.mark.optimized

START = np.array([3, -8, 5], np.int32)


@dataclasses.dataclass(frozen=True)
class Apply:
    """`x` goes through an operation; the result is marked."""

    operation: str
    mark: str


@dataclasses.dataclass(frozen=True)
class Call:
    """The statements are called through `jit` or `checkpoint`."""

    how: str
    body: tuple[Any, ...]


@dataclasses.dataclass(frozen=True)
class Repeat:
    """The statements run for each number from 0, which is added to `x` before; maybe backward."""

    count: int
    reverse: bool
    body: tuple[Any, ...]


@dataclasses.dataclass(frozen=True)
class While:
    """The statements run at most `limit` times, as long as `x[0]` is no multiple of seven."""

    limit: int
    body: tuple[Any, ...]


@dataclasses.dataclass(frozen=True)
class Choose:
    """One of the lists of statements runs, by `x[0]`."""

    branches: tuple[tuple[Any, ...], ...]


# In whole numbers NumPy and XLA agree bit for bit; in floating point only the replay and `jit` do.
OPERATIONS = {
    "shift": lambda x, _: x + 3,
    "scale": lambda x, _: x * 5 - 2,
    "roll": lambda x, library: library.roll(x, 1) + x,
    "fold": lambda x, library: library.abs(x) - 4,
    "limit": lambda x, library: library.clip(x, -99, 99),
}
FLOATS = OPERATIONS | {
    "shift": lambda x, library: library.sin(x) + 3,
    "fold": lambda x, library: library.tanh(x) / (1 + library.exp(-library.abs(x))),
    "scale": lambda x, library: x / 3,
}


def programs():
    """Lists of statements, each `Apply` with a mark of its own."""
    apply = st.sampled_from(sorted(OPERATIONS)).map(lambda name: Apply(name, ""))

    def larger(statement):
        body = st.lists(statement, min_size=1, max_size=2).map(tuple)
        return st.one_of(
            st.builds(Call, st.sampled_from(["jit", "remat"]), body),
            st.builds(Repeat, st.integers(1, 3), st.booleans(), body),
            st.builds(While, st.integers(1, 3), body),
            st.builds(Choose, st.lists(body, min_size=2, max_size=3).map(tuple)),
        )

    nest = larger(st.one_of(apply, larger(st.one_of(apply, larger(apply)))))
    return st.lists(st.one_of(apply, nest), min_size=1, max_size=3).map(
        lambda statements: numbered(tuple(statements), iter(range(10_000)))
    )


def numbered(statements, numbers):
    def one(statement):
        match statement:
            case Apply(operation):
                return Apply(operation, f"mark {next(numbers)}")
            case Choose(branches):
                return Choose(tuple(numbered(branch, numbers) for branch in branches))
        return dataclasses.replace(statement, body=numbered(statement.body, numbers))

    return tuple(one(statement) for statement in statements)


def in_jax(statements, operations, x):
    for statement in statements:
        x = _in_jax(statement, operations, x)
    return x


def _in_jax(statement, operations, x):
    match statement:
        case Apply(operation, name):
            return mark(operations[operation](x, jnp), name)
        case Call(how, body):
            wrap = {"jit": jax.jit, "remat": jax.checkpoint}[how]
            return wrap(lambda x: in_jax(body, operations, x))(x)
        case Repeat(count, reverse, body):
            numbers = jnp.arange(count, dtype=x.dtype)
            return lax.scan(
                lambda x, n: (in_jax(body, operations, x + n), None), x, numbers, reverse=reverse
            )[0]
        case While(limit, body):
            return lax.while_loop(
                lambda state: (state[0] < limit) & (state[1][0] % 7 != 0),
                lambda state: (state[0] + 1, in_jax(body, operations, state[1])),
                (0, x),
            )[1]
        case Choose(branches):
            number = (x[0] % len(branches)).astype(jnp.int32)
            run = [lambda x, branch=branch: in_jax(branch, operations, x) for branch in branches]
            return lax.switch(number, run, x)


def blank(statements):
    """What the marks hold if none of the statements runs: zeros."""
    found = {}
    for statement in statements:
        match statement:
            case Apply(_, name):
                found[name] = np.zeros(3, np.int32)
            case Call(_, body):
                found |= blank(body)
            case Repeat(count, _, body) | While(count, body):
                found |= {name: np.stack([one] * count) for name, one in blank(body).items()}
            case Choose(branches):
                for branch in branches:
                    found |= blank(branch)
    return found


def in_numpy(statements, x, more):
    """The result, and what each mark holds; `more` holds what is added to marked values."""
    found = blank(statements)
    for statement in statements:
        x, held = _in_numpy(statement, x, more)
        found |= held
    return x, found


def _in_numpy(statement, x, more):
    match statement:
        case Apply(operation, name):
            x = OPERATIONS[operation](x, np) + more.get(name, np.int32(0))
            return x, {name: x}
        case Call(_, body):
            return in_numpy(body, x, more)
        case Repeat(count, reverse, body):
            rows = [None] * count
            for n in reversed(range(count)) if reverse else range(count):
                mine = {name: more[name][n] for name in blank(body) if name in more}
                x, rows[n] = in_numpy(body, x + np.int32(n), mine)
            return x, {name: np.stack([row[name] for row in rows]) for name in blank(body)}
        case While(limit, body):
            rows = []
            while len(rows) < limit and x[0] % 7 != 0:
                x, row = in_numpy(body, x, more)
                rows.append(row)
            rows += [blank(body)] * (limit - len(rows))
            return x, {name: np.stack([row[name] for row in rows]) for name in blank(body)}
        case Choose(branches):
            x, held = in_numpy(branches[x[0] % len(branches)], x, more)
            return x, blank((statement,)) | held


def input_axes(statements, axes=()):
    """The axes in front of what is added to each mark: one for each `Repeat` around it."""
    found = {}
    for statement in statements:
        match statement:
            case Apply(_, name):
                found[name] = axes
            case Repeat(count, _, body):
                found |= input_axes(body, (*axes, count))
            case Call(_, body) | While(_, body):
                found |= input_axes(body, axes)
            case Choose(branches):
                for branch in branches:
                    found |= input_axes(branch, axes)
    return found


@settings(max_examples=40, deadline=None, derandomize=True)
@given(programs(), st.data())
def test_random_programs_give_what_numpy_computes(statements, data):
    axes = input_axes(statements)
    edited = data.draw(st.lists(st.sampled_from(sorted(axes)), unique=True, max_size=2))
    generator = np.random.default_rng(len(axes))
    more = {
        name: generator.integers(-9, 9, size=(*axes[name], 3)).astype(np.int32) for name in edited
    }
    closed = jax.make_jaxpr(lambda x: in_jax(statements, OPERATIONS, x))(START)
    run = probed(closed, edits=added(closed, *edited))
    # Whole numbers are the same however they are compiled.
    (result,), values, _ = compiling.run(run, [START], more)
    expected, marks = in_numpy(statements, START, more)
    np.testing.assert_array_equal(result, expected)
    assert set(values) == set(marks)
    for name, value in marks.items():
        np.testing.assert_array_equal(values[name], value)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(programs())
def test_random_programs_are_not_changed_by_a_bit(statements):
    def function(x):
        return in_jax(statements, FLOATS, x)

    start = START.astype(np.float32) / 4
    outputs, _, _ = jax.jit(probed(jax.make_jaxpr(function)(start)))([start], {})
    assert_same_bits(outputs, [jax.jit(function)(start)])
