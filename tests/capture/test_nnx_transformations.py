"""Flax NNX attention inside transformations: what comes out, and why something does not."""

import jax
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


@pytest.mark.parametrize("way", ["scan", "scan remat", "vmap"])
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


class Wrapped(nnx.Module):
    """One layer, run inside a transformation."""

    def __init__(self, run):
        self.layer, self.run = Layer(nnx.Rngs(0)), run

    def __call__(self, x):
        return self.run(self.layer, x)


def call(layer, x):
    return layer(x)


def over_time(axes):
    def step(layer, carry, now):
        new = layer(now[:, None] + carry)
        return new, new[:, 0]

    def run(layer, x):
        scanned = nnx.scan(step, in_axes=(axes, nnx.Carry, 1), out_axes=(nnx.Carry, 1))
        return scanned(layer, x[:, :1], x)[1]

    return run


KEEPS = nnx.StateAxes({nnx.Intermediate: 0, ...: None})


@pytest.mark.parametrize("run", [nnx.remat(call), nnx.jit(call)], ids=["remat", "jit"])
def test_transformations_of_nnx_let_weights_out(run):
    x = numbers(2, 5, FEATURES)
    plain = capture_attention(Wrapped(call), x, verify=False)
    wrapped = capture_attention(Wrapped(run), x, verify=False)
    (one,), (other,) = plain.examples[1].maps, wrapped.examples[1].maps
    assert abs(one.array() - other.array()).max() <= ROUNDING


def test_steps_of_a_decoder_become_the_queries_of_one_map():
    recording = capture_attention(Wrapped(over_time(KEEPS)), numbers(2, 5, FEATURES), verify=False)
    (attention,) = recording.examples[0].maps
    assert attention.name == "layer.self_attention"
    assert attention.weights.shape == (HEADS, 5, 1)


def test_a_model_for_one_example_can_be_vmapped_over_examples():
    run = nnx.vmap(call, in_axes=(KEEPS, 0))
    x = numbers(2, 5, FEATURES)
    recording = capture_attention(Wrapped(run), x, verify=False)
    direct = capture_attention(Layer(nnx.Rngs(0)), x, verify=False)
    assert len(recording.examples) == 2
    for example, other in zip(recording.examples, direct.examples, strict=True):
        (one,), (two,) = example.maps, other.maps
        assert one.name == "layer.self_attention"
        assert abs(one.array() - two.array()).max() <= 1e-6


def lax_scan(layer, x):
    graph, state = nnx.split(layer)
    return jax.lax.scan(lambda x, _: (nnx.merge(graph, state)(x), None), x, length=2)[0]


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (
            lambda layer, x: jax.checkpoint(layer)(x),
            "UnexpectedTracerError.*in place of those of `jax`",
        ),
        (lambda layer, x: nnx.cond(x.sum() > 0, call, lambda layer, x: x, layer, x), r"nnx\.cond"),
        (nnx.vmap(call, in_axes=(None, 0)), r"StateAxes\(\{nnx\.Intermediate: 0"),
        (over_time(None), "no weights came out.*StateAxes"),
        (lax_scan, "UnexpectedTracerError.*in place of those of `jax`"),
    ],
    ids=["jax.checkpoint", "cond", "vmap", "scan", "lax.scan"],
)
def test_transformations_that_keep_weights_in_are_explained(run, message):
    with pytest.raises(CaptureError, match=message):
        capture_attention(Wrapped(run), numbers(2, 5, FEATURES))
