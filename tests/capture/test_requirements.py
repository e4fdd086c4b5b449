"""What is asked of values and operations besides their form."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from attnreport.capture.roles.requirements import is_result
from attnreport.capture.roles.scores import is_maximum
from tests.capture.recognizing import analysis_of, graph_of

X = np.random.default_rng(0).normal(size=(2, 6, 8)).astype(np.float32)


def _convolved(x):
    return lax.conv_general_dilated(
        x, jnp.ones((3, 8, 4)), (1,), "SAME", dimension_numbers=("NWC", "WIO", "NWC")
    )


@pytest.mark.parametrize(
    ("after", "result"),
    [
        (lambda x: 2 * x + 1, True),
        (lambda x: x.sum(1), False),
        (lambda x: x.max(1), False),
        (lambda x: x[:, jnp.array([0, 2])], False),
        (lambda x: x @ jnp.ones((8, 3)), False),
        (_convolved, False),
    ],
)
def test_a_result_goes_into_nothing_else_but_entry_by_entry(after, result):
    graph = graph_of(lambda x: after(jnp.sin(x)), X)
    (sine,) = [node for node in graph.nodes if node.primitive == "sin"]
    assert is_result(sine.outputs[0]) is result


@pytest.mark.parametrize(
    ("fn", "maximum"),
    [
        (lambda x: x.max(-1), True),
        (lambda x: jnp.log(x.sum(-1)), True),
        (lambda x: jnp.maximum(x.max(-1), -1e9), True),
        (lambda x: x.mean(-1), False),
        (jnp.sin, False),
    ],
)
def test_maxima(fn, maximum):
    assert is_maximum(graph_of(fn, X).root.outputs[0]) is maximum


@pytest.mark.parametrize("other", [False, True])
def test_a_softmax_subtracts_the_logarithm_of_its_own_sum(other):
    def fn(x, y):
        return jnp.exp(x - jnp.log(jnp.exp(y if other else x).sum(-1, keepdims=True)))

    assert bool(analysis_of(fn, X, X).facts.normalized) is not other


@pytest.mark.parametrize("learned", [False, True])
def test_gates_of_parameters_that_the_program_closes_over(learned):
    matrix = np.eye(8, dtype=np.float32) + 0.1

    def fn(x):
        pooled = x.mean(1, keepdims=True)
        return x * jnp.clip(pooled @ matrix if learned else pooled, 0, 1)

    assert len(analysis_of(fn, X).sites()) == learned


@pytest.mark.parametrize("divided", [False, True])
def test_sums_of_blocks_that_nothing_divides_are_no_softmax(divided):
    def fn(x):
        def step(carry, block):
            total, out = carry
            e = jnp.exp(x @ block.mT)
            return (total + e.sum(-1, keepdims=True), out + e @ block), None

        blocks = jnp.moveaxis(x.reshape(2, 3, 2, 8), 1, 0)
        first = jnp.zeros((2, 6, 1)), jnp.zeros((2, 6, 8))
        (total, out), _ = jax.lax.scan(step, first, blocks)
        return out / total if divided else (out, total)

    forms = [site.form for site in analysis_of(fn, X).sites()]
    assert ("softmax in blocks of keys" in forms) is divided
