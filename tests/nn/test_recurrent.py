import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from attnreport.nn import GatedRecurrentUnit


@pytest.fixture
def unit() -> GatedRecurrentUnit:
    unit = GatedRecurrentUnit(3, 4, rngs=nnx.Rngs(0))
    unit.inputs.bias[...] = jnp.linspace(-1, 1, 12)
    return unit


@pytest.fixture
def inputs() -> jax.Array:
    return jax.random.normal(jax.random.key(1), (2, 5, 3))


ALL = jnp.ones((2, 5), dtype=bool)


def slow_states(unit: GatedRecurrentUnit, inputs: np.ndarray) -> np.ndarray:
    """The equations of the class, one step and one sequence at a time."""

    def sigmoid(value):
        return 1 / (1 + np.exp(-value))

    w, b, u = (
        np.split(np.asarray(part[...], np.float64), 3, axis=-1)
        for part in (unit.inputs.kernel, unit.inputs.bias, unit.recurrent.kernel)
    )
    states = np.zeros((*inputs.shape[:2], 4))
    for row in range(len(inputs)):
        state = np.zeros(4)
        for time, x in enumerate(np.asarray(inputs[row], np.float64)):
            reset = sigmoid(x @ w[0] + b[0] + state @ u[0])
            update = sigmoid(x @ w[1] + b[1] + state @ u[1])
            candidate = np.tanh(x @ w[2] + b[2] + reset * (state @ u[2]))
            state = (1 - update) * candidate + update * state
            states[row, time] = state
    return states


def test_it_computes_its_equations(unit, inputs):
    np.testing.assert_allclose(unit(inputs, ALL), slow_states(unit, inputs), atol=1e-5)


def test_it_is_the_cell_of_flax_with_the_same_parameters(unit, inputs):
    cell = nnx.GRUCell(3, 4, rngs=nnx.Rngs(5))
    cell.dense_i.kernel[...], cell.dense_i.bias[...] = (
        unit.inputs.kernel[...],
        unit.inputs.bias[...],
    )
    cell.dense_h.kernel[...] = unit.recurrent.kernel[...]
    state = jnp.zeros((2, 4))
    for time, expected in enumerate(jnp.swapaxes(unit(inputs, ALL), 0, 1)):
        state, _ = cell(state, inputs[:, time])
        np.testing.assert_allclose(state, expected, atol=1e-6)


def test_backwards_it_reads_the_sequence_from_its_end(unit, inputs):
    backwards = unit(inputs, ALL, reverse=True)
    np.testing.assert_allclose(backwards, unit(inputs[:, ::-1], ALL)[:, ::-1], atol=1e-6)


@pytest.mark.parametrize("reverse", [False, True])
def test_padding_leaves_the_state_as_it_is(unit, inputs, reverse):
    real = jnp.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], dtype=bool)
    states = unit(inputs.at[0, 3:].set(99.0), real, reverse=reverse)
    alone = unit(inputs[:1, :3], ALL[:1, :3], reverse=reverse)
    np.testing.assert_allclose(states[0, :3], alone[0], atol=1e-6)
