"""Flax NNX attention inside transformations, of Flax and of JAX."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from attnreport._errors import CaptureError
from attnreport.capture import capture_attention
from tests.capture.nnx_models import FEATURES, HEADS, ROUNDING, Layer, flax_sown, maps, numbers


class Stack(nnx.Module):
    """Three layers whose parameters lie in one array each, run in one of several ways."""

    def __init__(self, rngs, way="scan"):
        @nnx.split_rngs(splits=3)
        @nnx.vmap(in_axes=0, out_axes=0)
        def make(rngs):
            return Layer(rngs, cross=True)

        self.layers, self.way = make(rngs), way

    def __call__(self, x, memory, *, sow=False):
        def run(layer, x):
            return layer(x, None, memory, sow=sow)

        axes = nnx.StateAxes({nnx.Param: 0, nnx.Intermediate: 0, ...: None})
        if self.way == "vmap":
            return nnx.vmap(run, in_axes=(axes, None))(self.layers, x)
        if self.way == "scan remat":
            run = nnx.remat(run)
        return nnx.scan(run, in_axes=(axes, nnx.Carry), out_axes=nnx.Carry)(self.layers, x)


@pytest.mark.parametrize("way", ["scan", "scan remat"])
def test_stacked_layers_become_maps(way):
    model = Stack(nnx.Rngs(0), way)
    inputs = numbers(2, 5, FEATURES), numbers(2, 4, FEATURES, seed=1)
    recording = capture_attention(model, *inputs, verify=False)
    assert [m.name for m in recording.examples[0].maps] == [
        f"layers.{kind}_attention[{layer}]" for kind in ("self", "cross") for layer in range(3)
    ]
    expected = flax_sown(model, *inputs)
    for example in range(2):
        for name, attention in maps(recording, example).items():
            path, layer = name.removesuffix("]").split("[")
            reference = expected[path][0][int(layer)][example]
            assert abs(attention.array() - reference).max() <= ROUNDING


def test_layers_that_run_side_by_side_are_maps_of_their_own():
    model = Stack(nnx.Rngs(0), "vmap")
    inputs = numbers(2, 5, FEATURES), numbers(2, 4, FEATURES, seed=1)
    recording = capture_attention(model, *inputs, verify=False)
    assert [m.name for m in recording.examples[0].maps] == [
        f"layers.{kind}_attention[{layer}]" for kind in ("self", "cross") for layer in range(3)
    ]
    expected = flax_sown(model, *inputs)
    for example in range(2):
        for name, attention in maps(recording, example).items():
            path, layer = name.removesuffix("]").split("[")
            reference = expected[path][0][int(layer)][example]
            assert abs(attention.array() - reference).max() <= ROUNDING


class Wrapped(nnx.Module):
    """One layer, run inside a transformation."""

    def __init__(self, run):
        self.layer, self.run = Layer(nnx.Rngs(0)), run

    def __call__(self, x):
        return self.run(self.layer, x)


def call(layer, x):
    return layer(x)


def lax_scan(layer, x):
    graph, state = nnx.split(layer)
    return jax.lax.scan(lambda x, _: (nnx.merge(graph, state)(x), None), x, length=1)[0]


def conditional(layer, x):
    return nnx.cond(x[0, 0, 0] > 0, call, lambda layer, x: 2 * x, layer, x)


RUNS = {
    "nnx.remat": nnx.remat(call),
    "nnx.jit": nnx.jit(call),
    "nnx.vmap": nnx.vmap(call, in_axes=(None, 0)),
    "nnx.cond": conditional,
    "jax.checkpoint": lambda layer, x: jax.checkpoint(layer)(x),
    "jax.lax.scan": lax_scan,
}
X = numbers(2, 5, FEATURES).at[0, 0, 0].set(1)


@pytest.mark.parametrize("name", RUNS)
def test_transformations_do_not_hide_attention(name):
    plain = capture_attention(Wrapped(call), X, verify=False)
    wrapped = capture_attention(Wrapped(RUNS[name]), X)
    for example, other in zip(plain.examples, wrapped.examples, strict=True):
        (one,), (two,) = example.maps, other.maps
        assert two.name == "layer.self_attention" + ("[0]" if name == "jax.lax.scan" else "")
        assert abs(one.array() - two.array()).max() <= ROUNDING
        assert two.checks.output_difference == 0


def test_a_branch_that_was_not_taken_gives_nothing():
    message = r"layer\.self_attention did not run: another branch was taken"
    with pytest.raises(CaptureError, match=message):
        capture_attention(Wrapped(conditional), -X)


def test_layers_that_share_parameters_in_a_loop_are_told_apart():
    def twice(layer, x):
        graph, state = nnx.split(layer)
        return jax.lax.scan(lambda x, _: (nnx.merge(graph, state)(x), None), x, length=2)[0]

    model = Wrapped(twice)
    looped = capture_attention(model, X, verify=False).examples[0].maps
    again = capture_attention(model.layer, model.layer(X), verify=False).examples[0].maps
    assert [m.name for m in looped] == ["layer.self_attention[0]", "layer.self_attention[1]"]
    assert abs(looped[1].array() - again[0].array()).max() <= ROUNDING


class Reader(nnx.Module):
    """A decoder that asks one question a step, and hears its answer in the next."""

    def __init__(self):
        self.attention = nnx.MultiHeadAttention(HEADS, FEATURES, decode=False, rngs=nnx.Rngs(0))

    def __call__(self, x, memory):
        def step(reader, state, now):
            state = reader.attention(now[:, None] + state, memory)
            return state, state[:, 0]

        scanned = nnx.scan(step, in_axes=(None, nnx.Carry, 1), out_axes=(nnx.Carry, 1))
        return scanned(self, jnp.zeros_like(x[:, :1]), x)[1]


def test_steps_of_a_decoder_become_the_queries_of_one_map():
    model, memory = Reader(), numbers(2, 4, FEATURES, seed=1)
    recording = capture_attention(model, X, memory)
    state = jnp.zeros_like(X[:, :1])
    for number in range(5):
        question = X[:, number : number + 1] + state
        step = capture_attention(model.attention, question, memory, verify=False)
        for example, alone in zip(recording.examples, step.examples, strict=True):
            (attention,), (one,) = example.maps, alone.maps
            assert (attention.name, attention.kind) == ("attention", "cross")
            assert attention.weights.shape == (HEADS, 5, 4)
            assert np.abs(attention.array()[:, number] - one.array()[:, 0]).max() <= ROUNDING
        state = model.attention(question, memory)
