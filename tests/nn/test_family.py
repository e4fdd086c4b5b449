"""What every attention module has to do, whichever mechanism it is."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from attnreport.capture import capture_attention
from tests.devices import outcomes_on_eight_devices
from tests.nn.family import FAMILY


class Called:
    """A module, and what it gives, compiled once for all tests of it."""

    def __init__(self, member):
        self.member, self.module = member, member.module()
        self.inputs, self.options = member.inputs(), member.options()
        self.output, self.weights = self.call(self.inputs)
        self.masked_output, self.masked_weights = self.call(self.inputs, **self.options)
        self.loss_and_gradient = jax.jit(jax.value_and_grad(self.loss))

    def call(self, inputs, **options):
        call = jax.jit(lambda *inputs: self.module(*inputs, return_weights=True, **options))
        return call(*inputs)

    @property
    def start(self):
        """All that a loss can be differentiated for: parameters, and inputs that are numbers."""
        numbers = [each for each in self.inputs if each.dtype == jnp.float32]
        return nnx.state(self.module, nnx.Param), numbers

    def loss(self, start):
        """A number that depends on all parameters and inputs, with some keys hidden."""
        parameters, numbers = start
        graph, _, rest = nnx.split(self.module, nnx.Param, ...)
        module = nnx.merge(graph, parameters, rest)
        output = module(*numbers, *self.inputs[len(numbers) :], **self.options)
        return jnp.sum(jnp.sin(output + jnp.arange(output.shape[-1])))


MASKED = [name for name, member in FAMILY.items() if member.mask != "none"]


@functools.cache
def called(name):
    return Called(FAMILY[name])


@pytest.fixture(params=FAMILY)
def case(request):
    return called(request.param)


def by_example(weights, examples):
    """`[example, head, query, key]`; the windows of an example are further queries."""
    if len(weights) == examples:
        return weights
    parts = jnp.moveaxis(weights.reshape(examples, -1, *weights.shape[1:]), 1, 2)
    return parts.reshape(examples, weights.shape[1], -1, weights.shape[-1])


def each_by_example(tree, case, *, turned=False):
    leaves = [by_example(leaf, len(case.inputs[0])) for leaf in jax.tree.leaves(tree)]
    return [leaf[::-1] for leaf in leaves] if turned else leaves


def assert_close(found, expected, atol=1e-5):
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, atol=atol)


def test_what_it_returns_with_the_weights_is_what_it_returns_without(case):
    assert_close(jax.jit(case.module)(*case.inputs), case.output, atol=1e-6)


def test_nothing_stays_in_the_module(case):
    before = jax.tree.structure(nnx.state(case.member.module()))
    assert jax.tree.structure(nnx.state(case.module)) == before


def test_weights_sum_to_one(case):
    for weights in jax.tree.leaves(case.weights):
        sums = np.asarray(weights.sum(axis=-1))
        assert (weights >= 0).all()
        if case.member.kind == "gate":
            assert (weights <= 1).all()
            continue
        assert (abs(sums - 1) < 1e-6).all() if case.member.normalized else (sums < 1).all()


@pytest.mark.parametrize("name", [name for name in MASKED if "windows" not in name])
def test_hidden_keys_get_no_weight(name):
    weights = jax.tree.leaves(called(name).masked_weights)[0]
    assert (weights[1, ..., -1] == 0).all()
    assert (weights[1, ..., :-1] > 0).any()


@pytest.mark.parametrize("name", MASKED)
def test_where_all_is_hidden_it_gives_zeros(name):
    case = called(name)
    assert np.isfinite(case.masked_output).all()
    for leaf in jax.tree.leaves(case.masked_weights):
        weights = by_example(leaf, len(case.inputs[0]))
        assert (weights[0, ..., case.member.own :] == 0).all()
        assert (weights[2] > 0).any()


def test_gradients_reach_everything_and_are_never_nan(case):
    gradient = jax.tree.leaves(case.loss_and_gradient(case.start)[1])
    assert all(np.isfinite(leaf).all() for leaf in gradient)
    assert all(np.abs(leaf).max() > 0 for leaf in gradient)


def test_in_bfloat16_the_softmax_is_in_float32(case):
    module = case.member.module(jnp.bfloat16)
    inputs = case.member.inputs(dtype=jnp.bfloat16)
    output, weights = jax.jit(functools.partial(module, return_weights=True))(*inputs)
    assert output.dtype == jnp.bfloat16
    for leaf in jax.tree.leaves(weights):
        assert leaf.dtype == jnp.float32
        if case.member.normalized:
            assert abs(leaf.sum(axis=-1) - 1).max() < 1e-6
    assert_close(weights, case.weights, atol=0.2)


def test_the_gradient_is_the_slope(case):
    numbers = np.random.default_rng(2)
    leaves, structure = jax.tree.flatten(jax.tree.map(np.asarray, case.start))
    ways = [numbers.normal(size=leaf.shape).astype(leaf.dtype) for leaf in leaves]

    def moved(step):
        moved = [leaf + np.float32(step) * way for leaf, way in zip(leaves, ways, strict=True)]
        return float(case.loss_and_gradient(jax.tree.unflatten(structure, moved))[0])

    gradient = jax.tree.leaves(case.loss_and_gradient(case.start)[1])
    slope = sum(float(np.vdot(one, way)) for one, way in zip(gradient, ways, strict=True))
    assert (moved(1e-3) - moved(-1e-3)) / 2e-3 == pytest.approx(slope, rel=2e-2, abs=5e-2)


def test_rematerialized_it_has_the_same_gradient(case):
    again = jax.grad(jax.checkpoint(case.loss))
    assert "remat" in str(jax.make_jaxpr(again)(case.start))
    assert_close(jax.jit(again)(case.start), case.loss_and_gradient(case.start)[1])


def test_mapped_and_scanned_it_gives_the_same(case):
    turned = jax.tree.map(lambda one: one[::-1], (case.inputs, case.options))
    stacked = jax.tree.map(lambda *both: jnp.stack(both), (case.inputs, case.options), turned)

    def call(inputs, options):
        return case.module(*inputs, **options, return_weights=True)

    @jax.jit
    def both_ways(stacked):
        scanned = jax.lax.scan(lambda carry, each: (carry, call(*each)), None, stacked)[1]
        return jax.vmap(call)(*stacked), scanned

    expected = (case.masked_output, case.masked_weights)
    for found in both_ways(stacked):
        first, second = (jax.tree.map(lambda one, n=n: one[n], found) for n in range(2))
        assert_close(first, expected)
        assert_close(each_by_example(second, case, turned=True), each_by_example(expected, case))


def test_what_flax_captures_is_what_it_returns(case):
    @nnx.jit
    def compiled(module, *inputs):
        return module(*inputs)

    output, stored = nnx.capture(compiled, nnx.Intermediate)(case.module, *case.inputs)
    sown = [
        variable.get_value()
        for path, variable in nnx.to_flat_state(stored)
        if path[-1] == "attention_weights"
    ]
    found, expected = (
        sorted((np.asarray(leaf).ravel() for leaf in jax.tree.leaves(tree)), key=len)
        for tree in (sown, case.weights)
    )
    assert_close(output, case.output)
    assert_close(found, expected, atol=1e-6)


def captured_weights(recording):
    """`[example, head, query, key]` of each attention; parts of one example are its queries."""
    by_name = {}
    for number, example in enumerate(recording.examples):
        for attention in example.maps:
            name = re.sub(r" \(part \d+\)$", "", attention.name)
            by_name.setdefault(name, {}).setdefault(number, []).append(attention.array())
    return [
        np.stack([np.concatenate(parts, axis=1) for parts in examples.values()])
        for examples in by_name.values()
    ]


CAPTURED = [name for name, member in FAMILY.items() if member.captured]


@pytest.mark.parametrize(
    ("name", "masked"),
    [*((name, False) for name in CAPTURED), *((name, True) for name in CAPTURED if name in MASKED)],
)
def test_unedited_it_gives_its_weights_to_capture(name, masked):
    case = called(name)
    options = case.options if masked else {}
    recording = capture_attention(case.module, *case.inputs, kwargs=options, verify=not masked)
    expected = case.masked_weights if masked else case.weights
    assert_close(captured_weights(recording), each_by_example(expected, case), atol=1e-6)
    for attention in recording.examples[0].maps:
        assert attention.kind == case.member.kind, attention.kind
        assert attention.checks.output_difference == (None if masked else 0)


@pytest.fixture(scope="module")
def outcomes():
    return outcomes_on_eight_devices("tests.nn.eight_devices")


@pytest.mark.parametrize("name", FAMILY)
def test_over_eight_devices_it_gives_the_same(outcomes, name):
    assert outcomes[name] == ""
