"""What is known of single operations: their axes, bounds, sources and randomness."""

from string import ascii_lowercase

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.extend.core.primitives import add_jaxvals_p
from jax.extend.random import threefry_2x32
from jax.sharding import AbstractMesh, PartitionSpec

from attnreport.capture.dimensions.dimensions import Dimensions
from attnreport.capture.dimensions.factors import canonical, stems_from
from attnreport.capture.forms.bounds import Intervals
from attnreport.capture.program.lineage import entries, is_drawn, is_given, is_random
from tests.capture.recognizing import graph_of

X = np.ones((2, 6), np.float32)
PAIRS = ((0, 0, 0), (1, 1, 0))
ANYTHING = (-np.inf, np.inf)


def _sharded(fn):
    """A function that is read for two devices, and may leave out what varies over them."""
    mesh = AbstractMesh((2,), ("m",))
    whole = PartitionSpec()
    return jax.shard_map(fn, mesh=mesh, in_specs=whole, out_specs=whole, check_vma=False)


def _windows(first, join):
    return lambda x: lax.reduce_window(x, first, join, (1, 2), (1, 2), "VALID")


def _convolved(x):
    kernel, order = jnp.ones((3, 6, 4)), ("NWC", "WIO", "NWC")
    return lax.conv_general_dilated(x[None], kernel, (1,), "SAME", dimension_numbers=order)[0]


def _written(x):
    return lax.dynamic_update_slice(jnp.zeros((2, 8)), x, (0, 1))


def _added_to(x):
    return jnp.zeros((2, 8)).at[:, jnp.array([1, 2])].add(x[:, :2])


# Letters are dimensions; a prime marks a copy or a piece, a question mark what is new.
AXES = {
    "all_gather": (_sharded(lambda x: lax.all_gather(x, "m", axis=1)), "a ? b"),
    "all_gather tiled": (_sharded(lambda x: lax.all_gather(x, "m", tiled=True)), "a' b"),
    "all_to_all": (_sharded(lambda x: lax.all_to_all(x, "m", 0, 1, tiled=True)), " b'"),
    "approx_top_k": (lambda x: lax.approx_max_k(x, 3)[0], "a b'"),
    "argmax": (lambda x: jnp.argmax(x, 0), "b"),
    "argmin": (lambda x: jnp.argmin(x, 0), "b"),
    "conv_general_dilated": (_convolved, "a ?"),
    "dynamic_slice": (lambda x: lax.dynamic_slice(x, (0, 1), (2, 3)), "a b'"),
    "dynamic_update_slice": (_written, "a b'"),
    "gather": (lambda x: x[:, jnp.array([1, 2])], "a ?"),
    "iota": (lambda x: lax.broadcasted_iota(jnp.float32, x.shape, 0), "? ?"),
    "optimization_barrier": (lambda x: lax.optimization_barrier((x.T, x))[0], "b a"),
    "pad": (lambda x: lax.pad(x, 0.0, PAIRS), "a b'"),
    "reduce": (lambda x: lax.reduce(x, 0.0, lambda a, b: 2 * a + b, (0,)), "b"),
    "reduce_and": (lambda x: (x > 0).all(0), "b"),
    "reduce_min": (lambda x: x.min(0), "b"),
    "reduce_or": (lambda x: (x > 0).any(0), "b"),
    "reduce_prod": (lambda x: x.prod(0), "b"),
    "reduce_scatter": (
        _sharded(lambda x: lax.psum_scatter(x, "m", scatter_dimension=1, tiled=True)),
        "a b'",
    ),
    "reduce_window": (_windows(0.0, lambda a, b: 2 * a + b), "a b'"),
    "reduce_window_max": (_windows(-np.inf, lax.max), "a b'"),
    "reduce_window_min": (_windows(np.inf, lax.min), "a b'"),
    "reduce_window_sum": (_windows(0.0, lax.add), "a b'"),
    "reduce_xor": (lambda x: lax.reduce_xor(x > 0, (0,)), "b"),
    "scatter-add": (lambda x: x[:, :2].T.at[jnp.array([1, 0])].add(x[:, 2:4]), "b' a"),
    "slice, whole heads": (lambda x: x.reshape(12)[6:], "b"),
    "split": (lambda x: jnp.split(x, (2,), 1)[0], "a b'"),
    "tile": (lambda x: jnp.tile(x, (1, 2)), "a b'"),
    "unstack": (lambda x: jnp.unstack(x, axis=0)[1], "b"),
}


@pytest.mark.parametrize("operation", AXES)
def test_axes(operation):
    fn, expected = AXES[operation]
    assert _axes(fn) == expected


def _axes(fn):
    graph = graph_of(fn, X)
    dimensions = Dimensions(graph)
    known = dimensions.within(graph.root.inputs[0])

    def letter(factor):
        for name, each in zip(ascii_lowercase, known, strict=False):
            if canonical(factor) is canonical(each):
                return name
            if stems_from(factor, (each,)):
                return name + "'"
        return "?"

    axes = dimensions.of(graph.root.outputs[0])
    return " ".join("".join(map(letter, axis)) for axis in axes)


def _shares(fn):
    """A function of numbers between 0 and 1."""
    return lambda x: fn(jax.nn.sigmoid(x))


