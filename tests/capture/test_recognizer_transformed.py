"""Programs of the corpus inside transformations: the same attention, and each only once."""

import re
import zlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.capture.programs import PROGRAMS
from tests.capture.programs.scoring import score
from tests.capture.recognizing import found_in

UNFIT = frozenset(
    [
        # A rule of its own for the gradient, which is not differentiated again.
        "field_approximating.own_gradient",
        # Its attention is a gradient, so that it is part of a backward pass twice.
        "memory.hopfield_by_gradient",
        # Its result is a gradient, so that its attention is part of a backward pass only.
        "training.only_gradients",
        "training.only_gradients_of_a_scan",
        # Which of two given arrays holds the tokens shows in what the program returns.
        "field_vision.cross_covariance",
        # Models whose parameters Flax does not let go into a program twice.
        "nnx_layers.trained",
        "nnx_layers.scanned",
        # A maximum over devices, which JAX does not differentiate.
        "rules_moves.divided_by_sum_over_devices",
        # Kernels that JAX cannot differentiate on a CPU.
        "kernels.training",
        "kernels.tpu_flash",
    ]
)
POSITIVE = [name for name in PROGRAMS if "negatives" not in name]


def _sample(rest):
    """An eighth of the programs, whatever others there are."""
    chosen = (name for name in POSITIVE if zlib.crc32(name.encode()) % 8 == rest)
    return [name for name in chosen if name not in UNFIT]


def _is_float(leaf):
    return hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.floating)


def _trained(program, leaves, structure):
    """A step of training: the loss is rematerialized, and every number is a parameter."""
    places = [place for place, leaf in enumerate(leaves) if _is_float(leaf)]

    def fn(*leaves):
        @jax.checkpoint
        def loss(floats):
            given = list(leaves)
            for place, array in zip(places, floats, strict=True):
                given[place] = array
            outputs = program.fn(*jax.tree.unflatten(structure, given))
            return sum((each**2).sum() for each in jax.tree.leaves(outputs) if _is_float(each))

        return jax.value_and_grad(loss)([leaves[place] for place in places])

    return fn


def _is_differentiable(fn, leaves):
    """No loop of unknown length is, and nothing with a rule for one direction only."""
    try:
        jax.make_jaxpr(fn)(*leaves)
    except (TypeError, ValueError) as error:
        return not re.search("differentia|autodiff", str(error))
    return True


def _right(program, fn, *args):
    return score(found_in(fn, *args), program.expected(), left_out=frozenset({"router", "memory"}))


@pytest.mark.parametrize("name", _sample(0))
def test_a_step_of_training(name):
    program = PROGRAMS[name]()
    leaves, structure = jax.tree.flatten(program.args)
    fn = _trained(program, leaves, structure)
    if _is_differentiable(fn, leaves):
        result = _right(program, fn, *leaves)
        assert result.right, result


@pytest.mark.parametrize("name", _sample(2))
def test_parameters_that_are_closed_over(name):
    program = PROGRAMS[name]()
    first, *rest = program.args
    if isinstance(first, np.ndarray):
        return
    first = jax.tree.map(lambda leaf: jnp.asarray(leaf) if _is_float(leaf) else leaf, first)
    result = _right(program, lambda *rest: program.fn(first, *rest), *rest)
    assert result.right, result