BOUNDS = {
    "abs": (lambda x: jnp.abs(jnp.tanh(x)), (0, 1)),
    "add_any": (_shares(lambda x: add_jaxvals_p.bind(x, x)), (0, 2)),
    "concatenate": (_shares(lambda x: jnp.concatenate([x, -x])), (-1, 1)),
    "cos": (jnp.cos, (-1, 1)),
    "cummax": (_shares(lax.cummax), (0, 1)),
    "cummin": (_shares(lax.cummin), (0, 1)),
    "cumsum": (_shares(lax.cumsum), (0, np.inf)),
    "dot_general": (_shares(lambda x: x @ x.T), (0, np.inf)),
    "dynamic_slice": (_shares(lambda x: lax.dynamic_slice(x, (0, 1), (2, 3))), (0, 1)),
    "dynamic_update_slice": (_shares(_written), (0, 1)),
    "erf": (lax.erf, (-1, 1)),
    "gather": (_shares(lambda x: x[:, jnp.array([1, 2])]), (0, 1)),
    "neg": (_shares(jnp.negative), (-1, 0)),
    "pad": (_shares(lambda x: lax.pad(x, 0.0, PAIRS)), (0, 1)),
    "pmax": (_shares(_sharded(lambda x: lax.pmax(x, "m"))), (0, 1)),
    "pmin": (_shares(_sharded(lambda x: lax.pmin(x, "m"))), (0, 1)),
    "pow": (_shares(lambda x: x**1.5), (0, np.inf)),
    "psum": (_shares(_sharded(lambda x: lax.psum(x, "m"))), (0, np.inf)),
    "reduce_max": (_shares(lambda x: x.max(0)), (0, 1)),
    "reduce_min": (_shares(lambda x: x.min(0)), (0, 1)),
    "reduce_window_max": (_shares(_windows(-np.inf, lax.max)), (0, 1)),
    "reduce_window_sum": (_shares(_windows(0.0, lax.add)), (0, np.inf)),
    "rev": (_shares(lambda x: lax.rev(x, (0,))), (0, 1)),
    "rsqrt": (lax.rsqrt, (0, np.inf)),
    "scatter-add": (_shares(_added_to), (0, np.inf)),
    "sign": (jnp.sign, (-1, 1)),
    "sin": (jnp.sin, (-1, 1)),
    "slice": (_shares(lambda x: x[:, 1:]), (0, 1)),
    "sort": (_shares(jnp.sort), (0, 1)),
    "split": (_shares(lambda x: jnp.split(x, (2,), 1)[0]), (0, 1)),
    "sqrt": (jnp.sqrt, (0, np.inf)),
    "square": (jnp.square, (0, np.inf)),
    "stack": (_shares(lambda x: jnp.stack([x, x])), (0, 1)),
    "sub": (_shares(lambda x: 1 - x), (0, 1)),
    "tile": (_shares(lambda x: jnp.tile(x, (1, 2))), (0, 1)),
    "unstack": (_shares(lambda x: jnp.unstack(x)[0]), (0, 1)),
    "an input": (lambda x: x, ANYTHING),
}


@pytest.mark.parametrize("operation", BOUNDS)
def test_bounds(operation):
    fn, expected = BOUNDS[operation]
    assert Intervals().of(graph_of(fn, X).root.outputs[0]) == expected


@pytest.mark.parametrize(
    ("fn", "nonnegative"), [(jnp.abs, True), (jnp.exp, True), (jnp.tanh, False)]
)
def test_signs(fn, nonnegative):
    assert Intervals().is_nonnegative(graph_of(fn, X).root.outputs[0]) is nonnegative


def _key(x, length=2):
    return x.astype(jnp.uint32).ravel()[:length]


DRAWS = {
    "random_bits": lambda x: jax.random.normal(jax.random.wrap_key_data(_key(x)), (3,)),
    "random_gamma": lambda x: jax.random.gamma(jax.random.wrap_key_data(_key(x)), 2.0, (3,)),
    "rng_bit_generator": lambda x: lax.rng_bit_generator(_key(x, 4), (3,))[1],
    "rng_uniform": lambda x: lax.rng_uniform(x[0, 0], 1.0, (3,)),
    "threefry2x32": lambda x: threefry_2x32(_key(x), jnp.arange(4, dtype=jnp.uint32)),
}


@pytest.mark.parametrize("operation", DRAWS)
def test_random_numbers(operation):
    (output,) = graph_of(DRAWS[operation], X).root.outputs
    assert is_drawn(output)
    assert is_random(output)


@pytest.mark.parametrize("fn", [jnp.sin, lambda x: x.sum()])
def test_no_random_numbers(fn):
    (output,) = graph_of(fn, X).root.outputs
    assert not is_drawn(output)
    assert not is_random(output)


def test_numbers_that_are_the_same_in_each_run():
    def fn(x):
        return jax.random.normal(jax.random.key(0), x.shape)

    (output,) = graph_of(fn, X).root.outputs
    assert is_drawn(output)
    assert not is_random(output)


ENTRYWISE = {
    "abs": jnp.abs,
    "clamp": lambda x: lax.clamp(-1.0, x, 1.0),
    "cos": jnp.cos,
    "erf": lax.erf,
    "exp": jnp.exp,
    "exp2": jnp.exp2,
    "expm1": jnp.expm1,
    "integer_pow": lambda x: lax.integer_pow(x, 3),
    "log": jnp.log,
    "log1p": jnp.log1p,
    "logistic": jax.nn.sigmoid,
    "neg": jnp.negative,
    "pow": lambda x: x**1.5,
    "select_n": lambda x: lax.select_n(x > 0, x, x),
    "sign": jnp.sign,
    "sin": jnp.sin,
    "sqrt": jnp.sqrt,
    "square": jnp.square,
    "tanh": jnp.tanh,
}


@pytest.mark.parametrize("operation", ENTRYWISE)
def test_entry_by_entry(operation):
    (output,) = graph_of(ENTRYWISE[operation], X).root.outputs
    assert any(map(is_given, entries(output)))


@pytest.mark.parametrize("fn", [lambda x: x.sum(0), lambda x: x @ x.T, jnp.sort])
def test_not_entry_by_entry(fn):
    (output,) = graph_of(fn, X).root.outputs
    assert entries(output) == []
